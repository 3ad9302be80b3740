/* Writing checkpoints in the background: the state is copied to host memory, and a thread writes
 * the file while training continues. One write at a time; to be called from one thread only.
 */
#ifndef DT_TRAIN_CHECKPOINT_WRITER_H
#define DT_TRAIN_CHECKPOINT_WRITER_H

#include <stdbool.h>

#include "run/checkpoint.h"
#include "model/model.h"
#include "profile/profile.h"

typedef struct dt_checkpoint_writer dt_checkpoint_writer;

/* Creates a writer for the tensors of a backend, which it does not own. background: allocates host
 * memory for a copy of the parameters and moments (dt_checkpoint_copy_elements()) and writes in a
 * thread; otherwise dt_checkpoint_writer_start() writes before it returns. profile: records the
 * thread's writes; may be NULL. */
dt_status dt_checkpoint_writer_create(dt_checkpoint_writer **out, const dt_tensor_source *source,
                                      bool background, dt_profile *profile);

/* When the disk is full, make_room() is called, in the thread that writes: if it returns true, because it
 * has removed something, the file is written once more. */
void dt_checkpoint_writer_on_full(dt_checkpoint_writer *writer, bool (*make_room)(void *context),
                                  void *context);

/* Waits for the current write and frees the writer. NULL is allowed. */
void dt_checkpoint_writer_destroy(dt_checkpoint_writer *writer);

/* Starts writing `checkpoint` and the current tensors to `path`. The struct is copied; what
 * it points to must not change until the write is collected. The previous write must have been
 * collected. Waits for the device, but not for the disk. */
dt_status dt_checkpoint_writer_start(dt_checkpoint_writer *writer, const char *path,
                                     const dt_run *checkpoint);

/* Waits for the current write for at most `seconds` (< 0: without limit). Returns true if no write
 * is in progress any more. */
bool dt_checkpoint_writer_wait(dt_checkpoint_writer *writer, double seconds);

/* Collects the result of a finished write: sets *written to whether there was one to collect.
 * Returns the error of a write that failed. Does not wait. */
dt_status dt_checkpoint_writer_collect(dt_checkpoint_writer *writer, bool *written);

/* Returns the total duration of all writes so far in seconds, background writes included. */
double dt_checkpoint_writer_seconds(const dt_checkpoint_writer *writer);

#endif
