/* Files and folders: atomic replacement of files, and a lock on the output folder. */
#ifndef DT_CORE_FILE_H
#define DT_CORE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/status.h"

/* A file being written under a temporary name in its final folder. Readers see either the old file
 * or the complete new one.
 *     dt_new_file file;
 *     DT_TRY(dt_new_file_begin(&file, path));
 *     ... write to file.temporary, for example with dt_new_file_open() ...
 *     status == DT_OK ? dt_new_file_commit(&file) : dt_new_file_discard(&file)
 * A pipe, a device or standard output ("-") is not replaced but written to: `in_place`, with
 * `temporary` equal to `path`. */
typedef struct {
    char path[PATH_MAX];           /* the final name */
    char temporary[PATH_MAX + 32]; /* where to write */
    bool in_place;
    int lock; /* descriptor whose lock says that the temporary file is being written; -1: none */
} dt_new_file;

/* Returns whether a file of this name would be written in place. */
bool dt_written_in_place(const char *path);
/* Creates an empty file with a temporary name, locked until commit or discard, with the permissions of
 * new files; fails if the folder is not writable. */
dt_status dt_new_file_begin(dt_new_file *file, const char *path);
/* Opens file->temporary for writing; NULL, with errno, on failure. Opening a pipe waits for its
 * reader. */
FILE *dt_new_file_open(const dt_new_file *file);
/* Checks that a file can be created in the place of `path`: to report an error before long work. */
dt_status dt_check_new_file(const char *path);
/* Syncs the temporary file (which the caller has closed), renames it to `path` and syncs the
 * folder. On failure the temporary file is removed. */
dt_status dt_new_file_commit(dt_new_file *file);
/* Removes the temporary file. Preserves the calling thread's error message. */
void dt_new_file_discard(dt_new_file *file);

/* Removes, as far as possible, temporary files in a folder that killed processes left. A file whose
 * writer lives, on this machine or another one, is locked and stays; so do files of other machines on a
 * file system whose locks may not reach all of them, and files on one without locks. */
void dt_remove_unfinished(const char *folder);
/* The same in the folder of `path`. */
void dt_remove_unfinished_beside(const char *path);

/* Removes those that this process is writing: before it ends at once. */
void dt_remove_own_unfinished(void);

/* Replaces the file `path` by `length` bytes, atomically; "-" is standard output. */
dt_status dt_write_file(const char *path, const char *bytes, size_t length);

/* Opens a temporary file in `folder` for reading and writing. It has no name, so that nothing remains
 * however the program ends. Returns -1, with errno, on failure. */
int dt_open_unnamed(const char *folder);

/* Creates the folder and its parents, unless they exist. */
dt_status dt_make_folder(const char *path);

/* Sets `folder` to the path, or to the nearest folder above it that exists. */
dt_status dt_existing_folder(const char *path, char *folder /* PATH_MAX */);

/* Removes the folder, and its parents below `above`, as far as they are empty: undoes dt_make_folder()
 * if `above` is what dt_existing_folder() gave before it. Preserves the error message. */
void dt_remove_empty_folders(const char *path, const char *above);

/* Checks, without creating anything, that dt_make_folder(path) and writing there can succeed: to
 * report an error before long work. */
dt_status dt_check_folder(const char *path);

/* Returns the status of a failed write for its errno: DT_ERR_FULL or DT_ERR_IO. */
dt_status dt_write_failure(int error);

/* Formats a path like printf; DT_ERR_IO if it does not fit `out` (`size` bytes). */
dt_status dt_path(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes the folder of `path` to `out`; "." if it names none. */
void dt_folder_of(const char *path, char *out, size_t size);

/* Returns true if both names exist and are the same file, also through links. */
bool dt_same_file(const char *a, const char *b);

/* Returns true if a file can be read only once: a pipe (also of a shell's <(...)), a terminal, or
 * "-" (standard input). False if its status cannot be determined. Opens nothing: a pipe may block.
 */
bool dt_read_only_once(const char *path);

/* Reads a whole file; the caller frees *bytes (length + 1 bytes, '\0'-terminated). "-" is standard
 * input. DT_STOPPED if a signal arrives while waiting for a pipe (core/input_wait.h). */
dt_status dt_read_file(const char *path, char **bytes, size_t *length);

/* Locks an output folder: `<folder>/.deeptaxa.lock`, which contains host and pid of its owner.
 * Fails, with this information, if another process has the lock. If the file system does not
 * support locks, prints a notice and succeeds. The lock is released by dt_unlock_folder(*lock) or
 * at exit. */
dt_status dt_lock_folder(const char *folder, int *lock);
dt_status dt_lock_path(const char *folder, char *out /* PATH_MAX */); /* of that file */
void dt_unlock_folder(int lock);
/* Returns true if the lock is effective, on all machines; false if the file system has no locks, or
 * may have some that other machines do not see. */
bool dt_lock_holds(int lock);

/* Opens those of the descriptors 0, 1 and 2 that are closed, so that no file gets one of these
 * numbers and receives the messages. Call it first in a program. Messages to a closed standard
 * error are lost; reading the input and writing the output still fail. */
void dt_hold_standard_descriptors(void);

#endif
