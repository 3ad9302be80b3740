/* The sequences that a model was trained with, for a checkpoint that lacks what is known of them: a
 * .pt file, or one of an early version. */
#ifndef DT_CLI_TRAINING_SET_H
#define DT_CLI_TRAINING_SET_H

#include "core/status.h"
#include "data/dataset.h"
#include "run/run.h"

/* Returns the model's class of a label of a table, -1 if it has none. A table's empty label, such as
 * "g__", is a label of its own to DeepTaxa, but `Unclassified` here. */
int32_t dt_model_class(const dt_taxonomy *model, int32_t tax_rank, const char *label);

/* DT_ERR_INPUT, with the advice, unless the dataset has the ranks of the model, ignoring case. */
dt_status dt_check_model_ranks(const dt_taxonomy *model, const dt_dataset *dataset,
                               const char *advice);

/* Reads the sequences and sets those of the run's lineages, strand profile and quantiles of lengths
 * that it lacks. The run has its tokenizer. Returns DT_ERR_USAGE if it lacks none, DT_ERR_INPUT if
 * the files are not those of the training: another number of sequences (if the run knows it), other
 * taxonomic ranks, or a label that the model does not know. */
dt_status dt_add_training_set(dt_run *run, const char *fasta_file, const char *taxonomy_file);

#endif
