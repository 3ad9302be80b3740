#include "power_failure.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 256

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Files written since they were last synced. */
static struct {
    struct stat info; /* before the first of these writes */
    int fd;           /* opened anew: it shares no lock */
} written[MOST];
static int writes;

/* Names given and removed since their folder was last synced. */
static struct {
    struct stat folder;
    char from[PATH_MAX]; /* empty: a removal */
    char to[PATH_MAX];
    char kept[PATH_MAX]; /* another link to what `to` was; empty: there was nothing */
} renamed[MOST];
static int renames;

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static void check_space(int count)
{
    if (count < MOST)
        return;
    fprintf(stderr, "power_failure: more than %d changes that are not synced\n", MOST);
    abort();
}

void power_writes(int fd)
{
    char path[64];
    struct stat info;
    int i = 0;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return;
    pthread_mutex_lock(&mutex);
    while (i < writes && !is_same(&written[i].info, &info))
        ++i;
    if (i == writes) {
        check_space(writes);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        written[writes].info = info;
        written[writes++].fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    pthread_mutex_unlock(&mutex);
}

void power_synced(int fd)
{
    struct stat info;
    int left = 0;
    if (fstat(fd, &info) != 0)
        return;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < writes; ++i)
        if (is_same(&written[i].info, &info))
            close(written[i].fd);
        else
            written[left++] = written[i];
    writes = left;
    left = 0;
    for (int i = 0; i < renames; ++i)
        if (!is_same(&renamed[i].folder, &info))
            renamed[left++] = renamed[i];
    renames = left;
    pthread_mutex_unlock(&mutex);
}

void power_replaces(const char *from, const char *to)
{
    static int links;
    char folder[PATH_MAX];
    const char *store = getenv("FAULT_UNDO");
    if (!store)
        return;
    pthread_mutex_lock(&mutex);
    check_space(renames);
    snprintf(folder, sizeof folder, "%s", to);
    *strrchr(folder, '/') = '\0';
    if (stat(folder, &renamed[renames].folder) == 0) {
        snprintf(renamed[renames].from, PATH_MAX, "%s", from ? from : "");
        snprintf(renamed[renames].to, PATH_MAX, "%s", to);
        snprintf(renamed[renames].kept, PATH_MAX, "%s/%d-%d", store, (int)getpid(), links++);
        if (link(to, renamed[renames].kept) != 0)
            renamed[renames].kept[0] = '\0';
        ++renames;
    }
    pthread_mutex_unlock(&mutex);
}

/* Without the calls that fail_calls.c replaces. */
static void real_rename(const char *from, const char *to)
{
    syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

void power_fails(void)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < writes; ++i)
        syscall(SYS_ftruncate, written[i].fd, written[i].info.st_size);
    while (renames-- > 0) {
        if (renamed[renames].from[0])
            real_rename(renamed[renames].to, renamed[renames].from);
        if (renamed[renames].kept[0])
            real_rename(renamed[renames].kept, renamed[renames].to);
    }
}
