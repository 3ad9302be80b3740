/* What `deeptaxa train` is asked for: its command line, checked. */
#ifndef DT_CLI_TRAIN_OPTIONS_H
#define DT_CLI_TRAIN_OPTIONS_H

#include "options/options.h"

/* Places in the choices of --model-type; those of --loss-type are dt_loss_type, those of
 * --class-weights dt_class_weights. */
typedef enum { DT_MODEL_TYPE_HYBRID, DT_MODEL_TYPE_BERT, DT_MODEL_TYPE_CNN } dt_model_type_choice;
/* Places in the choices of --validate-on. */
typedef enum { DT_VALIDATE_ON_ALL, DT_VALIDATE_ON_RANK0 } dt_validate_on_choice;

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    /* input and output: either fasta_file and taxonomy_file, or data; the others are NULL */
    const char *fasta_file; /* "-": standard input */
    const char *taxonomy_file;
    const char *data;           /* folder of shards written by `deeptaxa prepare` */
    const char *output_dir;     /* never NULL */
    const char *tokenizer_file; /* tokenizer.json; NULL: the installation's, else learnt */
    const char *tokenizer_name; /* DeepTaxa's flag: taken when it is a local file or folder */
    bool no_normalize;
    int orientation; /* dt_orientation */

    /* model */
    int model_type;       /* dt_model_type_choice */
    int encoding;         /* dt_encoding; with --data that of the shards counts */
    int64_t max_length;   /* L: tokens of a sequence that are read, specials included, or bases */
    int64_t embed_dim;    /* E; one-hot: 4 where it is not given */
    int64_t num_filters;  /* F: filters of each kernel width */
    dt_ints kernel_sizes; /* at most 16, odd */
    int64_t num_conv_layers;
    int64_t hidden_size; /* H, divisible by num_attention_heads */
    int64_t num_hidden_layers;
    int64_t num_attention_heads;
    int64_t intermediate_size;  /* I */
    double hidden_dropout_prob; /* [0, 1) */
    bool mask_padding;

    /* training */
    int64_t epochs;
    int64_t batch_size;  /* sequences of one micro-step over all ranks */
    int64_t accum_steps; /* micro-steps of one update */
    double learning_rate;
    dt_doubles optimizer_betas; /* two */
    double optimizer_eps;
    double optimizer_weight_decay;
    double scheduler_warmup_ratio; /* [0, 1) */
    double max_grad_norm;
    int64_t seed;             /* 32 bits */
    double val_split;         /* [0, 1); 0: nothing is evaluated */
    int64_t eval_every;       /* epochs from one evaluation to the next */
    dt_doubles level_weights; /* by taxonomic rank; count 0: every rank weighs 1 */
    double focal_gamma;
    const char *focal_weight; /* class weights as lists; NULL: none */
    int64_t early_stopping_patience;
    double early_stopping_min_delta;
    int loss_type;       /* dt_loss_type */
    int focal_reduction; /* 0: mean, 1: sum */
    int class_weights;   /* dt_class_weights */
    bool stream_data;
    bool no_level_weights; /* overrides level_weights */
    bool save_best_only;
    bool reset_lr_on_resume;
    const char *resume;       /* checkpoint, "auto"; NULL: from the start */
    const char *init_weights; /* checkpoint; NULL: none */

    /* exports */
    bool export_sequence_embeddings;
    bool export_permutation_importance;
    int64_t perm_region_size; /* tokens; 0: a quarter of max_length */

    /* machine */
    int device;    /* place in auto|cpu|cuda; dt_option_choice() names it for dt_backend_open() */
    int precision; /* dt_precision */
    int attention; /* dt_attention_method */
    bool deterministic;
    int64_t gpus;  /* ranks to start here, each with a GPU; 0: this process is the rank */
    int64_t ranks; /* the same without GPUs of their own; not both */

    int64_t threads;           /* 0: all that the process may use */
    int64_t num_workers;       /* tokenising threads; 0: as many as `threads` */
    int comm;                  /* dt_comm_kind */
    int grad_dtype;            /* dt_grad_dtype */
    double collective_timeout; /* seconds; 0: for ever */
    int64_t micro_batch_size;  /* 0: chosen from the memory */
    int64_t keep_checkpoints;  /* newest checkpoints of epochs that stay; 0: all */
    int64_t save_every_steps;  /* updates; 0: at the end of an epoch only */
    double save_every_minutes; /* 0: at the end of an epoch only */
    int validate_on;           /* dt_validate_on_choice */
    bool dry_run;
    bool profile;
    const char *profile_trace; /* implies profile; NULL: no trace */
    bool verbose;
} dt_train_options;

extern const dt_command dt_train_command;

/* Trains, or with dry_run prints the plan. Written in train.c. */
dt_status dt_command_train(const dt_train_options *options);

#endif
