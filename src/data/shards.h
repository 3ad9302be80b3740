/* Shards: a tokenised, labelled set of sequences on disk, written once and read by many runs.
 *
 *     shard_00000.h5 …   containers "deeptaxa-shard": tokens uint16 (with special tokens, neither
 *                        truncated nor padded), offsets int64 (n + 1), labels int32 (n, tax_ranks),
 *                        ids uint8 (each followed by '\0'), lengths int32 (n) in letters and
 *                        token_hashes int32 (n) (data/fingerprints.h), both missing in older
 *                        versions. All shards but the last have the same number of sequences; the
 *                        first one also has the strand of the set (sequence/strand_array.h)
 *     tokenizer.json     the tokenizer, in the format of the Hugging Face library
 *     dataset.json       totals, ranks with their labels, names; written last
 *
 * With --encoding onehot there is no tokenizer.json, and instead of tokens there are bases, uint8:
 * 0 to 3 for A, C, G, T, and 4 for any other letter (sequence/onehot.h).
 *
 * dataset.json contains an id, a hash of everything else, which is also stored in each shard, so
 * that a mixture of two sets is never read.
 */
#ifndef DT_DATA_SHARDS_H
#define DT_DATA_SHARDS_H

#include <stdint.h>

#include "core/status.h"
#include "data/dataset.h"

/* Writes the dataset to `folder` (created if necessary) in shards of sequences_per_shard (>= 1).
 * Earlier shards there are replaced after all new files are on the disk; if writing fails
 * (DT_ERR_IO), they are unchanged. If the replacement is interrupted, readers refuse the folder as
 * incomplete. The caller holds the folder's lock. DT_ERR_INPUT if a name or label is not UTF-8;
 * DT_STOPPED, with the earlier shards unchanged, if a signal requests a stop (core/stop.h). */
dt_status dt_shards_write(const char *folder, const dt_dataset *dataset,
                          int64_t sequences_per_shard);

/* A set that is not in memory as a whole. make() sets *part to a dataset of the sequences
 * first … first + count - 1, with the taxonomy and the strand of the set; it stays the maker's. It is
 * called twice for each shard, in order, since every shard contains a hash of the whole set. */
typedef struct {
    int64_t count; /* sequences of the set */
    dt_status (*make)(void *context, int64_t first, int64_t count, dt_dataset *part);
    void *context;
} dt_shard_parts;

/* The same for such a set; *dataset has what is not in the shards: taxonomy, encoding, tokenizer,
 * names. */
dt_status dt_shards_write_parts(const char *folder, const dt_dataset *dataset,
                                int64_t sequences_per_shard, const dt_shard_parts *parts);

/* Reads all shards of `folder` into memory; free *dataset with dt_dataset_free(). Returns
 * DT_ERR_INPUT or DT_ERR_IO, with an empty *dataset, if a shard is missing, incomplete, damaged,
 * of a newer version or of another set. Offsets, labels and ids are checked to be in range. */
dt_status dt_shards_read(const char *folder, dt_dataset *dataset);

/* Reads everything but the tokens, and instead their hashes, for comparisons with a checkpoint that
 * has hashes of each sequence (data/fingerprints.h). */
dt_status dt_shards_read_index(const char *folder, dt_dataset *dataset);

/* Like dt_shards_read(), but the sequences stay on the disk: dataset->stream reads them as needed,
 * with `max_shards` shards in memory. *sequences_per_shard is for dt_sampler_create_streamed(). The
 * stream's thread reads containers: see io/container.h on threads. */
dt_status dt_shards_stream(const char *folder, int64_t max_shards, dt_dataset *dataset,
                           int64_t *sequences_per_shard);

#endif
