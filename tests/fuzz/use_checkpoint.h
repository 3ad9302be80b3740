/* What the commands do with a checkpoint, but for computing. */
#ifndef DT_TESTS_USE_CHECKPOINT_H
#define DT_TESTS_USE_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

/* Reads these bytes as a file; if they are accepted, describes the run and uses all that was read. One
 * in sixteen is verified, exported in both formats, and the exports are read: that takes long. */
void use_checkpoint(const uint8_t *bytes, size_t size);

#endif
