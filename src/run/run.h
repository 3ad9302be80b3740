/* A run: the model that is trained, the settings that a resumed run must keep, where it stands, and
 * what it knows of its data. run/checkpoint.h is its file.
 */
#ifndef DT_RUN_RUN_H
#define DT_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loss.h"
#include "core/update_rule.h"
#include "data/fingerprints.h"
#include "data/lengths.h"
#include "model/config.h"
#include "run/rank_metrics.h"
#include "run/split.h"
#include "sequence/strand.h"
#include "taxonomy/lineage_tree.h"
#include "taxonomy/taxonomy.h"

/* How the loss weighs the classes of a tax_rank (eval/objective.h); places in the choices of
 * --class-weights. */
typedef enum {
    DT_CLASS_WEIGHTS_NONE,
    DT_CLASS_WEIGHTS_INVERSE,
    DT_CLASS_WEIGHTS_SQRT_INVERSE,
} dt_class_weights;

/* How a model was trained: a run's settings, which a resumed run must keep, and what describe and
 * the metrics say of them. */
typedef struct {
    char run_uuid[64]; /* 2026_04_29T02_08_53_a9efd989_... */
    uint32_t seed;
    int32_t epochs;     /* that the schedule was made for */
    int32_t batch_size; /* sequences of one gradient update over all ranks, before accumulation */
    int32_t accum_steps;
    double warmup_ratio;
    double val_split;
    dt_update_rule rule;
    int32_t level_weight_count; /* tax_ranks, or 0: all 1 */
    double level_weight[DT_MAX_TAX_RANKS];
    int32_t loss_type;     /* dt_loss_type */
    double focal_gamma;    /* this and the next are used by the focal loss */
    int32_t focal_sum;     /* 1: summed over a batch, 0: averaged */
    char *focal_weight;    /* --focal-weight as it was typed; NULL: not given */
    int32_t class_weights; /* dt_class_weights, without a focal_weight */
    int32_t micro_batch;   /* sequences that a rank works on at a time */
    int32_t eval_every; /* epochs from one evaluation to the next; the last is always evaluated */
    int32_t early_stopping_patience; /* evaluations without a gain that end the run; 0: none do */
    double early_stopping_min_delta; /* what the validation loss must fall by to be a gain */
    bool normalize;                  /* sequences were normalised before tokenising */
    /* The tokens came from shards as they were needed, and the order of an epoch follows these
     * (dt_sampler_by_shards()); both 0: it does not. */
    int32_t shards_at_a_time;
    int64_t sequences_per_shard;
    int64_t total_sequences, training_sequences, validation_sequences;
    char *fasta_file, *taxonomy_file; /* as the user named them */
    char *tokenizer_name;             /* "onehot" without one */
    char device[256];                 /* description of the backend */
    char precision[8];                /* "fp32", "bf16", "fp16" */
    int32_t world_size;
    bool gpu; /* trained on one */
} dt_run_settings;

/* Where a run stands. What of the running epoch is done follows from micro_steps
 * (dt_epoch_updates_done(), train/step.h); a checkpoint between two epochs has none of it. */
typedef struct {
    int32_t epoch;       /* epochs completed */
    int64_t micro_steps; /* global batches seen since the start (Philox c[3]) */
    dt_update_state update;
    double epoch_time;       /* seconds that the done part of the running epoch took */
    bool evaluation_due;     /* the last completed epoch was to be evaluated and is not yet */
    double training_time;    /* seconds, of the last epoch */
    double evaluation_time;  /* of the last evaluation; NaN before the first */
    double training_loss;    /* of the last epoch; NaN before the first */
    double validation_loss;  /* of the last evaluation; NaN before the first */
    int32_t evaluated_epoch; /* epochs completed at the last evaluation; 0: none was yet, or an
                                older version's checkpoint, which lacks it and the measures */
    dt_metrics metrics[DT_MAX_TAX_RANKS]; /* (tax_ranks) of that evaluation */
    int32_t best_epoch;   /* the evaluated one of the lowest validation loss; 0: none was yet */
    double best_loss;     /* its validation loss */
    double patience_loss; /* the one that early stopping compares with (train/early_stop.h) */
    int32_t evaluations_without_gain; /* in a row */
} dt_run_progress;

void dt_run_settings_free(dt_run_settings *settings); /* leaves it empty */

/* Whether some of the sequences validate. */
static inline bool dt_run_validates(const dt_run_settings *settings)
{
    return settings->val_split > 0.0;
}

/* What the loss at a tax_rank weighs. */
static inline double dt_level_weight(const dt_run_settings *settings, int32_t tax_rank)
{
    return settings->level_weight_count > 0 ? settings->level_weight[tax_rank] : 1.0;
}

/* Within an epoch: the sums of the losses of its updates so far, as each world_rank holds them. A
 * run of as many ranks goes on from them bit by bit; of others, from their sum. */
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
    dt_lineage_tree lineages;    /* of the labelled sequences; empty in files that lack it */
    dt_strand_info strand;       /* of the training sequences; empty in files that lack it */
    dt_length_quantiles lengths; /* of the training part's sequences; not known in files that lack
                                    it */
    int32_t temperatures;        /* tax_ranks where the model was calibrated, else 0: all are 1 */
    double temperature[DT_MAX_TAX_RANKS]; /* (temperatures) divisors of the logits in prediction */
    char *tokenizer_json;                 /* NULL with one-hot */
    dt_split split;                       /* empty when it was not asked for */
    dt_fingerprints sequences;            /* of all that the split numbers; empty in files that
                                             lack it, as those without an optimizer do */
    int64_t parameters;                   /* number of them */
    char version[32];                     /* of the program that wrote it */
    char timestamp[32];                   /* when */
    bool has_optimizer;                   /* else training cannot go on from it */
} dt_run;

void dt_run_free(dt_run *checkpoint); /* leaves it empty */

#endif
