/* Shards: a tokenised, labelled set of sequences on disk, made once and read by many runs.
 *
 *     shard_00000.h5 …   containers "deeptaxa-shard": tokens uint16 (specials included, neither cut
 *                        nor padded), offsets int64 (n + 1), labels int32 (n, tax_ranks), ids uint8
 *                        (each ended by '\0'), lengths int32 (n) in letters and
 *                        token_hashes int32 (n) (data/fingerprints.h), both not in those of older
 *                        versions; the same number of sequences in all but the last;
 *                        in the first the strand of all (sequence/strand_array.h)
 *     tokenizer.json     the tokenizer, as the Hugging Face library writes it
 *     dataset.json       totals, ranks with their labels, names; written last
 *
 * With --encoding onehot there is no tokenizer.json, and in place of tokens stand bases, uint8: 0
 * to 3 for A, C, G, T, and 4 for any other letter (sequence/onehot.h).
 *
 * dataset.json carries an id that is a hash of all the rest; each shard carries it too, so that no
 * mixture of two sets is ever read as one.
 */
#ifndef DT_DATA_SHARDS_H
#define DT_DATA_SHARDS_H

#include <stdint.h>

#include "core/status.h"
#include "data/dataset.h"

/* Writes the dataset to `folder` (made as needed) in shards of sequences_per_shard (>= 1). What
 * stands there from an earlier call is replaced, after all that is new is on the disk: when that
 * fails (DT_ERR_IO), the earlier shards are untouched. Where the exchange itself is interrupted,
 * the folder is recognised as unfinished. The caller holds the folder's lock. DT_ERR_INPUT when a
 * name or label is not UTF-8. */
dt_status dt_shards_write(const char *folder, const dt_dataset *dataset,
                          int64_t sequences_per_shard);

/* Reads all shards of `folder` into memory; *dataset is the caller's to dt_dataset_free(). One that
 * is missing, unfinished, damaged, of a later version or of another set is refused with
 * DT_ERR_INPUT or DT_ERR_IO; *dataset is then empty. Offsets, labels and ids are checked against
 * the sizes that they point into. */
dt_status dt_shards_read(const char *folder, dt_dataset *dataset);

/* The same, but the tokens stay on the disk: dataset->stream reads them as they are needed, `room`
 * shards at a time in memory. *sequences_per_shard is for dt_sampler_by_shards(). The stream's
 * thread reads containers: see io/container.h on threads. */
dt_status dt_shards_stream(const char *folder, int64_t room, dt_dataset *dataset,
                           int64_t *sequences_per_shard);

#endif
