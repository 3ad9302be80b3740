/* The commands of `deeptaxa`, in the order in which they are listed. */
#ifndef DT_CLI_COMMAND_LIST_H
#define DT_CLI_COMMAND_LIST_H

static const struct {
    const char *name;
    const char *summary;
} dt_command_list[] = {
    {"train", "train a classifier on sequences with known taxonomy"},
    {"prepare", "tokenise training data once for many runs"},
    {"extract", "cut the amplicons of a primer pair out of reference sequences"},
    {"predict", "predict the taxonomy of sequences with a trained model"},
    {"report", "draw training runs and predictions in one HTML file"},
    {"tune", "search hyperparameters with Optuna"},
    {"calibrate", "calibrate a model's confidences on held-out sequences"},
    {"describe", "print a description of a checkpoint"},
    {"export", "copy a checkpoint, optionally without the optimizer state"},
    {"convert", "convert a checkpoint from or to DeepTaxa's format, .pt"},
    {"tokenizer", "learn a vocabulary from FASTA, or print the tokens of sequences"},
    {"selftest", "compare a GPU with the CPU, and test the communication of processes"},
};
#define DT_COMMANDS (sizeof dt_command_list / sizeof *dt_command_list)

#endif
