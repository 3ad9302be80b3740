/* The references of a run (neighbours/reference_set.h): in its checkpoint, or in a file beside its
 * checkpoints, checkpoints/deeptaxa_<uuid>_references.hdf5, to which each of them refers by its
 * checksum, so that a training writes its sequences once. Both hold (C: different sequences, N: all):
 *
 *     references                 attributes sequences (C), total (N) and checksum
 *     references/leaf, copies, length, breaks   int32 (C)
 *     references/bases           uint8, as in dt_references
 *     references/break_at        int32, likewise
 *     references/names           uint8, each followed by '\0'
 *     references/ids             int64 (N) hashes of id and leaf
 *
 * A checkpoint that refers to the file has the attributes alone.
 */
#ifndef DT_RUN_REFERENCES_FILE_H
#define DT_RUN_REFERENCES_FILE_H

#include <limits.h>

#include "io/container.h"
#include "neighbours/reference_set.h"
#include "run/run.h"

/* The part of a checkpoint; nothing without references. Writes the arrays if run->references.set is
 * given. */
dt_status dt_references_put(dt_container *file, const dt_run_references *references);
/* Reads the attributes; `path` is for messages. */
dt_status dt_references_get(dt_container *file, const char *path, dt_run_references *references);

/* Describes a set in run->references, to which *set then belongs as long as the run uses it. */
void dt_run_set_references(dt_run *run, const dt_reference_set *set);

/* Sets `out` (PATH_MAX bytes) to the path of the run's file beside its checkpoint. */
dt_status dt_references_path(const dt_run *run, const char *checkpoint, char *out);

/* Writes run->references.set to the file `path`, atomically. */
dt_status dt_references_write(const char *path, const dt_run *run);

/* Reads the references of a checkpoint, from it or from the run's file beside it, and checks them.
 * The caller frees *set. DT_ERR_INPUT, in one line that says what to do, if the run has none or they
 * are missing, damaged or those of another run. */
dt_status dt_references_read(const char *checkpoint, const dt_run *run, dt_reference_set *set);
/* The same from the file `path` of the run. */
dt_status dt_references_read_file(const char *path, const dt_run *run, dt_reference_set *set);

#endif
