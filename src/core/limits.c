#include "core/limits.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- reading the kernel's files ------------------------------------------------------------- */

#define PATH_ROOM (2 * PATH_MAX)

/* Returns true if `visit` returns true for a line of the file <root><path>. */
static bool find_line(const char *root, const char *path, bool (*visit)(char *line, void *context),
                      void *context)
{
    char full[PATH_ROOM];
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    FILE *file = fopen(full, "r");
    while (file && !found && getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        found = visit(line, context);
    }
    free(line);
    if (file)
        fclose(file);
    return found;
}

/* A key at the start of a line, and the number after it. */
typedef struct {
    const char *key;
    long long number;
} keyed_number;

static bool is_keyed(char *line, void *context)
{
    keyed_number *wanted = context;
    const size_t length = strlen(wanted->key);
    return strncmp(line, wanted->key, length) == 0 &&
           sscanf(line + length, "%lld", &wanted->number) == 1;
}

/* Returns -1 if there is no number: "max" of a group, "unlimited" of a process. */
static int64_t number_in(const char *root, const char *path, const char *key)
{
    keyed_number wanted = {.key = key};
    return find_line(root, path, is_keyed, &wanted) && wanted.number >= 0 ? wanted.number : -1;
}

/* ---- control groups ------------------------------------------------------------------------- */

typedef enum { GROUP_V1, GROUP_V2 } group_version;

/* A control group in a hierarchy: at first the group of the process, then its ancestors. */
typedef struct {
    const char *root;
    const char *controller; /* "memory", "cpu"; version 1 has one hierarchy per controller */
    group_version version;
    char path[PATH_MAX];       /* of the group, from /proc/self/cgroup */
    char mount_root[PATH_MAX]; /* the part of the hierarchy that is mounted */
    char folder[PATH_ROOM];    /* of the group, relative to root */
    size_t top;                /* length of the prefix of `folder` that is the mount point */
} group;

/* Returns true if the comma-separated list contains the word. */
static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* Parses a line "4:memory:/path", or "0::/path" of version 2. */
static bool is_path(char *line, void *context)
{
    group *g = context;
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return false;
    *path++ = '\0';
    controllers++;
    if (g->version == GROUP_V2 ? *controllers != '\0' : !has_word(controllers, g->controller))
        return false;
    snprintf(g->path, sizeof g->path, "%s", path);
    return true;
}

/* Decodes blanks etc., which mountinfo writes as \040. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; ++to) {
        int code;
        if (from[0] == '\\' && sscanf(from + 1, "%3o", (unsigned *)&code) == 1) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Parses "35 31 0:32 /part /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory" */
static bool is_mount(char *line, void *context)
{
    group *g = context;
    char *rest = strstr(line, " - ");
    char type[16];
    char options[1024];
    char mount[PATH_MAX];
    if (!rest || sscanf(rest, " - %15s %*s %1023s", type, options) != 2 ||
        strcmp(type, g->version == GROUP_V2 ? "cgroup2" : "cgroup") != 0 ||
        (g->version == GROUP_V1 && !has_word(options, g->controller)) ||
        sscanf(line, "%*s %*s %*s %4095s %4095s", g->mount_root, mount) != 2)
        return false;
    unescape(g->mount_root);
    unescape(mount);
    g->top = (size_t)snprintf(g->folder, sizeof g->folder, "%s", mount);
    return true;
}

/* Returns the part of the group's path below the mount root; "" if it is not visible here. */
static const char *visible_path(const group *g)
{
    const size_t length = strcmp(g->mount_root, "/") == 0 ? 0 : strlen(g->mount_root);
    const char *rest = g->path + length;
    if (strstr(g->path, "/..") || strncmp(g->path, g->mount_root, length) != 0 ||
        (*rest != '/' && *rest != '\0'))
        return "";
    return strcmp(rest, "/") == 0 ? "" : rest;
}

/* Finds the group of the process; false if there is no such hierarchy. */
static bool find_group(group *g, const char *root, const char *controller, group_version version)
{
    *g = (group){.root = root, .controller = controller, .version = version};
    if (!find_line(root, "/proc/self/cgroup", is_path, g) ||
        !find_line(root, "/proc/self/mountinfo", is_mount, g))
        return false;
    snprintf(g->folder + g->top, sizeof g->folder - g->top, "%s", visible_path(g));
    return true;
}

/* Returns the group's name for messages. */
static const char *group_name(const group *g)
{
    return g->folder[g->top] ? g->folder + g->top : "/";
}

static int64_t group_number(const group *g, const char *file, const char *key)
{
    char path[PATH_ROOM + 64];
    snprintf(path, sizeof path, "%s/%s", g->folder, file);
    return number_in(g->root, path, key);
}

/* Moves to the parent group; false at the last that is mounted. */
static bool go_up(group *g)
{
    char *slash = strrchr(g->folder, '/');
    if (!g->folder[g->top] || !slash)
        return false;
    *slash = '\0';
    /* in version 1 without use_hierarchy, a group is not limited by its ancestors */
    return strcmp(g->controller, "memory") != 0 || group_number(g, "memory.use_hierarchy", "") != 0;
}

/* ---- memory --------------------------------------------------------------------------------- */

static void lower(dt_memory_limit *limit, int64_t bytes, const char *what, const char *where)
{
    if (bytes >= limit->bytes)
        return;
    limit->bytes = bytes > 0 ? bytes : 0;
    limit->own = !*where;
    snprintf(limit->by, sizeof limit->by, "%s%.180s", what, where);
}

