/* What a checkpoint keeps of each sequence, 16 bytes: by it a resumed run finds its sequences again
 * in whatever order its input has them, and is told of those that are not what they were. */
#ifndef DT_DATA_FINGERPRINTS_H
#define DT_DATA_FINGERPRINTS_H

#include <stdint.h>

#include "data/dataset.h"

typedef struct {
    int64_t count;    /* sequences; 0: not known (a checkpoint of an older version) */
    uint64_t *ids;    /* (count) hashes of the ids */
    uint32_t *labels; /* (count) of the labels' names */
    uint32_t *tokens; /* (count) dt_token_hash(); NULL: not known (shards of an older version whose
                         tokens are streamed) */
} dt_fingerprints;

uint32_t dt_token_hash(const uint16_t *tokens, int64_t count);

/* Those of the dataset, in its order. DT_ERR_MEMORY. */
dt_status dt_fingerprints_of(dt_fingerprints *out, const dt_dataset *dataset);
void dt_fingerprints_free(dt_fingerprints *fingerprints); /* leaves it empty */

/* Sequences of one kind: how many, and the place of the first. */
typedef struct {
    int64_t count, first;
} dt_found_sequences;

/* How sequences then and sequences now differ. */
typedef struct {
    int64_t *place;                /* (then->count) where each stands now; NULL where all stand
                                      where they stood, or some are missing */
    dt_found_sequences missing;    /* there then and not now; its place is that of then */
    dt_found_sequences added;      /* there now and not then */
    dt_found_sequences relabelled; /* this and the next: the same id with other labels … */
    dt_found_sequences changed;    /* … and with other tokens, where both know theirs */
} dt_fingerprint_match;

/* Compares the two by their ids. *match is freed with dt_fingerprint_match_free(). DT_ERR_MEMORY.
 */
dt_status dt_fingerprints_match(dt_fingerprint_match *match, const dt_fingerprints *then,
                                const dt_fingerprints *now);
void dt_fingerprint_match_free(dt_fingerprint_match *match);

#endif
