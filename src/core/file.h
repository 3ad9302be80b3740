/* Files and folders: replaced as a whole or not at all, and locked while a run owns them. */
#ifndef DT_CORE_FILE_H
#define DT_CORE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/* A file that is being written under a temporary name in the folder of its final one. A reader sees
 * the old file or the new one, never a part.
 *     dt_new_file file;
 *     DT_TRY(dt_new_file_begin(&file, path));
 *     ... write to file.temporary ...
 *     status == DT_OK ? dt_new_file_commit(&file) : dt_new_file_discard(&file) */
typedef struct {
    char path[PATH_MAX];           /* the final name */
    char temporary[PATH_MAX + 32]; /* where to write */
} dt_new_file;

/* Chooses the temporary name and checks that the folder can be written. Creates an empty file. */
dt_status dt_new_file_begin(dt_new_file *file, const char *path);
/* Syncs the temporary file (closed by the caller), renames it over `path`, syncs the folder. On
 * failure the temporary file is removed. */
dt_status dt_new_file_commit(dt_new_file *file);
/* Removes the temporary file. Keeps the calling thread's error message. */
void dt_new_file_discard(dt_new_file *file);

/* Removes the temporary files that killed processes left in a folder, of files whose names begin
 * with `begin`, as far as that is possible. Only where nobody else writes such files. */
void dt_remove_unfinished(const char *folder, const char *begin);

/* Writes `length` bytes as the whole content of `path`, atomically. */
dt_status dt_write_file(const char *path, const char *bytes, size_t length);

/* Opens a temporary file in `folder`, to read and to write. It has no name, so that nothing is left
 * however the program ends. -1, with errno, where it cannot be. */
int dt_open_unnamed(const char *folder);

/* Makes the folder and its parents; no error where it stands already. */
dt_status dt_make_folder(const char *path);

/* Whether dt_make_folder(path) and writing there can succeed, without making anything: for telling
 * before long work is done. */
dt_status dt_check_folder(const char *path);

/* Sets `out` to a path, as printf does; DT_ERR_IO where it has `size` bytes or more. */
dt_status dt_path(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The folder that `path` stands in: "." where it names none. */
void dt_folder_of(const char *path, char *out, size_t size);

/* Whether both names are there and lead to one file, through links or not. */
bool dt_same_file(const char *a, const char *b);

/* Whether a file can be read only once: a pipe (also one of a shell's <(...)), a terminal, "-" for
 * standard input. False where the name cannot be looked at. Opens nothing: a pipe may block. */
bool dt_read_only_once(const char *path);

/* Reads a whole file: *bytes (length + 1 bytes, ends in '\0') is the caller's to free(). "-" is
 * standard input; DT_STOPPED where a signal ends the waiting for a pipe (core/input_wait.h). */
dt_status dt_read_file(const char *path, char **bytes, size_t *length);

/* Takes the lock of an output folder: `<folder>/.deeptaxa.lock`, which names host and pid of its
 * holder. Refused with these while another process holds it. Where the file system has no locks,
 * the user is told so and the folder counts as taken. The lock goes with the process; *lock is
 * given to dt_unlock_folder(). */
dt_status dt_lock_folder(const char *folder, int *lock);
void dt_unlock_folder(int lock);
/* Whether the lock keeps others out; false where the file system has none. */
bool dt_lock_holds(int lock);

/* First thing in a program: each of the descriptors 0, 1 and 2 that is closed is opened, so that no
 * file gets its number and then the messages that are meant for it. Standard error loses what is
 * said; reading the input and writing to the output fail as they do on a closed descriptor. */
void dt_hold_standard_descriptors(void);

#endif
