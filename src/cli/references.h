/* References for a model from a FASTA file: `deeptaxa calibrate --add-references`. */
#ifndef DT_CLI_REFERENCES_H
#define DT_CLI_REFERENCES_H

#include "neighbours/reference_set.h"
#include "run/run.h"

/* Reads labelled sequences as references of the model, which has its tokenizer, into *set, to which
 * run->references then refer. If the model has no lineages, theirs become its own. Sequences with a
 * label or lineage that the model does not know are left out, with one warning. taxonomy_file: NULL:
 * lineages are in the headers. The caller frees *set. DT_ERR_INPUT if no sequence is left, or the
 * taxonomy has other ranks than the model. */
dt_status dt_add_references(dt_run *run, const char *fasta_file, const char *taxonomy_file,
                            int threads, dt_reference_set *set);

#endif
