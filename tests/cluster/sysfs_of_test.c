/* A machine with other GPUs than this one, for tests: preloaded, it lets programs find the PCI
 * devices of $SYSFS_OF_TEST/sys/bus/pci/devices in place of the kernel's. */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES "/sys/bus/pci/devices"

static const char *moved(const char *path, char *out)
{
    const char *root = getenv("SYSFS_OF_TEST");
    if (!root || strncmp(path, DEVICES, strlen(DEVICES)) != 0 ||
        snprintf(out, PATH_MAX, "%s%s", root, path) >= PATH_MAX)
        return path;
    return out;
}

typedef int (*compare_entries)(const struct dirent **, const struct dirent **);
typedef int (*choose_entry)(const struct dirent *);

int scandir(const char *folder, struct dirent ***out, choose_entry choose, compare_entries compare)
{
    char other[PATH_MAX];
    int (*next)(const char *, struct dirent ***, choose_entry, compare_entries);
    *(void **)&next = dlsym(RTLD_NEXT, "scandir");
    return next(moved(folder, other), out, choose, compare);
}

FILE *fopen(const char *path, const char *mode)
{
    char other[PATH_MAX];
    FILE *(*next)(const char *, const char *);
    *(void **)&next = dlsym(RTLD_NEXT, "fopen");
    return next(moved(path, other), mode);
}
