#include "cpu/host.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Copies what follows `key` and blanks in the first line of `path` that starts with it. */
static int find_line(const char *path, const char *key, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    char line[512];
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        const char *value = line + strlen(key);
        value += strspn(value, " \t:");
        snprintf(out, size, "%s", value);
        found = 1;
    }
    if (file)
        fclose(file);
    return found;
}

/* The number after `key`; -1 where there is none ("max" of a control group without a limit). */
static int64_t number_of(const char *path, const char *key)
{
    char text[512];
    long long value;
    return find_line(path, key, text, sizeof text) && sscanf(text, "%lld", &value) == 1 ? value
                                                                                        : -1;
}

/* Bytes in use by the control group in `folder` that the system cannot take back. */
static int64_t used_by(const char *folder)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/memory.current", folder);
    const int64_t used = number_of(path, "");
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    const int64_t cached = number_of(path, "active_file ") + number_of(path, "inactive_file ");
    return cached > 0 && used > cached ? used - cached : used;
}

void dt_host_memory(int64_t *available, int64_t *total)
{
    *total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    const int64_t kilobytes = number_of("/proc/meminfo", "MemAvailable");
    *available = kilobytes < 0 ? *total : kilobytes * 1024;
    char group[512];
    char folder[PATH_MAX];
    char path[PATH_MAX + 16];
    if (!find_line("/proc/self/cgroup", "0::", group, sizeof group))
        return;
    for (;;) { /* a limit may stand in any folder up to the root */
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", group);
        snprintf(path, sizeof path, "%s/memory.max", folder);
        const int64_t limit = number_of(path, "");
        if (limit >= 0) {
            const int64_t used = used_by(folder);
            const int64_t left = limit > used ? limit - used : 0;
            *total = limit < *total ? limit : *total;
            *available = left < *available ? left : *available;
        }
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

void dt_host_processor(char *out, size_t size)
{
    if (!find_line("/proc/cpuinfo", "model name", out, size))
        snprintf(out, size, "processor");
}
