/* Faults of a file system, for tests: preloaded, it lets the calls of one kind on files in a folder
 * fail, from libraries and the program alike.
 *
 *     FAULT_FOLDER  only files below it (an absolute path) are concerned
 *     FAULT_CALL    open, write, sync, rename, remove, or any; open: a file of any mode, or a new folder
 *     FAULT_AT      number of the call that fails, from 1; with a '+', all later ones too; 0: none
 *     FAULT_KIND    an error: ENOSPC, EIO or EINTR; short: half of the bytes are written, without an
 *                   error; kill or stop: the process gets SIGKILL or SIGSTOP before the call;
 *                   hang: the call does not return; power: a kill that takes away all that was
 *                   not synced (power_failure.c), also at the end of a process with fewer calls
 *     FAULT_UNDO    for power: a folder on the same file system, outside FAULT_FOLDER
 *     FAULT_EXCEPT  writes to files whose names end in this are not concerned
 *     FAULT_WHILE   calls fail only while this file exists
 *     FAULT_COUNT   a file to which each concerned call appends a byte: their number is its size
 *
 * Calls inside the C library cannot be intercepted; streams are written with fwrite(), fflush() and
 * fclose(), which are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "power_failure.h"

#define LONGEST (2 * (size_t)PATH_MAX)
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, #name))

static void absolute(char *out, const char *path)
{
    char here[PATH_MAX];
    if (path[0] != '/' && getcwd(here, sizeof here))
        snprintf(out, LONGEST, "%s/%s", here, path);
    else
        snprintf(out, LONGEST, "%s", path);
}

static bool is_below(const char *path)
{
    const char *folder = getenv("FAULT_FOLDER");
    const size_t length = folder ? strlen(folder) : 0;
    char whole[LONGEST];
    if (!length)
        return false;
    absolute(whole, path);
    return strncmp(whole, folder, length) == 0 && (whole[length] == '/' || whole[length] == '\0');
}

static bool ends_in(const char *path, const char *end)
{
    const size_t length = strlen(path);
    const size_t wanted = end ? strlen(end) : 0;
    return wanted && length >= wanted && strcmp(path + length - wanted, end) == 0;
}

static bool is_open_below(int fd)
{
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return length > 0 && is_below(path) && !ends_in(path, getenv("FAULT_EXCEPT"));
}

static void count_call(void)
{
    const char *count = getenv("FAULT_COUNT");
    const int fd = count ? REAL(int (*)(const char *, int, ...),
                                open)(count, O_WRONLY | O_APPEND | O_CREAT, 0666)
                         : -1;
    if (fd < 0)
        return;
    (void)!REAL(ssize_t(*)(int, const void *, size_t), write)(fd, "x", 1);
    REAL(int (*)(int), close)(fd);
}

static bool power_may_fail(void)
{
    const char *kind = getenv("FAULT_KIND");
    return kind && strcmp(kind, "power") == 0;
}

__attribute__((destructor)) static void end(void)
{
    const char *at = getenv("FAULT_AT");
    if (power_may_fail() && at && strcmp(at, "0") != 0)
        power_fails();
}

/* Returns whether this call fails. Sets *half for a short write, otherwise errno. */
static bool fails(const char *call, bool *half)
{
    static atomic_long calls;
    const char *wanted = getenv("FAULT_CALL");
    const char *at = getenv("FAULT_AT");
    const char *kind = getenv("FAULT_KIND");
    const char *condition = getenv("FAULT_WHILE");
    char *end;
    *half = false;
    if (!wanted || !at || !kind || (strcmp(wanted, call) != 0 && strcmp(wanted, "any") != 0))
        return false;
    count_call();
    const long number = atomic_fetch_add(&calls, 1) + 1;
    const long first = strtol(at, &end, 10);
    const bool due = first > 0 && (number == first || (*end == '+' && number > first));
    if (!due || (condition && access(condition, F_OK) != 0))
        return false;
    if (strcmp(kind, "power") == 0)
        power_fails();
    if (strcmp(kind, "kill") == 0 || strcmp(kind, "power") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(kind, "stop") == 0)
        return kill(getpid(), SIGSTOP) != 0;
    while (strcmp(kind, "hang") == 0)
        sleep(1000);
    *half = strcmp(kind, "short") == 0;
    errno = strcmp(kind, "ENOSPC") == 0 ? ENOSPC : strcmp(kind, "EINTR") == 0 ? EINTR : EIO;
    return true;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    bool half;
    va_start(rest, flags);
    const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (is_below(path) && fails("open", &half) && !half)
        return -1;
    return REAL(int (*)(const char *, int, ...), open)(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    bool half;
    if (is_below(path) && fails("open", &half) && !half)
        return NULL;
    return REAL(FILE * (*)(const char *, const char *), fopen)(path, mode);
}

int mkdir(const char *path, mode_t mode)
{
    bool half;
    if (is_below(path) && fails("open", &half) && !half)
        return -1;
    return REAL(int (*)(const char *, mode_t), mkdir)(path, mode);
}

/* Returns whether a call that writes to the file fails. */
static bool write_fails(int fd, bool *half)
{
    *half = false;
    if (!is_open_below(fd))
        return false;
    const bool failed = fails("write", half);
    if (!failed && power_may_fail())
        power_writes(fd);
    return failed;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    bool half;
    if (write_fails(fd, &half)) {
        if (!half)
            return -1;
        length = (length + 1) / 2;
    }
    return REAL(ssize_t(*)(int, const void *, size_t), write)(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    bool half;
    if (write_fails(fd, &half)) {
        if (!half)
            return -1;
        length = (length + 1) / 2;
    }
    return REAL(ssize_t(*)(int, const void *, size_t, off_t), pwrite)(fd, bytes, length, offset);
}

/* A short write of the kernel is continued by the C library: for the caller there is none. */
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream)
{
    bool half;
    if (write_fails(fileno(stream), &half) && !half)
        return 0;
    return REAL(size_t(*)(const void *, size_t, size_t, FILE *), fwrite)(bytes, size, count,
                                                                         stream);
}

int fflush(FILE *stream)
{
    bool half;
    if (stream && write_fails(fileno(stream), &half) && !half)
        return EOF;
    return REAL(int (*)(FILE *), fflush)(stream);
}

int fclose(FILE *stream)
{
    bool half = false;
    const bool failed = write_fails(fileno(stream), &half) && !half;
    const int error = errno;
    const int result = REAL(int (*)(FILE *), fclose)(stream);
    if (!failed)
        return result;
    errno = error;
    return EOF;
}

int fsync(int fd)
{
    bool half;
    if (is_open_below(fd) && fails("sync", &half) && !half)
        return -1;
    const int result = REAL(int (*)(int), fsync)(fd);
    if (power_may_fail())
        power_synced(fd);
    return result;
}

int ftruncate(int fd, off_t length)
{
    bool half;
    if (write_fails(fd, &half) && !half)
        return -1;
    return REAL(int (*)(int, off_t), ftruncate)(fd, length);
}

/* The absolute path of a name in a folder: a descriptor, or AT_FDCWD. */
static void path_in(char *out, int folder, const char *name)
{
    char link[64];
    if (folder == AT_FDCWD) {
        absolute(out, name);
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    const ssize_t length = readlink(link, out, PATH_MAX);
    snprintf(out + (length > 0 ? length : 0), PATH_MAX, "/%s", name);
}

/* Notes a new name of `from`, or (NULL) the removal of `to`, in this folder. */
static void note_change(const char *from, int folder, const char *to)
{
    char old[LONGEST];
    char new[LONGEST];
    if (!power_may_fail())
        return;
    path_in(new, folder, to);
    if (from)
        path_in(old, folder, from);
    power_replaces(from ? old : NULL, new);
}

int rename(const char *from, const char *to)
{
    bool half;
    if (is_below(to) && fails("rename", &half) && !half)
        return -1;
    if (is_below(to))
        note_change(from, AT_FDCWD, to);
    return REAL(int (*)(const char *, const char *), rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    bool half;
    if (is_open_below(to_folder) && fails("rename", &half) && !half)
        return -1;
    if (is_open_below(to_folder))
        note_change(from, to_folder, to);
    return REAL(int (*)(int, const char *, int, const char *), renameat)(from_folder, from,
                                                                         to_folder, to);
}

int unlink(const char *path)
{
    bool half;
    if (is_below(path) && fails("remove", &half) && !half)
        return -1;
    if (is_below(path))
        note_change(NULL, AT_FDCWD, path);
    return REAL(int (*)(const char *), unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    bool half;
    if (is_open_below(folder) && fails("remove", &half) && !half)
        return -1;
    if (is_open_below(folder))
        note_change(NULL, folder, path);
    return REAL(int (*)(int, const char *, int), unlinkat)(folder, path, flags);
}
