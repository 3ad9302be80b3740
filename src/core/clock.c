#include "core/clock.h"

#include <stdio.h>
#include <time.h>

double dt_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void dt_timestamp(char *out, size_t size)
{
    struct timespec now;
    struct tm local;
    char seconds[24];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &local);
    snprintf(out, size, "%s.%06d", seconds, (int)(now.tv_nsec / 1000 % 1000000));
}
