#include "cpu/host.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"

void dt_host_memory(int64_t *available, int64_t *total)
{
    dt_memory_limit all;
    dt_memory_limit left;
    dt_memory_limits("", 1, &all, &left);
    *total = all.bytes;
    *available = left.bytes;
}

/* Copies the value of the first "model name" line of /proc/cpuinfo. */
void dt_host_processor(char *out, size_t size)
{
    static const char key[] = "model name";
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    snprintf(out, size, "processor");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, sizeof key - 1) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        const char *value = line + sizeof key - 1;
        snprintf(out, size, "%s", value + strspn(value, " \t:"));
        break;
    }
    if (file)
        fclose(file);
}
