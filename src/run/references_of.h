/* The references of a training set: its sequences, decoded from its tokens, so that FASTA, shards and
 * streams give the same. */
#ifndef DT_RUN_REFERENCES_OF_H
#define DT_RUN_REFERENCES_OF_H

#include "data/dataset.h"
#include "neighbours/reference_set.h"
#include "taxonomy/lineage_tree.h"

/* Collects the sequences whose labels are a lineage of the tree; *left_out: the number of the others,
 * whose labels may be -1. The caller frees *out. Not while uses of the dataset's stream are
 * announced. DT_ERR_INPUT if no sequence has a lineage of the tree, or for a token that the
 * tokenizer does not have. */
dt_status dt_references_of(dt_reference_set *out, const dt_dataset *dataset,
                           const dt_lineage_tree *tree, int64_t *left_out);

#endif
