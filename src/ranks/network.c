#include "ranks/network.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the first line of a file of the kernel; "" if it cannot be read. */
static void read_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(out, (int)size, file))
        out[0] = '\0';
    if (file)
        fclose(file);
    out[strcspn(out, "\n")] = '\0';
}

static bool find_infiniband(const char *root, dt_network *out)
{
    char folder[PATH_MAX];
    char path[PATH_MAX + 320];
    char rate[64];
    struct dirent **entry = NULL;
    const char *first = NULL;
    int adapters = 0;
    snprintf(folder, sizeof folder, "%s/sys/class/infiniband", root);
    const int count = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < count; ++i)
        if (entry[i]->d_name[0] != '.' && adapters++ == 0)
            first = entry[i]->d_name;
    if (first) {
        snprintf(path, sizeof path, "%s/%s/ports/1/rate", folder, first);
        read_line(path, rate, sizeof rate);
        snprintf(out->name, sizeof out->name, "%.24s, %.40s, of %d", first, rate, adapters);
        out->rate = strtod(rate, NULL) * 1e9 / 8.0; /* "400 Gb/sec (4X NDR)" */
    }
    for (int i = 0; i < count; ++i)
        free(entry[i]);
    free(entry);
    return adapters > 0;
}

static void name_interface(const char *root, const char *interface, dt_network *out)
{
    char path[PATH_MAX];
    char text[32];
    snprintf(path, sizeof path, "%s/sys/class/net/%s/speed", root, interface);
    read_line(path, text, sizeof text);
    const double speed = strtod(text, NULL); /* -1 or "": unknown */
    snprintf(out->name, sizeof out->name, "%.24s", interface);
    if (speed <= 0.0)
        return;
    snprintf(out->name, sizeof out->name, "%.24s, %.16s Mb/s", interface, text);
    out->rate = speed * 1e6 / 8.0;
}

void dt_network_find(const char *root, dt_network *out)
{
    struct ifaddrs *all = NULL;
    *out = (dt_network){.name = "none"};
    if (find_infiniband(root, out) || getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && !(i->ifa_flags & IFF_LOOPBACK) && (i->ifa_flags & IFF_UP)) {
            name_interface(root, i->ifa_name, out);
            break;
        }
    freeifaddrs(all);
}
