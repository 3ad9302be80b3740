/* Option rows that several commands share. `type`: the command's options struct. */
#ifndef DT_CLI_SHARED_OPTIONS_H
#define DT_CLI_SHARED_OPTIONS_H

#include "options/options.h"

/* What is read where the folder of a run is given as a checkpoint: the newest one is used. */
#define DT_CHECKPOINTS_OF_RUN                                                                      \
    "deeptaxa_uuid.txt checkpoints/deeptaxa_*_epoch*[0-9].h5 "                                     \
    "checkpoints/deeptaxa_*_references.hdf5"

/* The first row of commands that require sequences or a trained model; it starts the group. */
#define DT_OPTION_REQUIRED_CHECKPOINT(type)                                                        \
    {                                                                                              \
        .group = "Input and output", .name = "checkpoint", .kind = DT_VALUE_TEXT,                  \
        .offset = offsetof(type, checkpoint), .value = "CKPT", .reads = true,                      \
        .holds = DT_CHECKPOINTS_OF_RUN, .required = true,                                          \
        .help = "trained model (.h5, or .pt of DeepTaxa)"                                          \
    }

/* Of commands that take one checkpoint. */
#define DT_OPTION_EXPECT_SHA256(type)                                                              \
    {                                                                                              \
        .name = "expect-sha256", .kind = DT_VALUE_TEXT, .offset = offsetof(type, expect_sha256),   \
        .value = "HEX", .help = "refuse the checkpoint if its file has another SHA-256"            \
    }

#define DT_OPTION_TOKENIZER_FILE(type)                                                             \
    {                                                                                              \
        .name = "tokenizer-file", .kind = DT_VALUE_TEXT, .offset = offsetof(type, tokenizer_file), \
        .value = "FILE", .reads = true, .may_differ = true,                                        \
        .help = "BPE tokenizer.json (default: the file in DEEPTAXA_TOKENIZER, else the installed " \
                "one, else a vocabulary learnt from the sequences)"                                \
    }

/* Of commands that take a trained model (cli/model_tokenizer.h). */
#define DT_OPTION_MODEL_TOKENIZER(type)                                                            \
    {                                                                                              \
        .name = "tokenizer-file", .kind = DT_VALUE_TEXT, .offset = offsetof(type, tokenizer_file), \
        .value = "FILE", .reads = true,                                                            \
        .help = "tokenizer.json of a model in DeepTaxa's format (.pt), which contains none "       \
                "(default: the local file or folder of the name in the model, also beside it; of " \
                "DNABERT-2 else the file in DEEPTAXA_TOKENIZER, else the installed one)"           \
    }

#define DT_OPTION_NO_NORMALIZE(type)                                                               \
    {                                                                                              \
        .name = "no-normalize", .kind = DT_VALUE_FLAG, .offset = offsetof(type, no_normalize),     \
        .help = "use the sequences unchanged (default: convert to upper case and U to T, remove "  \
                "gaps)"                                                                            \
    }

/* Its choices are dt_orientation's. */
typedef enum { DT_ORIENTATION_FORWARD, DT_ORIENTATION_AUTO } dt_orientation;
#define DT_OPTION_ORIENTATION(type)                                                                \
    {                                                                                              \
        .name = "orientation", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, orientation),     \
        .default_value = "forward", .choices = "forward|auto", .json = "orientation",              \
        .help = "auto: reverse-complement the sequences that are not on the majority strand"       \
    }

#define DT_DEVICE_AUTO 0 /* the first choice */
#define DT_OPTION_DEVICE(type)                                                                     \
    {                                                                                              \
        .name = "device", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, device),               \
        .default_value = "auto", .choices = "auto|cpu|cuda",                                       \
        .help = "compute device; auto: a GPU that has passed `deeptaxa selftest --quick`, which "  \
                "is run once, else the CPU"                                                        \
    }

/* The choices are in the order of dt_precision (backend.h). */
#define DT_OPTION_PRECISION(type)                                                                  \
    {                                                                                              \
        .name = "precision", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, precision),         \
        .default_value = "auto", .choices = "auto|fp32|bf16|fp16",                                 \
        .help = "number format for computation; auto: bf16 on a GPU, fp32 on the CPU"              \
    }

/* The choices are in the order of dt_attention_method (backend.h). */
#define DT_OPTION_ATTENTION(type)                                                                  \
    {                                                                                              \
        .name = "attention", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, attention),         \
        .default_value = "auto", .choices = "auto|fused|cudnn|plain",                              \
        .help = "attention implementation on a GPU; auto: fused if supported, else plain"          \
    }

