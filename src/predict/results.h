/* The files that a prediction leaves, all of them or none (docs/files.md "Prediction"):
 *
 *     <name>_deeptaxa_predictions.json   sequence_ids, predictions, summary, true_labels
 *     <name>_deeptaxa_predictions.tsv    one line a sequence, on request
 *     <name>_deeptaxa_predictions.qiime2.tsv   the lineages for QIIME 2 (predict/qiime.h), on
 *                                        request
 *     <name>_deeptaxa_sequence_embeddings.h5   on request (predict/vectors.h)
 *     deeptaxa_uuid.txt                  the run id; not in the folder of a training, which has
 *                                        that of its run there
 *     metrics.json                       measures by tax_rank, where the truth is known
 *
 * <name> is the FASTA file's, without folder and extensions.
 */
#ifndef DT_PREDICT_RESULTS_H
#define DT_PREDICT_RESULTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/uuid.h"
#include "io/output.h"
#include "run/run.h"
#include "run/run_json.h"
#include "predict/predictor.h"
#include "predict/spool.h"
#include "predict/tally.h"
#include "predict/vectors.h"

/* Columns of the table at each tax_rank, and their names, the choices of --tabular-fields. */
#define DT_COLUMN_NAMES "predicted|raw_score|entropy|true|agreement"
typedef enum {
    DT_COLUMN_PREDICTED,
    DT_COLUMN_RAW_SCORE,
    DT_COLUMN_ENTROPY,
    DT_COLUMN_TRUE,
    DT_COLUMN_AGREEMENT,
    DT_COLUMNS
} dt_column;

/* What is written and what metrics.json says of the run. Pointers must outlive the results. */
typedef struct {
    const char *output_folder; /* exists */
    const char *fasta_file;    /* as the user named them */
    const char *taxonomy_file; /* NULL: none */
    const char *checkpoint_path;
    const dt_run *checkpoint;      /* its tensors are not needed */
    int32_t others;                /* further models that vote */
    const char *const *other_path; /* (others) their checkpoints */
    bool lineages;                 /* consistent lineages are predicted */
    bool oriented;                 /* sequences of the other strand are turned */
    const dt_truth *truth;         /* NULL: none */
    bool tabular;
    bool qiime;       /* the table for QIIME 2 */
    int32_t features; /* of the vectors that are written; 0: none are */
    int32_t columns;
    dt_column column[DT_COLUMNS]; /* (columns) in this order; repeats are the user's business */
    int64_t min_length;           /* of the sequences that are predicted */
    double threshold;             /* a confidence from it on has its flag set */
    int32_t top_k;
    int32_t batch_size;
    const double *temperature[DT_MAX_VOTERS]; /* (1 + others) of each model, the first before the
                                                 others: (tax_ranks); NULL: all 1 */
    const char *device;                       /* description of the backend */
    const char *precision;                    /* "fp32" */
    bool gpu;
    const char *version;             /* of this program */
    const dt_invocation *invocation; /* NULL: not told */
} dt_results_options;

typedef struct {
    dt_results_options options;
    const dt_taxonomy *taxonomy; /* of the checkpoint */
    char run_id[DT_RUN_ID_SIZE];
    double started;               /* dt_seconds() */
    double prediction_time;       /* seconds until the last sequence was predicted */
    double auc[DT_MAX_TAX_RANKS]; /* (tax_ranks) at the end; NaN where it is not known */
    int64_t left_out;             /* sequences that were too short; the caller's to set before
                                     dt_results_finish() */
    dt_tally tally;
    dt_spool spool;
    dt_output json;
    dt_output table;
    dt_output qiime;
    bool json_open, table_open, qiime_open;
    dt_container *vectors; /* NULL: not open */
} dt_results;

/* Begins all files, so that a folder that cannot be written is found before anything is computed.
 * The struct must stay where it is. End with dt_results_free(). On failure nothing is
 * begun. */
dt_status dt_results_begin(dt_results *results, const dt_results_options *options);

/* The sink of dt_predictor_run(); context is the dt_results. */
dt_status dt_results_add(void *context, const dt_predicted *predicted);

/* Writes what is left and puts all files in place. On failure none is, unless the system refuses
 * to rename what was completely written. Follow with dt_results_free(). */
dt_status dt_results_finish(dt_results *results);

/* Throws away the files that are not in place, and frees everything. Keeps the calling thread's
 * error message. */
void dt_results_free(dt_results *results);

/* Path of a file of the results: `suffix` is "json", "tsv" or "qiime2.tsv". `out` has room for
 * PATH_MAX. */
dt_status dt_results_path(const dt_results_options *options, const char *suffix, char *out);

/* In results_json.c. */
dt_status dt_results_write_json(dt_results *results);
dt_status dt_results_write_metrics(const dt_results *results, dt_output *out);

#endif
