/* What dataset.json says of the shards in its folder. Private to data/. */
#ifndef DT_DATA_DATASET_SUMMARY_H
#define DT_DATA_DATASET_SUMMARY_H

#include <stdint.h>

#include "sequence/onehot.h"

/* Format version of a set of shards: 2 if they contain bases, which programs for version 1 cannot
 * read. */
#define DT_SHARDS_VERSION 2
static inline int32_t dt_shards_version(dt_encoding encoding)
{
    return encoding == DT_ENCODING_ONEHOT ? 2 : 1;
}

/* The most that --sequences-per-shard allows. */
#define DT_MOST_PER_SHARD 100000000

/* Content of dataset.json besides the fields of dt_dataset. */
typedef struct {
    int64_t sequences;
    int64_t tokens;
    int64_t sequences_per_shard;
    int64_t shards;
    char data_checksum[32];  /* of tokens, offsets, labels and ids */
    char tokenizer_hash[32]; /* of the text of tokenizer.json; "none" without one */
    char id[32];             /* hash of the two above and all fields of dataset.json */
} dt_dataset_summary;

#endif
