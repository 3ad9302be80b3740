/* A run: the configuration of its model, its settings, its progress, and the information about its
 * data. Stored in a checkpoint (run/checkpoint.h).
 */
#ifndef DT_RUN_RUN_H
#define DT_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loss.h"
#include "core/update_rule.h"
#include "data/fingerprints.h"
#include "data/lengths.h"
#include "model/model.h"
#include "neighbours/reference_set.h"
#include "run/rank_metrics.h"
#include "run/split.h"
#include "sequence/primer.h"
#include "sequence/strand.h"
#include "taxonomy/lineage_tree.h"
#include "taxonomy/taxonomy.h"

/* How the loss weights the classes of a tax_rank (eval/objective.h); indices into the choices of
 * --class-weights. */
typedef enum {
    DT_CLASS_WEIGHTS_NONE,
    DT_CLASS_WEIGHTS_INVERSE,
    DT_CLASS_WEIGHTS_SQRT_INVERSE,
} dt_class_weights;

/* How the learning rate depends on the sequences of an update; indices into the choices of
 * --scale-learning-rate. */
typedef enum { DT_RATE_AS_GIVEN, DT_RATE_SQRT, DT_RATE_LINEAR } dt_rate_scaling;

/* The sequences of an update for which a scaled learning rate is the one that was given. */
#define DT_RATE_SEQUENCES 64

/* How the parameters are updated; indices into the choices of --optimizer-type. */
typedef enum { DT_OPTIMIZER_ADAMW, DT_OPTIMIZER_LAMB } dt_optimizer;

/* How a model is trained: the settings, which a resumed run must keep, and information that metrics
 * and `deeptaxa describe` report. */
typedef struct {
    char run_uuid[64]; /* 2026_04_29T02_08_53_a9efd989_... */
    uint32_t seed;
    int32_t epochs;     /* in total; the schedule depends on it */
    int32_t batch_size; /* sequences of a batch over all ranks; an update has accum_steps batches */
    int32_t accum_steps;
    double learning_rate; /* as given; rule.learning_rate is the one in effect */
    int32_t rate_scaling; /* dt_rate_scaling */
    double warmup_ratio;
    double val_split;
    int32_t optimizer;          /* dt_optimizer */
    dt_update_rule rule;        /* without the tensors of LAMB, which the model has */
    int32_t level_weight_count; /* tax_ranks, or 0: all 1 */
    double level_weight[DT_MAX_TAX_RANKS];
    int32_t loss_type;     /* dt_loss_type */
    double focal_gamma;    /* focal loss only, like the next two */
    int32_t focal_sum;     /* 1: summed over a batch, 0: averaged */
    char *focal_weight;    /* --focal-weight as given; NULL: not given */
    int32_t class_weights; /* dt_class_weights, without a focal_weight */
    int32_t micro_batch;   /* sequences that a rank computes at a time */
    int32_t eval_every;    /* epochs between evaluations; the last epoch is always evaluated */
    int32_t early_stopping_patience; /* evaluations without improvement that end the run; 0: off */
    double early_stopping_min_delta; /* decrease of the validation loss that is an improvement */
    bool normalize;                  /* sequences were normalised before tokenising */
    /* Streamed shards: the order of an epoch depends on these (dt_sampler_by_shards()); both 0: not
     * streamed. */
    int32_t shards_at_a_time;
    int64_t sequences_per_shard;
    char data_checksum[32]; /* of the streamed set; empty: not streamed, or the run began with an
                               older version, which stored hashes of each sequence */
    int64_t total_sequences, training_sequences, validation_sequences;
    char *fasta_file, *taxonomy_file; /* as given by the user */
    char *tokenizer_name;             /* "onehot" without a tokenizer */
    char device[256];                 /* description of the backend */
    char precision[8];                /* "fp32", "bf16", "fp16" */
    int32_t world_size;
    bool gpu; /* trained on a GPU */
} dt_run_settings;

/* The progress of a run. The completed part of the current epoch follows from micro_steps
 * (dt_epoch_updates_done(), train/step.h). */
typedef struct {
    int32_t epoch;       /* epochs completed */
    int64_t micro_steps; /* global batches since the start (Philox c[3]) */
    dt_update_state update;
    double epoch_time;       /* seconds spent on the completed part of the current epoch */
    bool evaluation_due;     /* the evaluation of the last completed epoch is still to be done */
    double training_time;    /* seconds, of the last epoch */
    double evaluation_time;  /* of the last evaluation; NaN before the first */
    double training_loss;    /* of the last epoch; NaN before the first */
    double validation_loss;  /* of the last evaluation; NaN before the first */
    int32_t evaluated_epoch; /* epochs completed at the last evaluation; 0: none so far, or the
                                checkpoint of an older version, which also lacks the metrics */
    dt_metrics metrics[DT_MAX_TAX_RANKS]; /* (tax_ranks) of that evaluation */
    int32_t best_epoch;   /* the epoch with the lowest validation loss; 0: none evaluated so far */
    double best_loss;     /* its validation loss */
    double patience_loss; /* the loss that early stopping compares with (train/early_stop.h) */
    int32_t evaluations_without_gain; /* in a row */
} dt_run_progress;

