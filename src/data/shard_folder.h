/* A folder of shards, as its dataset.json and tokenizer.json describe it, and its shards, which are
 * checked against that whenever one is opened: number, sequences, shapes. Private to data/shards.c.
 */
#ifndef DT_DATA_SHARD_FOLDER_H
#define DT_DATA_SHARD_FOLDER_H

#include <limits.h>
#include <stdint.h>

#include "core/status.h"
#include "data/dataset_json.h"
#include "io/container.h"

typedef struct {
    char folder[PATH_MAX];
    dt_dataset_summary summary;
    dt_encoding encoding;
    int32_t vocabulary;   /* ids of tokens: 0 … vocabulary - 1 */
    int32_t special;      /* tokens of a sequence that stand for no letters */
    dt_taxonomy taxonomy; /* the dataset's: only numbers are used */
} dt_shard_folder;

/* Numbers of sequences, tokens and bytes of ids. */
typedef struct {
    int64_t sequences;
    int64_t tokens;
    int64_t id_bytes;
} dt_shard_position;

/* Reads what is not in the shards. */
dt_status dt_shard_folder_read(const char *folder, dt_dataset *dataset, dt_shard_folder *from);

/* Determines the total size of the shards, before memory is allocated for them, and the tokens of
 * each, *shard_tokens, which the caller frees, also on failure. */
dt_status dt_shard_folder_measure(const dt_shard_folder *from, dt_shard_position *sum,
                                  int64_t **shard_tokens);

/* Returns the number of sequences in a shard. */
int64_t dt_shard_sequences(const dt_shard_folder *from, int64_t shard);

/* Opens a shard and checks that it matches dataset.json. Sets `path` to its name. */
dt_status dt_shard_open(const dt_shard_folder *from, int64_t shard, char path[PATH_MAX],
                        dt_container **out);

/* Gets the length of an array of a shard, which has one dimension. */
dt_status dt_shard_array_length(dt_container *file, const char *path, const char *name,
                                int64_t *length);

#endif