#define DT_OPTION_THREADS(type)                                                                    \
    {                                                                                              \
        .name = "threads", .kind = DT_VALUE_INT, .offset = offsetof(type, threads), .value = "N",  \
        .default_value = "0", .range = "[0, 4096]", .may_differ = true,                            \
        .help = "number of threads; 0: all available"                                              \
    }

#define DT_OPTION_NUM_WORKERS(type)                                                                \
    {                                                                                              \
        .name = "num-workers", .kind = DT_VALUE_INT, .offset = offsetof(type, num_workers),        \
        .value = "N", .default_value = "0", .range = "[0, 4096]", .may_differ = true,              \
        .needs = {.option = "fasta-file"},                                                         \
        .help = "number of tokenisation threads; 0: same as --threads"                             \
    }

/* Rows of commands that predict with a trained model; the first one starts the group. */
#define DT_OPTIONS_OF_PREDICTING(type)                                                             \
    {.group = "Machine",                                                                           \
     .name = "batch-size",                                                                         \
     .kind = DT_VALUE_INT,                                                                         \
     .offset = offsetof(type, batch_size),                                                         \
     .value = "N",                                                                                 \
     .default_value = "64",                                                                        \
     .range = "[1, 1048576]",                                                                      \
     .help = "sequences per batch; on a GPU, short sequences are packed up to the tokens of N "    \
             "sequences of maximum length. Affects results by rounding only, and not at all on "   \
             "the CPU in fp32"},                                                                   \
        DT_OPTION_DEVICE(type), DT_OPTION_PRECISION(type), DT_OPTION_ATTENTION(type),              \
        DT_OPTION_THREADS(type), DT_OPTION_NUM_WORKERS(type)

#define DT_OPTION_COLLECTIVE_TIMEOUT(type)                                                         \
    {                                                                                              \
        .name = "collective-timeout", .kind = DT_VALUE_DOUBLE,                                     \
        .offset = offsetof(type, collective_timeout), .value = "S", .default_value = "600",        \
        .range = "[0, 1000000]", .may_differ = true,                                               \
        .help = "seconds that a process waits for the others before the run is aborted; 0: no "    \
                "limit"                                                                            \
    }

#define DT_OPTION_PROFILE(type)                                                                    \
    {                                                                                              \
        .name = "profile", .kind = DT_VALUE_FLAG, .offset = offsetof(type, profile),               \
        .help = "print a profile of the run time at the end"                                       \
    }

#define DT_OPTION_PROFILE_TRACE(type)                                                              \
    {                                                                                              \
        .name = "profile-trace", .kind = DT_VALUE_TEXT, .offset = offsetof(type, profile_trace),   \
        .writes = true, .value = "FILE",                                                           \
        .help = "like --profile, and write a trace of all operations (JSON for chrome://tracing "  \
                "or ui.perfetto.dev)"                                                              \
    }

/* Of commands that run for long. dt_options_parse() does what they say. */
#define DT_OPTIONS_OF_MESSAGES(type)                                                               \
    {.name = "quiet",                                                                              \
     .kind = DT_VALUE_FLAG,                                                                        \
     .offset = offsetof(type, parsed.quiet),                                                       \
     .help = "print warnings and errors only"},                                                    \
    {                                                                                              \
        .name = "log-format", .kind = DT_VALUE_CHOICE,                                             \
        .offset = offsetof(type, parsed.log_format), .default_value = "text",                      \
        .choices = "text|json",                                                                    \
        .help = "messages on standard error; json: one object per line, with time, level and "     \
                "message"                                                                          \
    }

#define DT_OPTION_VERBOSE(type)                                                                    \
    {                                                                                              \
        .name = "verbose", .kind = DT_VALUE_FLAG, .offset = offsetof(type, verbose),               \
        .may_differ = true, .help = "print more information"                                       \
    }

/* DeepTaxa's options for the model, which its `train` and `predict` have (dt_command). */
#define DT_DEEPTAXA_MODEL_NAMES                                                                    \
    "tokenizer-name tokenizer-revision max-length embed-dim num-filters kernel-sizes "             \
    "num-conv-layers hidden-size num-hidden-layers num-attention-heads intermediate-size "         \
    "hidden-dropout-prob output-attentions"

/* A flag of DeepTaxa that is accepted and ignored. */
#define DT_OPTION_OUTPUT_ATTENTIONS                                                                \
    {                                                                                              \
        .name = "output-attentions", .kind = DT_VALUE_FLAG,                                        \
        .ignored = "attention weights are not stored"                                              \
    }

#endif
