/* Whether the ranks of a run have read the same data. */
#ifndef DT_DATA_SAME_DATA_H
#define DT_DATA_SAME_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "data/fingerprints.h"

/* Compares the data of the ranks: tokenizer, names of labels, and of each sequence id, labels and
 * content; of a streamed set, instead of its sequences, the checksum and the size of its shards.
 * `content` (count): hashes of the letters or tokens, NULL: unknown. DT_ERR_USAGE on all ranks, with
 * *agreed set, names the lowest rank that differs from rank 0 and the first sequences (at most a
 * thousandth of all) in which it does. Collective. */
dt_status dt_same_data(dt_comm *comm, const dt_dataset *dataset, const dt_fingerprints *sequences,
                       const uint32_t *content, bool *agreed);

#endif
