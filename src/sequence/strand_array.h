/* The strand of a set of sequences (sequence/strand.h) in a container: the array strand/weights
 * (DT_STRAND_KMERS), int32, and the attributes `auto` and `turned` of the group. */
#ifndef DT_SEQUENCE_STRAND_ARRAY_H
#define DT_SEQUENCE_STRAND_ARRAY_H

#include "io/container.h"
#include "sequence/strand.h"

/* Writes the strand; nothing if the profile is unknown. */
dt_status dt_strand_put(dt_container *file, const dt_strand_info *strand);

/* Reads the strand into *strand, which must be empty and stays so if the file has none. The caller
 * frees it in any case. DT_ERR_INPUT, with the path, if the weights are not a valid profile. */
dt_status dt_strand_get(dt_container *file, const char *path, dt_strand_info *strand);

#endif
