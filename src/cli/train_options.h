/* The checked command line of `deeptaxa train`. */
#ifndef DT_CLI_TRAIN_OPTIONS_H
#define DT_CLI_TRAIN_OPTIONS_H

#include "options/options.h"
#include "run/run.h"

/* Indices into the choices of --validate-on. */
typedef enum { DT_VALIDATE_ON_ALL, DT_VALIDATE_ON_RANK0 } dt_validate_on_choice;

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    /* input and output: either fasta_file and taxonomy_file (NULL: in the headers), or data; the
     * others are NULL */
    const char *fasta_file; /* "-": standard input */
    const char *taxonomy_file;
    const char *data;           /* directory of shards written by `deeptaxa prepare` */
    const char *output_dir;     /* never NULL */
    const char *tokenizer_file; /* tokenizer.json; NULL: see dt_choose_tokenizer() */
    const char *tokenizer_name; /* DeepTaxa's flag: used if it is a local file or directory */
    bool no_normalize;
    int orientation;    /* dt_orientation */
    const char *region; /* to cut the sequences to; NULL: by the primers, or not at all */
    const char *forward_primer, *reverse_primer;

    /* model and training: config and settings; its texts are borrowed */
    dt_run asked;
    int64_t batch_size_per_rank; /* 0: asked has the batch size */
    bool stream_data;
    bool no_level_weights; /* overrides level_weights */
    bool save_best_only;
    bool reset_lr_on_resume;
    const char *resume;        /* checkpoint or "auto"; NULL: a new run */
    const char *init_weights;  /* checkpoint; NULL: none */
    const char *expect_sha256; /* of that of init_weights, else of resume; NULL: not given */
    bool store_references;

    /* exports */
    bool export_sequence_embeddings;
    bool export_permutation_importance;
    bool no_report;
    bool tensorboard;
    int64_t perm_region_size; /* tokens; 0: a quarter of max_length */

    /* machine */
    int device;    /* index into auto|cpu|cuda; dt_option_choice() gives its name */
    int precision; /* dt_precision */
    int attention; /* dt_attention_method */
    bool deterministic;
    int64_t gpus;      /* ranks to start on this host, each with a GPU; 0: start none */
    int64_t ranks;     /* ranks to start on this host without GPUs; 0: start none; not both */
    const char *hosts; /* dt_train_hosts() */

    int64_t threads;     /* 0: all available */
    int64_t num_workers; /* tokenisation threads; 0: same as `threads` */
    int comm;            /* dt_comm_kind */
    int grad_dtype;      /* dt_grad_dtype */
    bool shard_optimizer;
    double collective_timeout; /* seconds; 0: no limit */
    int64_t micro_batch_size;  /* 0: chosen automatically */
    int64_t keep_checkpoints;  /* number of newest epoch checkpoints to keep; 0: all */
    int64_t save_every_steps;  /* updates; 0: only at the end of an epoch */
    double save_every_minutes; /* 0: only at the end of an epoch */
    int validate_on;           /* dt_validate_on_choice */
    bool dry_run;
    bool preflight_only;
    bool profile;
    const char *profile_trace; /* implies profile; NULL: no trace */
    bool verbose;
} dt_train_options;

extern const dt_command dt_train_command;

/* The machines to start ranks on (launch/hosts.h); NULL: start none. "none", with which ranks override
 * the file of settings that they share with their starter, is none. */
const char *dt_train_hosts(const dt_train_options *options);

/* Sets asked.settings.batch_size from batch_size_per_rank, or the latter to 0 if --batch-size
 * overrides it (on the command line, over a file). Returns DT_ERR_USAGE if the batch is too large.
 */
dt_status dt_train_batch_size(dt_train_options *options, int32_t ranks);

#endif
