/* dataset.json, which stands beside shards and says what they are. Private to data/shards.c. */
#ifndef DT_DATA_DATASET_JSON_H
#define DT_DATA_DATASET_JSON_H

#include <stdint.h>

#include "core/status.h"
#include "data/dataset.h"

/* Version of the files of a set: 2 where they hold bases, which programs that know version 1 alone
 * would not understand. */
#define DT_SHARDS_VERSION 2
static inline int32_t dt_shards_version(dt_encoding encoding)
{
    return encoding == DT_ENCODING_ONEHOT ? 2 : 1;
}

/* What dataset.json holds beside the fields of a dt_dataset. */
typedef struct {
    int64_t sequences;
    int64_t tokens;
    int64_t sequences_per_shard;
    int64_t shards;
    char data_checksum[32];  /* over tokens, offsets, labels and ids */
    char tokenizer_hash[32]; /* over the text of tokenizer.json; "none" without one */
    char id[32];             /* over everything: the two above and all fields of dataset.json */
} dt_dataset_summary;

/* Fills everything from the dataset. */
void dt_dataset_summarise(const dt_dataset *dataset, int64_t sequences_per_shard,
                          dt_dataset_summary *summary);

/* A hash of a text, as `tokenizer_hash` holds it. */
void dt_text_hash(const char *text, char out[32]);

/* Writes the file. DT_ERR_INPUT when a text is not UTF-8. */
dt_status dt_dataset_json_write(const char *path, const dt_dataset *dataset,
                                const dt_dataset_summary *summary);

/* Reads the file; sets taxonomy, encoding, tokenizer_name, suffix_count, fasta_file and
 * taxonomy_file of *dataset (empty before; the caller frees it in any case) and the summary. Its id
 * is checked. */
dt_status dt_dataset_json_read(const char *path, dt_dataset *dataset, dt_dataset_summary *summary);

#endif
