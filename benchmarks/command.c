/* Measures the resources that a command uses.
 *
 *     bench_command FILE COMMAND [ARGUMENTS…]
 *
 * Runs the command and writes one line to FILE: wall-clock seconds, CPU seconds of the command and
 * all processes that it waited for, the largest resident memory of any of them in MB, and the CPU
 * seconds of other processes. Exits with the status of the command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

/* Returns the CPU seconds that this machine has been busy since boot (proc(5)). */
static double busy_seconds(void)
{
    static const int idle[] = {3, 4}; /* idle, iowait */
    double busy = 0.0;
    FILE *file = fopen("/proc/stat", "r");
    char line[512];
    if (file && fgets(line, sizeof line, file)) {
        char *at = line + strcspn(line, " ");
        for (int i = 0; i < 8; ++i) {
            const double ticks = strtod(at, &at);
            if (i != idle[0] && i != idle[1])
                busy += ticks;
        }
    }
    if (file)
        fclose(file);
    return busy / (double)sysconf(_SC_CLK_TCK);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s FILE COMMAND [ARGUMENTS...]\n", argv[0]);
        return 2;
    }
    const double began = dt_seconds();
    const double busy = busy_seconds();
    const pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror(argv[0]);
        return 1;
    }
    const double took = dt_seconds() - began;
    const double used = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    const double others = busy_seconds() - busy - used;
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        perror(argv[1]);
        return 1;
    }
    fprintf(out, "%.6f %.6f %.1f %.3f\n", took, used, 1.024e-3 * (double)usage.ru_maxrss,
            others > 0.0 ? others : 0.0);
    if (fclose(out) != 0) {
        perror(argv[1]);
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
