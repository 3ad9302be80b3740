/* The folder that a command writes to. A command that fails removes what it has made for its output, and
 * nothing that was there before:
 *     dt_output_folder folder;
 *     dt_status status = dt_output_folder_make(&folder, path);
 *     if (status == DT_OK) status = dt_output_folder_lock(&folder);  // unless several may write there
 *     ... write ...
 *     dt_output_folder_close(&folder, status);
 */
#ifndef DT_CORE_OUTPUT_FOLDER_H
#define DT_CORE_OUTPUT_FOLDER_H

#include <limits.h>
#include <stdbool.h>

#include "core/status.h"

typedef struct {
    char path[PATH_MAX];
    char above[PATH_MAX]; /* the nearest folder that was there before; "": none was made */
    int lock;             /* of dt_lock_folder(); -1: none */
    bool new_lock;        /* its file was not there before */
} dt_output_folder;

/* Creates the folder and its parents, unless they exist. To be closed also on failure. */
dt_status dt_output_folder_make(dt_output_folder *folder, const char *path);

/* Takes the folder's lock (core/file.h). */
dt_status dt_output_folder_lock(dt_output_folder *folder);

/* Releases the lock. Unless `status` is DT_OK, removes the lock's file if it is new, and then the folders
 * that were made, as far as they are empty. Preserves the error message. */
void dt_output_folder_close(dt_output_folder *folder, dt_status status);

#endif
