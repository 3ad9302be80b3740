/* Another host's clock and a slow shared file system, for tests. Preloaded into a program:
 *
 *     CLOCK_AHEAD=S      its wall clock is S seconds ahead (negative: behind); the monotonic clock
 *                        is as it was
 *     SLOW_FOLDER=DIR    for files whose path contains DIR: opening, creating, renaming and removing
 *                        one takes SLOW_MS milliseconds, fsync SLOW_SYNC_MS, and writing SLOW_BYTES
 *                        bytes a second
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) (*(void **)&next = dlsym(RTLD_NEXT, name))

static double setting(const char *name)
{
    const char *text = getenv(name);
    return text ? atof(text) : 0;
}

/* ---- the clock ------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int (*next)(clockid_t, struct timespec *);
    NEXT("clock_gettime");
    const int failed = next(clock, out);
    if (clock == CLOCK_REALTIME)
        out->tv_sec += (time_t)setting("CLOCK_AHEAD");
    return failed;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    *out = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

/* ---- the file system ------------------------------------------------------------------------- */

static void pause_for(double seconds)
{
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
}

static bool is_slow(const char *path)
{
    const char *folder = getenv("SLOW_FOLDER");
    return folder && path && strstr(path, folder);
}

static void slow_path(const char *path)
{
    if (is_slow(path))
        pause_for(setting("SLOW_MS") / 1e3);
}

static bool is_slow_file(int fd)
{
    char link[64];
    char path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return getenv("SLOW_FOLDER") && readlink(link, path, sizeof path - 1) > 0 && is_slow(path);
}

static void slow_write(int fd, ssize_t bytes)
{
    const double rate = setting("SLOW_BYTES");
    if (bytes > 0 && rate > 0 && is_slow_file(fd))
        pause_for((double)bytes / rate);
}

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...);
    NEXT(name);
    slow_path(path);
    return next(path, flags, mode);
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;              \
        va_end(args);                                                                              \
        return opened(#name, path, flags, mode);                                                   \
    }
OPEN(open)
OPEN(open64)

FILE *fopen(const char *path, const char *mode)
{
    FILE *(*next)(const char *, const char *);
    NEXT("fopen");
    slow_path(path);
    return next(path, mode);
}

int mkstemp(char *path)
{
    int (*next)(char *);
    NEXT("mkstemp");
    slow_path(path);
    return next(path);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *);
    NEXT("rename");
    slow_path(to);
    return next(from, to);
}

int unlink(const char *path)
{
    int (*next)(const char *);
    NEXT("unlink");
    slow_path(path);
    return next(path);
}

int fsync(int fd)
{
    int (*next)(int);
    NEXT("fsync");
    if (is_slow_file(fd))
        pause_for(setting("SLOW_SYNC_MS") / 1e3);
    return next(fd);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    ssize_t (*next)(int, const void *, size_t);
    NEXT("write");
    slow_write(fd, (ssize_t)count);
    return next(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at)
{
    ssize_t (*next)(int, const void *, size_t, off_t);
    NEXT("pwrite64");
    slow_write(fd, (ssize_t)count);
    return next(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return pwrite64(fd, bytes, count, at);
}
