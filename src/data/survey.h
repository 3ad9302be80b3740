/* What a training has to know of all sequences of a streamed set, found by reading its shards once,
 * without the tokens. Its size does not depend on the number of sequences. */
#ifndef DT_DATA_SURVEY_H
#define DT_DATA_SURVEY_H

#include <stdint.h>

#include "core/status.h"
#include "data/length_quantiles.h"
#include "data/stream.h"
#include "taxonomy/lineage_tree.h"
#include "taxonomy/taxonomy.h"

typedef struct {
    int64_t *label_counts; /* (C) training sequences of each class, all tax_ranks concatenated */
    int32_t example[DT_MAX_TAX_RANKS]; /* class of the first sequence that is not `Unclassified`;
                                          -1: none */
    dt_lineage_tree lineages;          /* of all sequences */
    dt_length_quantiles lengths;       /* of the training sequences */
    int32_t max_length;
    int64_t *with_length;    /* (max_length + 1) sequences of each number of tokens, truncated */
    int64_t training_tokens; /* of the training sequences, truncated to max_length */
} dt_survey;

/* Reads the shards of `stream`. marks: a bit for each sequence (core/bits.h), 1 for validation.
 * max_length: of the model, in tokens. Free *out with dt_survey_free(). Returns the errors of the
 * source, and DT_ERR_MEMORY. Not while uses of the stream are announced. */
dt_status dt_survey_create(dt_survey **out, dt_shard_stream *stream, const dt_taxonomy *taxonomy,
                           const uint8_t *marks, int32_t max_length);
void dt_survey_free(dt_survey *survey); /* NULL is allowed */

#endif
