#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/input_wait.h"
#include "core/lock_reach.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/own_file.h"

#define KERNEL_ENOTSUPP 524 /* returned by some file systems; not in <errno.h> */

static dt_status io_error(const char *path, const char *what)
{
    return dt_fail(DT_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

dt_status dt_path(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(out, size, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= size)
        return dt_fail(DT_ERR_IO, "the path is too long: %s", out);
    return DT_OK;
}

void dt_folder_of(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, size, ".");
    else if (slash == out)
        out[1] = '\0';
    else
        *slash = '\0';
}

dt_status dt_make_folder(const char *path)
{
    char part[PATH_MAX];
    const size_t length = strlen(path);
    if (!length || length >= sizeof part)
        return dt_fail(DT_ERR_IO, "'%s': not a valid folder name", path);
    for (size_t i = 1; i <= length; ++i) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return io_error(part, "cannot create the folder");
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return dt_fail(DT_ERR_IO, "%s: is a file; a folder cannot be created there", path);
    return DT_OK;
}

dt_status dt_existing_folder(const char *path, char *folder)
{
    struct stat info;
    if (!path[0] || strlen(path) >= PATH_MAX)
        return dt_fail(DT_ERR_IO, "'%s': not a valid folder name", path);
    snprintf(folder, PATH_MAX, "%s", path);
    while (stat(folder, &info) != 0) {
        char above[PATH_MAX];
        if (errno != ENOENT && errno != ENOTDIR)
            return io_error(path, "cannot create the folder");
        dt_folder_of(folder, above, sizeof above);
        snprintf(folder, PATH_MAX, "%s", above);
    }
    if (!S_ISDIR(info.st_mode))
        return dt_fail(DT_ERR_IO, "%s: is a file; a folder cannot be created there", folder);
    return DT_OK;
}

void dt_remove_empty_folders(const char *path, const char *above)
{
    char part[PATH_MAX];
    char next[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    while (strcmp(part, above) != 0 && (rmdir(part) == 0 || errno == ENOENT)) {
        dt_folder_of(part, next, sizeof next);
        if (strcmp(part, next) == 0)
            return;
        memcpy(part, next, sizeof part);
    }
}

/* The nearest existing ancestor decides. */
dt_status dt_check_folder(const char *path)
{
    char part[PATH_MAX];
    DT_TRY(dt_existing_folder(path, part));
    if (access(part, W_OK | X_OK) != 0)
        return io_error(part, "cannot write to this folder");
    return DT_OK;
}

bool dt_same_file(const char *a, const char *b)
{
    struct stat first;
    struct stat second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

bool dt_read_only_once(const char *path)
{
    struct stat info;
    if (strcmp(path, "-") == 0)
        return true;
    return stat(path, &info) == 0 &&
           (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || S_ISCHR(info.st_mode));
}

#ifdef DT_SMALL_BLOCKS /* for fuzz targets, as in io/ */
enum { BLOCK = 1 << 10 };
#else
enum { BLOCK = 1 << 16 };
#endif

dt_status dt_read_file(const char *path, char **bytes, size_t *length)
{
    const bool may_wait =
        dt_read_only_once(path); /* other files are read to the end despite signals */
    const int fd = dt_input_open(path);
    if (fd < 0)
        return io_error(path, "cannot open");
    char *data = NULL;
    size_t capacity = 0;
    size_t used = 0;
    ssize_t got = 1;
    dt_status status = DT_OK;
    while (got != 0) {
        if (may_wait)
            DT_TRY_OR(done, dt_input_wait(fd, path));
        DT_TRY_OR(done, dt_grow((void **)&data, &capacity, used + BLOCK + 1, 1, path));
        got = read(fd, data + used, BLOCK);
        if (got < 0 && errno != EINTR)
            DT_TRY_OR(done, io_error(path, "cannot read"));
        used += got > 0 ? (size_t)got : 0;
    }
done:
    close(fd);
    if (status != DT_OK) {
        free(data);
        return status;
    }
    data[used] = '\0';
    *bytes = data;
    *length = used;
    return DT_OK;
}

/* Reports the owner of the lock, which may not have written its name yet. */
static dt_status held_by_another(const char *folder, int fd)
{
    char holder[320];
    const ssize_t got = pread(fd, holder, sizeof holder - 1, 0);
    holder[got > 0 ? got : 0] = '\0';
    holder[strcspn(holder, "\r\n")] = '\0';
    return dt_fail(DT_ERR_IO,
                   "%s: another run is using this output folder (%s); wait for it or choose "
                   "another --output-dir",
                   folder, holder[0] ? holder : "its lock file does not contain host and pid");
}

/* A file system may not support locks, permanently (NFS, Lustre and others, depending on mount
 * options) or temporarily. That does not mean that another run has the lock. */
static dt_status take_lock(const char *folder, int fd)
{
    int failed = flock(fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR)
        failed = flock(fd, LOCK_EX | LOCK_NB);
    if (failed && errno == EWOULDBLOCK)
        return held_by_another(folder, fd);
    if (failed)
        dt_notice("%s: cannot lock this folder (%s): make sure that no other run uses it", folder,
                  errno == KERNEL_ENOTSUPP ? strerror(ENOTSUP) : strerror(errno));
    return DT_OK;
}

static dt_status write_holder(const char *path, int fd)
{
    char holder[320];
    char host[256] = "unknown host";
    gethostname(host, sizeof host - 1);
    const int length = snprintf(holder, sizeof holder, "host %s, pid %d", host, (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)length, 0) != length)
        return io_error(path, "cannot write");
    return DT_OK;
}

dt_status dt_lock_path(const char *folder, char *out)
{
    return dt_path(out, PATH_MAX, "%s/.deeptaxa.lock", folder);
}

/* Opens and locks the file. *info is its state then: without a name (st_nlink 0) if its holder removed it
 * between the two calls. */
static dt_status open_locked(const char *folder, const char *path, struct stat *info, int *fd)
{
    DT_TRY(dt_open_own(path, O_RDWR, fd));
    dt_status status = take_lock(folder, *fd);
    if (status == DT_OK && fstat(*fd, info) != 0)
        status = io_error(path, "cannot read its state");
    if (status != DT_OK)
        close(*fd);
    return status;
}

dt_status dt_lock_folder(const char *folder, int *lock)
{
    char path[PATH_MAX];
    struct stat info;
    int fd;
    DT_TRY(dt_lock_path(folder, path));
    DT_TRY(open_locked(folder, path, &info, &fd));
    while (info.st_nlink == 0) {
        close(fd);
        DT_TRY(open_locked(folder, path, &info, &fd));
    }
    const dt_status status = write_holder(path, fd);
    if (status != DT_OK) {
        if (info.st_size == 0) /* made here */
            unlink(path);
        close(fd);
        return status;
    }
    *lock = fd;
    return DT_OK;
}

bool dt_lock_holds(int lock)
{
    return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && /* locking again succeeds */
           dt_locks_reach_all(lock);
}

void dt_unlock_folder(int lock)
{
    if (lock >= 0)
        close(lock);
}

void dt_hold_standard_descriptors(void)
{
    static const int mode[] = {
        [STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", mode[fd]); /* gets the lowest free number */
}
