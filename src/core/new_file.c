/* Files under temporary names: creation, replacement, and removal of those that no process writes.
 *
 * A temporary name is `<name>.part-<machine>-XXXXXX`. The process that writes the file holds a lock on
 * it, which ends with the process. `machine` is a hash of the running kernel's id, or NO_LOCK. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/lock_reach.h"
#include "core/stop.h"

#define PART ".part-"
#define MACHINE_LENGTH 8 /* hexadecimal digits */
#define RANDOM_LENGTH 6
#define END_LENGTH (sizeof PART - 1 + MACHINE_LENGTH + 1 + RANDOM_LENGTH)
#define NO_LOCK 0u            /* the file system has no locks: nobody removes such a file */
#define LONGEST_BEGIN 200     /* bytes of the final name in a temporary one, which may have 255 */
#define MOST_COLLISIONS 10000 /* attempts to find a new name */
#define MOST_RACES 10         /* of these, lost to a process that removes left-overs */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

dt_status dt_write_failure(int error)
{
    return error == ENOSPC || error == EDQUOT ? DT_ERR_FULL : DT_ERR_IO;
}

static dt_status io_error(const char *path, const char *what)
{
    return dt_fail(dt_write_failure(errno), "%s: %s: %s", path, what, strerror(errno));
}

/* A lock of another process on the same kernel is seen on every file system. */
static uint32_t this_machine(void)
{
    char id[64] = "";
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd >= 0 ? read(fd, id, sizeof id - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        gethostname(id, sizeof id - 1);
    const uint32_t hash = dt_hash_fold(dt_hash_text(DT_HASH_START, id));
    return hash == NO_LOCK ? 1 : hash;
}

static int temporary_name(char *out, size_t size, const char *path, uint32_t machine)
{
    unsigned char byte[RANDOM_LENGTH];
    char random[RANDOM_LENGTH + 1] = "";
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash + 1 - path) : 0;
    if (getrandom(byte, sizeof byte, 0) != (ssize_t)sizeof byte)
        return -1;
    for (size_t i = 0; i < RANDOM_LENGTH; ++i)
        random[i] = letters[byte[i] % (sizeof letters - 1)];
    const int length = snprintf(out, size, "%.*s%.*s" PART "%08x-%s", folder, path, LONGEST_BEGIN,
                                path + folder, machine, random);
    errno = ENAMETOOLONG;
    return length > 0 && (size_t)length < size ? 0 : -1;
}

static int lock_now(int fd)
{
    int failed;
    do
        failed = flock(fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    return failed;
}

/* Creates and locks a file beside `path`; returns its descriptor, or -1 with errno. Between the two
 * calls another process may take it for a left-over and remove it: then there is another attempt. */
static int create_locked(char *temporary, size_t size, const char *path, mode_t mode)
{
    uint32_t machine = this_machine();
    for (int attempt = 0; attempt < MOST_COLLISIONS; ++attempt) {
        struct stat info;
        if (temporary_name(temporary, size, path, machine) != 0)
            return -1;
        const int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST)
            return -1;
        if (fd < 0)
            continue;
        if (machine == NO_LOCK)
            return fd;
        const int failed = lock_now(fd);
        if (!failed && fstat(fd, &info) == 0 && info.st_nlink > 0)
            return fd;
        /* no locks here: again, under a name that says so */
        if (failed && (errno != EWOULDBLOCK || attempt >= MOST_RACES))
            machine = NO_LOCK;
        unlink(temporary);
        close(fd);
    }
    errno = EEXIST;
    return -1;
}

