/* Writing checkpoints beside the training: what is saved is copied to host memory, and a thread
 * writes the file while the next steps run. One checkpoint at a time, one thread that calls.
 */
#ifndef DT_TRAIN_CHECKPOINT_WRITER_H
#define DT_TRAIN_CHECKPOINT_WRITER_H

#include <stdbool.h>

#include "run/checkpoint.h"
#include "model/model.h"
#include "profile/profile.h"

typedef struct dt_checkpoint_writer dt_checkpoint_writer;

/* A writer for the tensors of `model`, which it does not own. beside: takes host memory for a copy
 * of parameters and moments (dt_checkpoint_copy_elements()) and writes in a thread; else
 * dt_checkpoint_writer_start() writes before it returns. profile: is told of the thread's writes;
 * NULL: none. */
dt_status dt_checkpoint_writer_create(dt_checkpoint_writer **out, const dt_model *model,
                                      bool beside, dt_profile *profile);

/* Waits for the write under way. NULL is fine. */
void dt_checkpoint_writer_destroy(dt_checkpoint_writer *writer);

/* Begins to write `checkpoint` and the model's tensors as they are now to `path`. The struct is
 * copied; what it points to must stay as it is until the write is collected. The one before must
 * have been collected. Waits for the device, not for the disk. */
dt_status dt_checkpoint_writer_start(dt_checkpoint_writer *writer, const char *path,
                                     const dt_run *checkpoint);

/* Waits for the write under way, at most `seconds` (< 0: for ever). True when there is none any
 * more. */
bool dt_checkpoint_writer_wait(dt_checkpoint_writer *writer, double seconds);

/* Takes the result of a write that is over: *written tells whether there was one, once for each. A
 * write that failed is told here, with its message. Does not wait. */
dt_status dt_checkpoint_writer_collect(dt_checkpoint_writer *writer, bool *written);

/* Seconds that all writes took so far, those beside the training included. */
double dt_checkpoint_writer_seconds(const dt_checkpoint_writer *writer);

#endif
