/* Faults of a file system, for tests: preloaded, it lets the calls of one kind on files in a folder
 * fail, from libraries and the program alike.
 *
 *     FAULT_FOLDER  only files below it (an absolute path) are concerned
 *     FAULT_CALL    open, write, sync, rename, remove, or any
 *     FAULT_AT      number of the call that fails, from 1; with a '+', all later ones too; 0: none
 *     FAULT_KIND    an error: ENOSPC, EIO or EINTR; short: half of the bytes are written, without an
 *                   error; kill or stop: the process gets SIGKILL or SIGSTOP before the call;
 *                   hang: the call does not return
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

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, #name))

static bool is_below(const char *path)
{
    const char *folder = getenv("FAULT_FOLDER");
    const size_t length = folder ? strlen(folder) : 0;
    char whole[PATH_MAX * 2];
    char here[PATH_MAX];
    if (!length)
        return false;
    if (path[0] != '/' && getcwd(here, sizeof here))
        snprintf(whole, sizeof whole, "%s/%s", here, path);
    else
        snprintf(whole, sizeof whole, "%s", path);
    return strncmp(whole, folder, length) == 0 && (whole[length] == '/' || whole[length] == '\0');
}

static bool is_open_below(int fd)
{
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return length > 0 && is_below(path);
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
    if (strcmp(kind, "kill") == 0)
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
    if (flags & O_CREAT && is_below(path) && fails("open", &half) && !half)
        return -1;
    return REAL(int (*)(const char *, int, ...), open)(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    bool half;
    if (is_open_below(fd) && fails("write", &half)) {
        if (!half)
            return -1;
        length = (length + 1) / 2;
    }
    return REAL(ssize_t(*)(int, const void *, size_t), write)(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    bool half;
    if (is_open_below(fd) && fails("write", &half)) {
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
    if (is_open_below(fileno(stream)) && fails("write", &half) && !half)
        return 0;
    return REAL(size_t(*)(const void *, size_t, size_t, FILE *), fwrite)(bytes, size, count,
                                                                         stream);
}

int fflush(FILE *stream)
{
    bool half;
    if (stream && is_open_below(fileno(stream)) && fails("write", &half) && !half)
        return EOF;
    return REAL(int (*)(FILE *), fflush)(stream);
}

int fclose(FILE *stream)
{
    bool half = false;
    const bool failed = is_open_below(fileno(stream)) && fails("write", &half) && !half;
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
    return REAL(int (*)(int), fsync)(fd);
}

int ftruncate(int fd, off_t length)
{
    bool half;
    if (is_open_below(fd) && fails("write", &half) && !half)
        return -1;
    return REAL(int (*)(int, off_t), ftruncate)(fd, length);
}

int rename(const char *from, const char *to)
{
    bool half;
    if (is_below(to) && fails("rename", &half) && !half)
        return -1;
    return REAL(int (*)(const char *, const char *), rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    bool half;
    if (is_open_below(to_folder) && fails("rename", &half) && !half)
        return -1;
    return REAL(int (*)(int, const char *, int, const char *), renameat)(from_folder, from,
                                                                         to_folder, to);
}

int unlink(const char *path)
{
    bool half;
    if (is_below(path) && fails("remove", &half) && !half)
        return -1;
    return REAL(int (*)(const char *), unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    bool half;
    if (is_open_below(folder) && fails("remove", &half) && !half)
        return -1;
    return REAL(int (*)(int, const char *, int), unlinkat)(folder, path, flags);
}