dt_memory_limit dt_address_space(const char *root)
{
    dt_memory_limit left = {.bytes = INT64_MAX};
    static const char limits[] = "/proc/self/limits";
    static const char status[] = "/proc/self/status";
    const int64_t space = number_in(root, limits, "Max address space");
    const int64_t data = number_in(root, limits, "Max data size");
    if (space >= 0)
        lower(&left, space - 1024 * number_in(root, status, "VmSize:"), "ulimit -v", "");
    if (data >= 0)
        lower(&left, data - 1024 * number_in(root, status, "VmData:"), "ulimit -d", "");
    return left;
}

/* Returns the bytes used by the group that the system cannot reclaim. */
static int64_t used_by(const group *g)
{
    const bool v2 = g->version == GROUP_V2;
    const char *stat = "memory.stat";
    const int64_t used = group_number(g, v2 ? "memory.current" : "memory.usage_in_bytes", "");
    const int64_t active = group_number(g, stat, v2 ? "active_file " : "total_active_file ");
    const int64_t idle = group_number(g, stat, v2 ? "inactive_file " : "total_inactive_file ");
    const int64_t files = (active > 0 ? active : 0) + (idle > 0 ? idle : 0);
    return used > files ? used - files : 0;
}

typedef struct {
    int32_t sharing;
    dt_memory_limit *total, *available;
} bounds;

static void lower_by_group(const bounds *b, const group *g, const char *file, const char *key)
{
    char what[64];
    const int64_t limit = group_number(g, file, key);
    if (limit < 0)
        return;
    snprintf(what, sizeof what, "the control group's %s of ", *key ? key : file);
    lower(b->total, limit / b->sharing, what, group_name(g));
    lower(b->available, (limit - used_by(g)) / b->sharing, what, group_name(g));
}

static void lower_by_groups(const bounds *b, const char *root, group_version version)
{
    group g;
    if (!find_group(&g, root, "memory", version))
        return;
    if (version == GROUP_V1) /* includes ancestors that are not mounted here */
        lower_by_group(b, &g, "memory.stat", "hierarchical_memory_limit");
    do {
        if (version == GROUP_V1) {
            lower_by_group(b, &g, "memory.limit_in_bytes", "");
        } else {
            lower_by_group(b, &g, "memory.max", "");
            lower_by_group(b, &g, "memory.high", "");
        }
    } while (go_up(&g));
}

void dt_memory_limits(const char *root, int32_t sharing, dt_memory_limit *total,
                      dt_memory_limit *available)
{
    const int64_t machine = number_in(root, "/proc/meminfo", "MemTotal:");
    const int64_t free_now = number_in(root, "/proc/meminfo", "MemAvailable:");
    const int64_t pages = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    const bounds b = {.sharing = sharing, .total = total, .available = available};
    *total = (dt_memory_limit){.bytes = (machine > 0 ? 1024 * machine : pages) / sharing};
    *available =
        (dt_memory_limit){.bytes = free_now >= 0 ? 1024 * free_now / sharing : total->bytes};
    lower_by_groups(&b, root, GROUP_V1);
    lower_by_groups(&b, root, GROUP_V2);
    const dt_memory_limit space = dt_address_space(root);
    lower(total, space.bytes, space.by, "");
    lower(available, space.bytes, space.by, "");
}

/* ---- processors ----------------------------------------------------------------------------- */

/* Parses "150000 100000": microseconds of processor time per period; false if there is no quota. */
static bool is_quota(char *line, void *context)
{
    double quota;
    double period;
    if (sscanf(line, "%lf %lf", &quota, &period) != 2 || quota <= 0.0 || period <= 0.0)
        return false;
    *(double *)context = quota / period;
    return true;
}

/* Returns the group's own quota in processors; 0: none. */
static double quota_of(const group *g)
{
    char path[PATH_ROOM + 64];
    double processors = 0.0;
    if (g->version == GROUP_V1) {
        const int64_t quota = group_number(g, "cpu.cfs_quota_us", "");
        const int64_t period = group_number(g, "cpu.cfs_period_us", "");
        return quota > 0 && period > 0 ? (double)quota / (double)period : 0.0;
    }
    snprintf(path, sizeof path, "%s/cpu.max", g->folder);
    return find_line(g->root, path, is_quota, &processors) ? processors : 0.0;
}

dt_cpu_quota dt_cpu_quota_read(const char *root)
{
    dt_cpu_quota least = {0};
    for (group_version version = GROUP_V1; version <= GROUP_V2; ++version) {
        group g;
        if (!find_group(&g, root, "cpu", version))
            continue;
        do {
            const double processors = quota_of(&g);
            if (processors <= 0.0 || (least.processors > 0.0 && processors >= least.processors))
                continue;
            least.processors = processors;
            snprintf(least.by, sizeof least.by, "the control group's %s of %.200s",
                     version == GROUP_V1 ? "cpu.cfs_quota_us" : "cpu.max", group_name(&g));
        } while (go_up(&g));
    }
    return least;
}

int32_t dt_quota_threads(double processors)
{
    return processors < 1.5 ? 1 : processors > 1e6 ? 1000000 : (int32_t)(processors + 0.5);
}

cpu_set_t *dt_affinity(size_t *size)
{
    for (int processors = CPU_SETSIZE; processors <= 1 << 20; processors *= 2) {
        cpu_set_t *set = CPU_ALLOC(processors);
        *size = CPU_ALLOC_SIZE(processors);
        if (set && sched_getaffinity(0, *size, set) == 0)
            return set;
        const bool larger = set && errno == EINVAL; /* the kernel's mask has more bits */
        CPU_FREE(set);
        if (!larger)
            return NULL;
    }
    return NULL;
}

int32_t dt_processors_allowed(void)
{
    size_t size;
    cpu_set_t *set = dt_affinity(&size);
    const int count = set ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    return count > 0 ? count : 1;
}
