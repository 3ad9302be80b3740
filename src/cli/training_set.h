/* The sequences that a model was trained with, for a checkpoint that lacks what is known of them: a
 * .pt file, or one of an early version. */
#ifndef DT_CLI_TRAINING_SET_H
#define DT_CLI_TRAINING_SET_H

#include "core/status.h"
#include "run/run.h"

/* Reads the sequences and sets those of the run's lineages, strand profile and quantiles of lengths
 * that it lacks. The run has its tokenizer. Returns DT_ERR_USAGE if it lacks none, DT_ERR_INPUT if
 * the files are not those of the training: another number of sequences (if the run knows it), other
 * taxonomic ranks, or a label that the model does not know. */
dt_status dt_add_training_set(dt_run *run, const char *fasta_file, const char *taxonomy_file);

#endif