void dt_run_settings_free(dt_run_settings *settings); /* leaves it empty */

/* Returns a learning rate scaled to an update of `sequences` sequences: times sequences / 64, or the
 * square root of that. */
double dt_scaled_rate(double rate, dt_rate_scaling scaling, int64_t sequences);

/* Returns the global batches of an epoch. */
int64_t dt_batches_per_epoch(int64_t sequences, const dt_run_settings *settings);

/* Sets rule.learning_rate from learning_rate, rate_scaling, batch_size and accum_steps. */
void dt_set_rate(dt_run_settings *settings);

/* Returns whether the run has validation sequences. */
static inline bool dt_run_validates(const dt_run_settings *settings)
{
    return settings->val_split > 0.0;
}

/* Returns the weight of the loss at a tax_rank. */
static inline double dt_level_weight(const dt_run_settings *settings, int32_t tax_rank)
{
    return settings->level_weight_count > 0 ? settings->level_weight[tax_rank] : 1.0;
}

/* The references of a run (run/references_file.h). */
typedef struct {
    int64_t sequences; /* different ones; 0: the run has no references */
    int64_t total;     /* of the training set, with copies */
    char checksum[DT_REFERENCE_CHECKSUM];
    bool inside;                 /* they were read from a checkpoint that has them itself */
    const dt_reference_set *set; /* for a file that is written: it gets them; NULL: it refers to the
                                    run's file beside it. Not owned */
} dt_run_references;

/* How deeptaxa calibrate found that neighbours are best used. The temperatures of lineages are factors
 * of those of the ranks. */
typedef struct {
    int32_t count;                       /* K; 0: not found */
    double weight;                       /* of their vote, [0, 1] */
    double exponent;                     /* of a neighbour's similarity (neighbours/index.h) */
    double temperature;                  /* of lineages, beside their vote */
    int32_t similarities;                /* tax_ranks, or 0: not found */
    double similarity[DT_MAX_TAX_RANKS]; /* (similarities) to the nearest reference, below which a
                                            taxon of the rank is taken for an unknown one */
} dt_run_neighbours;

/* Within an epoch: the loss sums of its updates so far on each world_rank. A run resumed with the
 * same number of ranks continues them bit for bit; otherwise it continues their total. */
typedef struct {
    int32_t world_size; /* 0: between two epochs */
    double *sum;        /* (world_size, tax_ranks) */
} dt_loss_sums;

typedef struct {
    dt_model_config config;
    dt_run_settings settings;
    dt_run_progress progress;
    dt_loss_sums loss_sums;
    dt_taxonomy taxonomy;
    dt_lineage_tree lineages;    /* of the labelled sequences; empty in older checkpoints */
    dt_strand_info strand;       /* of the training sequences; empty in older checkpoints */
    dt_length_quantiles lengths; /* of the training sequences; unknown in older checkpoints */
    dt_primers primers;          /* that the training sequences were cut out with */
    int32_t temperatures;        /* tax_ranks if the model is calibrated, otherwise 0: all are 1 */
    double temperature[DT_MAX_TAX_RANKS]; /* (temperatures) divisors of the logits in prediction */
    dt_run_references references;
    dt_run_neighbours neighbours;
    double lineage_temperature; /* of lineages, without neighbours; 0: not found, as 1 */
    char *tokenizer_json;       /* NULL with one-hot */
    dt_split split; /* of a streamed run marks, which its settings determine; otherwise numbers */
    dt_fingerprints sequences; /* of all sequences of the split; empty in older checkpoints, in
                                  those without an optimizer and in streamed runs */
    char *choices;             /* the device's algorithms of matrix products (choices_read() in
                                  backend.h), for resuming; NULL: none */
    int64_t parameters;        /* number of parameters */
    char version[32];          /* of the program that wrote the checkpoint */
    char timestamp[32];        /* of writing the checkpoint */
    bool has_optimizer;        /* the run can be resumed */
    bool of_deeptaxa; /* read from a DeepTaxa file (.pt); run/torch_read.h: what it lacks */
    char *unknown;    /* names of settings that are not those of the training but defaults,
                         separated by blanks; NULL: none. A resumed run may set them */
} dt_run;

/* Splits `count` sequences by the run's settings into run->split, as numbers or as marks (split.h). */
dt_status dt_run_split(dt_run *run, int64_t count, bool marks);

/* Returns whether models of this run have a lineage layer (model/lineage_layer.h). Their temperatures
 * of ranks are of its outputs, and do not concern summed lineages. */
static inline bool dt_run_has_lineage_layer(const dt_run *run)
{
    return run->settings.loss_type == DT_LOSS_LINEAGE;
}

/* Gives a model of this run its lineage layer, if it is trained with --loss-type lineage. Before memory
 * is planned (dt_model_add_lineages()). */
dt_status dt_run_add_lineages(const dt_run *run, dt_model *model);

void dt_run_free(dt_run *checkpoint); /* leaves it empty */

#endif
