/* Hashes of each sequence, 16 bytes, stored in checkpoints. With them a resumed run finds its
 * sequences in any order of the input and detects those that have changed. */
#ifndef DT_DATA_FINGERPRINTS_H
#define DT_DATA_FINGERPRINTS_H

#include <stdint.h>

#include "data/dataset.h"

typedef struct {
    int64_t count;    /* sequences; 0: unknown (checkpoint of an older version) */
    uint64_t *ids;    /* (count) hashes of the ids */
    uint32_t *labels; /* (count) hashes of the names of the labels */
    uint32_t *tokens; /* (count) dt_token_hash(); NULL: unknown (streamed shards of an older
                         version) */
} dt_fingerprints;

/* Returns the hash of the tokens of a sequence. */
uint32_t dt_token_hash(const uint16_t *tokens, int64_t count);

/* Computes the fingerprints of a dataset, in its order. DT_ERR_MEMORY. */
dt_status dt_fingerprints_of(dt_fingerprints *out, const dt_dataset *dataset);
/* Frees the content and clears the struct. */
void dt_fingerprints_free(dt_fingerprints *fingerprints);

/* Sequences of one kind: their number, and the index of the first. */
typedef struct {
    int64_t count, first;
} dt_found_sequences;

/* Differences between the earlier and the current sequences. */
typedef struct {
    int64_t *place;                /* (then->count) current index of each; NULL if the order is
                                      unchanged or sequences are missing */
    dt_found_sequences missing;    /* only in `then`; its index is in `then` */
    dt_found_sequences added;      /* only in `now` */
    dt_found_sequences relabelled; /* same id, different labels */
    dt_found_sequences changed;    /* same id, different tokens (if known in both) */
} dt_fingerprint_match;

/* Compares the two by their ids. Free *match with dt_fingerprint_match_free(). DT_ERR_MEMORY. */
dt_status dt_fingerprints_match(dt_fingerprint_match *match, const dt_fingerprints *then,
                                const dt_fingerprints *now);
void dt_fingerprint_match_free(dt_fingerprint_match *match);

#endif
