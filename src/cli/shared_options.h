/* Rows that several commands share. Each takes the command's options struct. */
#ifndef DT_CLI_SHARED_OPTIONS_H
#define DT_CLI_SHARED_OPTIONS_H

#include "options/options.h"

/* The first rows of commands that must have sequences, or a trained model: they begin the group. */
#define DT_OPTION_REQUIRED_FASTA_FILE(type)                                                        \
    {                                                                                              \
        .group = "Input and output", .name = "fasta-file", .kind = DT_VALUE_TEXT,                  \
        .offset = offsetof(type, fasta_file), .value = "FILE", .required = true,                   \
        .help = "sequences: FASTA, plain or compressed; - is standard input"                       \
    }

#define DT_OPTION_REQUIRED_CHECKPOINT(type)                                                        \
    {                                                                                              \
        .group = "Input and output", .name = "checkpoint", .kind = DT_VALUE_TEXT,                  \
        .offset = offsetof(type, checkpoint), .value = "CKPT", .required = true,                   \
        .help = "trained model (.h5)"                                                              \
    }

#define DT_OPTION_TOKENIZER_FILE(type)                                                             \
    {                                                                                              \
        .name = "tokenizer-file", .kind = DT_VALUE_TEXT, .offset = offsetof(type, tokenizer_file), \
        .value = "FILE",                                                                           \
        .help = "BPE tokenizer.json; without it the file that DEEPTAXA_TOKENIZER names, then the " \
                "installation's, then a vocabulary learnt from the sequences"                      \
    }

#define DT_OPTION_NO_NORMALIZE(type)                                                               \
    {                                                                                              \
        .name = "no-normalize", .kind = DT_VALUE_FLAG, .offset = offsetof(type, no_normalize),     \
        .help = "keeps the sequences as they are: else upper case, U read as T, gaps dropped"      \
    }

/* Its choices are dt_orientation's. */
typedef enum { DT_ORIENTATION_FORWARD, DT_ORIENTATION_AUTO } dt_orientation;
#define DT_OPTION_ORIENTATION(type)                                                                \
    {                                                                                              \
        .name = "orientation", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, orientation),     \
        .default_value = "forward", .choices = "forward|auto", .json = "orientation",              \
        .help = "auto: reverse-complements sequences of the other strand than most are on"         \
    }

#define DT_OPTION_DEVICE(type)                                                                     \
    {                                                                                              \
        .name = "device", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, device),               \
        .default_value = "auto", .choices = "auto|cpu|cuda",                                       \
        .help = "what computes; auto is the CPU in this version, a GPU is used where cuda is "     \
                "asked for"                                                                        \
    }

/* The places of its choices are those of dt_precision (backend.h). */
#define DT_OPTION_PRECISION(type)                                                                  \
    {                                                                                              \
        .name = "precision", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, precision),         \
        .default_value = "auto", .choices = "auto|fp32|bf16|fp16",                                 \
        .help = "number format of the computation; auto: bf16 on a GPU, fp32 on the CPU"           \
    }

/* The places of its choices are those of dt_attention_method (backend.h). */
#define DT_OPTION_ATTENTION(type)                                                                  \
    {                                                                                              \
        .name = "attention", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, attention),         \
        .default_value = "auto", .choices = "auto|fused|cudnn|plain",                              \
        .help = "how a GPU computes attention; auto: fused where it can, else plain"               \
    }

#define DT_OPTION_THREADS(type)                                                                    \
    {                                                                                              \
        .name = "threads", .kind = DT_VALUE_INT, .offset = offsetof(type, threads), .value = "N",  \
        .default_value = "0", .range = "[0, 4096]",                                                \
        .help = "threads; 0: all that the process may use"                                         \
    }

#define DT_OPTION_NUM_WORKERS(type)                                                                \
    {                                                                                              \
        .name = "num-workers", .kind = DT_VALUE_INT, .offset = offsetof(type, num_workers),        \
        .value = "N", .default_value = "0", .range = "[0, 4096]",                                  \
        .help = "threads that tokenise; 0: as many as --threads"                                   \
    }

/* Rows of commands that compute with a trained model; the first one begins the group. */
#define DT_OPTIONS_OF_PREDICTING(type)                                                             \
    {.group = "Machine",                                                                           \
     .name = "batch-size",                                                                         \
     .kind = DT_VALUE_INT,                                                                         \
     .offset = offsetof(type, batch_size),                                                         \
     .value = "N",                                                                                 \
     .default_value = "64",                                                                        \
     .range = "[1, 1048576]",                                                                      \
     .help = "sequences computed at a time; on a GPU, as many as have no more tokens than N of "   \
             "the longest. On the CPU in fp32 it does not change the result; elsewhere by "        \
             "rounding only"},                                                                     \
        DT_OPTION_DEVICE(type), DT_OPTION_PRECISION(type), DT_OPTION_ATTENTION(type),              \
        DT_OPTION_THREADS(type), DT_OPTION_NUM_WORKERS(type)

#define DT_OPTION_COLLECTIVE_TIMEOUT(type)                                                         \
    {                                                                                              \
        .name = "collective-timeout", .kind = DT_VALUE_DOUBLE,                                     \
        .offset = offsetof(type, collective_timeout), .value = "S", .default_value = "600",        \
        .range = "[0, 1000000]",                                                                   \
        .help = "seconds that a process waits for the others before the run is ended; 0: for "     \
                "ever"                                                                             \
    }

#define DT_OPTION_PROFILE(type)                                                                    \
    {                                                                                              \
        .name = "profile", .kind = DT_VALUE_FLAG, .offset = offsetof(type, profile),               \
        .help = "tells at the end where the time went, part by part"                               \
    }

#define DT_OPTION_PROFILE_TRACE(type)                                                              \
    {                                                                                              \
        .name = "profile-trace", .kind = DT_VALUE_TEXT, .offset = offsetof(type, profile_trace),   \
        .value = "FILE",                                                                           \
        .help = "the same, and writes when each operation began and ended: JSON for "              \
                "chrome://tracing or ui.perfetto.dev"                                              \
    }

#define DT_OPTION_VERBOSE(type)                                                                    \
    {                                                                                              \
        .name = "verbose", .kind = DT_VALUE_FLAG, .offset = offsetof(type, verbose),               \
        .help = "says more"                                                                        \
    }

/* DeepTaxa's flag, which every command line that has it may keep. */
#define DT_OPTION_OUTPUT_ATTENTIONS                                                                \
    {                                                                                              \
        .name = "output-attentions", .kind = DT_VALUE_FLAG,                                        \
        .ignored = "attention weights are never stored"                                            \
    }

#endif
