/* dataset.json, which describes the shards in its folder. Private to data/. */
#ifndef DT_DATA_DATASET_JSON_H
#define DT_DATA_DATASET_JSON_H

#include <stdint.h>

#include "core/status.h"
#include "data/dataset.h"
#include "data/dataset_summary.h"

/* Numbers and CRC-32s of the sequences so far; zero-initialise. */
typedef struct {
    int64_t sequences;
    int64_t tokens_count, id_bytes;
    unsigned long tokens, offsets, labels, ids;
} dt_dataset_sums;

/* Adds the sequences part->count of a set; its parts are added in order. */
void dt_dataset_sums_add(dt_dataset_sums *sums, const dt_dataset *part);

/* Computes the summary of a set with these sequences. *dataset has what is not in the shards. */
void dt_dataset_summarise(const dt_dataset *dataset, const dt_dataset_sums *sums,
                          int64_t sequences_per_shard, dt_dataset_summary *summary);

/* Computes the hash of all fields of dataset.json except `id`. */
void dt_dataset_json_id(const dt_dataset *dataset, const dt_dataset_summary *summary, char out[32]);

/* Computes the hash of a text in the format of `tokenizer_hash`. */
void dt_text_hash(const char *text, char out[32]);

/* Writes the file. DT_ERR_INPUT if a text is not UTF-8. */
dt_status dt_dataset_json_write(const char *path, const dt_dataset *dataset,
                                const dt_dataset_summary *summary);

/* Reads the file and checks its id and its content (data/dataset_check.h). Sets the summary and the
 * members taxonomy, encoding, tokenizer_name, suffix_count, normalized, fasta_file and
 * taxonomy_file of *dataset, which must be empty and which the caller frees, also on failure. */
dt_status dt_dataset_json_read(const char *path, dt_dataset *dataset, dt_dataset_summary *summary);

#endif
