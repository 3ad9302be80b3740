#include "cpu/host.h"

#include <stdbool.h>
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

/* Copies the value of the first line of /proc/cpuinfo that starts with `key`; false if there is none. */
static bool cpuinfo(const char *key, char *out, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        const char *value = line + strlen(key);
        snprintf(out, size, "%s", value + strspn(value, " \t:"));
        found = true;
    }
    if (file)
        fclose(file);
    return found;
}

void dt_host_processor(char *out, size_t size)
{
    char implementer[32];
    char part[32];
    if (cpuinfo("model name", out, size))
        return;
    if (cpuinfo("CPU implementer", implementer, sizeof implementer) &&
        cpuinfo("CPU part", part, sizeof part))
        snprintf(out, size, "Arm processor %s/%s", implementer, part);
    else
        snprintf(out, size, "processor");
}