static bool is_standard_output(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* Returns true for a name of an open file of this process, which may be a regular file: `/dev/stdout`
 * or `/dev/fd/3`. */
static bool names_descriptor(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 ||
           strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

bool dt_written_in_place(const char *path)
{
    struct stat info;
    return is_standard_output(path) || (stat(path, &info) == 0 && !S_ISDIR(info.st_mode) &&
                                        (!S_ISREG(info.st_mode) || names_descriptor(path)));
}

dt_status dt_new_file_begin(dt_new_file *file, const char *path)
{
    struct stat info;
    file->lock = -1;
    file->in_place = dt_written_in_place(path);
    DT_TRY(dt_path(file->path, sizeof file->path, "%s", path));
    if (file->in_place)
        return dt_path(file->temporary, sizeof file->temporary, "%s", path);
    const bool exists = stat(path, &info) == 0;
    if (!exists && errno == ENAMETOOLONG) /* otherwise found only after writing */
        return io_error(path, "cannot create a file with this name");
    if (exists && S_ISDIR(info.st_mode)) /* likewise */
        return dt_fail(DT_ERR_IO, "%s: is a folder; a file cannot be written there", path);
    file->lock = create_locked(file->temporary, sizeof file->temporary, path, 0666);
    return file->lock >= 0 ? DT_OK : io_error(path, "cannot create a file in this folder");
}

dt_status dt_check_new_file(const char *path)
{
    dt_new_file file;
    DT_TRY(dt_new_file_begin(&file, path));
    dt_new_file_discard(&file);
    return DT_OK;
}

FILE *dt_new_file_open(const dt_new_file *file)
{
    const int flags =
        O_WRONLY | O_NOCTTY | O_CLOEXEC | (file->in_place ? O_APPEND : O_TRUNC | O_NOFOLLOW);
    const int fd = is_standard_output(file->temporary)
                       ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                       : open(file->temporary, flags);
    FILE *stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (fd >= 0 && !stream)
        close(fd);
    return stream;
}

static dt_status sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return io_error(path, "cannot open it to sync");
    /* some file systems cannot sync a folder and return EINVAL; no data is lost then */
    const int failed = fsync(fd) != 0 && errno != EINVAL;
    const int error = errno;
    close(fd);
    errno = error;
    return failed ? io_error(path, "cannot sync to disk") : DT_OK;
}

/* Only after the file has its final name, or none. */
static void unlock(dt_new_file *file)
{
    if (file->lock >= 0)
        close(file->lock);
    file->lock = -1;
}

dt_status dt_new_file_commit(dt_new_file *file)
{
    char folder[PATH_MAX];
    if (file->in_place)
        return DT_OK;
    dt_folder_of(file->path, folder, sizeof folder);
    dt_status status = sync_path(file->temporary, O_RDONLY);
    dt_stop_too_late();
    if (status == DT_OK && rename(file->temporary, file->path) != 0)
        status = io_error(file->path, "cannot replace the file");
    if (status != DT_OK) {
        dt_new_file_discard(file);
        return status;
    }
    unlock(file);
    return sync_path(folder, O_RDONLY | O_DIRECTORY);
}

void dt_new_file_discard(dt_new_file *file)
{
    if (!file->in_place)
        unlink(file->temporary);
    unlock(file);
}

dt_status dt_write_file(const char *path, const char *bytes, size_t length)
{
    dt_new_file file;
    DT_TRY(dt_new_file_begin(&file, path));
    FILE *stream = dt_new_file_open(&file);
    int failed = !stream || fwrite(bytes, 1, length, stream) != length || fflush(stream) != 0;
    dt_status status = failed ? io_error(path, "cannot write") : DT_OK;
    if (stream && fclose(stream) != 0 && status == DT_OK)
        status = io_error(path, "cannot write");
    if (status != DT_OK) {
        dt_new_file_discard(&file);
        return status;
    }
    return dt_new_file_commit(&file);
}

int dt_open_unnamed(const char *folder)
{
    char path[PATH_MAX];
    char temporary[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/.deeptaxa", folder) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = create_locked(temporary, sizeof temporary, path, 0600);
    if (fd >= 0)
        unlink(temporary);
    return fd;
}

/* ---- left-overs ------------------------------------------------------------------------------ */

/* Sets *machine to that of a temporary name; false for any other name. */
static bool parse_temporary(const char *name, uint32_t *machine)
{
    const size_t length = strlen(name);
    if (length <= END_LENGTH)
        return false;
    const char *end = name + length - END_LENGTH;
    const char *digits = end + sizeof PART - 1;
    const char *random = digits + MACHINE_LENGTH + 1;
    if (strncmp(end, PART, sizeof PART - 1) != 0 || digits[MACHINE_LENGTH] != '-' ||
        strspn(digits, "0123456789abcdef") != MACHINE_LENGTH ||
        strspn(random, letters) != RANDOM_LENGTH)
        return false;
    *machine = (uint32_t)strtoul(digits, NULL, 16);
    return true;
}

/* Returns true if no process has the file open for writing. Where a lock may be invisible to other
 * machines, this is known of the files of this machine alone. */
static bool is_abandoned(int fd, uint32_t machine)
{
    struct stat info;
    return machine != NO_LOCK && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
           (machine == this_machine() || dt_locks_reach_all(fd)) && lock_now(fd) == 0;
}

void dt_remove_unfinished(const char *folder)
{
    uint32_t machine;
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (!parse_temporary(entry->d_name, &machine))
            continue;
        const int fd = openat(dirfd(dir), entry->d_name,
                              O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (is_abandoned(fd, machine))
            unlinkat(dirfd(dir), entry->d_name, 0);
        close(fd);
    }
    closedir(dir);
}

void dt_remove_own_unfinished(void)
{
    static const char descriptors[] = "/proc/self/fd";
    char path[PATH_MAX];
    uint32_t machine;
    DIR *dir = opendir(descriptors);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        const ssize_t length = readlinkat(dirfd(dir), entry->d_name, path, sizeof path - 1);
        if (length <= 0)
            continue;
        path[length] = '\0';
        if (parse_temporary(path, &machine))
            unlink(path);
    }
    if (dir)
        closedir(dir);
}

void dt_remove_unfinished_beside(const char *path)
{
    char folder[PATH_MAX];
    dt_folder_of(path, folder, sizeof folder);
    dt_remove_unfinished(folder);
}
