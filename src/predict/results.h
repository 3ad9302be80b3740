/* The output files of a prediction, written all or not at all (docs/files.md "Prediction"):
 *
 *     <name>_deeptaxa_predictions.json   sequence_ids, predictions, summary, true_labels
 *     <name>_deeptaxa_predictions.tsv    optional: one line per sequence
 *     <name>_deeptaxa_predictions.<suffix>   optional: for other programs (predict/formats/format.h)
 *     <name>_deeptaxa_sequence_embeddings.h5   optional (predict/embeddings_file.h)
 *     deeptaxa_uuid.txt                  the run id; not written to the folder of a training run,
 *                                        which has its own
 *     metrics.json                       metrics by tax_rank, where the truth is known
 *
 * <name> is the name of the FASTA file without folder and extensions.
 */
#ifndef DT_PREDICT_RESULTS_H
#define DT_PREDICT_RESULTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/uuid.h"
#include "data/identical.h"
#include "io/output.h"
#include "run/run.h"
#include "run/run_json.h"
#include "predict/formats/format.h"
#include "predict/predictor.h"
#include "predict/spool.h"
#include "predict/tally.h"
#include "predict/embeddings_file.h"

/* Columns of the table for each tax_rank or of the sequence, and their names: the choices of
 * --tabular-fields. */
#define DT_COLUMN_NAMES "predicted|raw_score|entropy|true|agreement|assigned|nearest|similarity"
typedef enum {
    DT_COLUMN_PREDICTED,
    DT_COLUMN_RAW_SCORE,
    DT_COLUMN_ENTROPY,
    DT_COLUMN_TRUE,
    DT_COLUMN_AGREEMENT,
    DT_COLUMN_ASSIGNED,
    DT_COLUMN_NEAREST, /* this and the next are of the sequence, once, after the ranks */
    DT_COLUMN_SIMILARITY,
    DT_COLUMNS
} dt_column;

/* What to write, and the run's settings for metrics.json. Pointers must outlive the results. */
typedef struct {
    const char *output_folder; /* exists */
    const char *fasta_file;    /* as given by the user */
    const char *taxonomy_file; /* NULL: none */
    const char *checkpoint_path;
    const dt_run *checkpoint;      /* its tensors are not needed */
    int32_t others;                /* further models of the ensemble */
    const char *const *other_path; /* (others) their checkpoints */
    dt_lineage_choice lineage;
    const dt_neighbour_use *neighbours; /* NULL: none */
    double lineage_temperature;         /* of summed lineages (run/run.h), of the first model */
    const double *min_similarity; /* (tax_ranks) to the nearest reference, below which a rank and
                                     those below it are unassigned; NULL: all are assigned */
    bool oriented;                /* reverse-complements sequences of the other strand */
    const dt_truth *truth;        /* NULL: none */
    bool tabular;
    bool format[DT_FORMATS];  /* those of other programs to write, by dt_format_choice */
    double lineage_threshold; /* of the confidence, in these formats */
    int32_t features;         /* of the embeddings to write; 0: none */
    int32_t columns;
    dt_column column[DT_COLUMNS]; /* (columns) in this order; may repeat */
    int64_t min_length;           /* shorter sequences are left out */
    double threshold;             /* the flag is set if the confidence is at least this */
    int32_t top_k;
    int32_t batch_size;
    const double *temperature[DT_MAX_MEMBERS]; /* (1 + others) of each model, the first one
                                                 first: (tax_ranks); NULL: all 1 */
    const char *device;                        /* description of the backend */
    const char *precision;                     /* "fp32" */
    bool gpu;
    const char *version;             /* of this program */
    const dt_invocation *invocation; /* NULL: unknown */
} dt_results_options;

/* Counts of sequences by their nearest reference. */
typedef struct {
    int64_t identical; /* some reference has the same letters */
    int64_t none;      /* without a neighbour */
    int64_t unassigned[DT_MAX_TAX_RANKS];
} dt_nearest_counts;

typedef struct {
    dt_results_options options;
    const dt_taxonomy *taxonomy; /* of the checkpoint */
    char run_id[DT_UUID_SIZE];
    double started;               /* dt_seconds() */
    double prediction_time;       /* seconds until the last sequence was predicted */
    double auc[DT_MAX_TAX_RANKS]; /* (tax_ranks) set at the end; NaN: unknown */
    int64_t left_out;             /* sequences that were too short; set by the caller before
                                     dt_results_finish() */
    dt_tally tally;
    dt_nearest_counts nearest;
    dt_spool spool;
    dt_output json;
    dt_output table;
    dt_output format[DT_FORMATS];
    bool json_open, table_open, format_open[DT_FORMATS];
    dt_identical *identical;  /* numbers the different sequences; NULL: no format needs that */
    bool keep_sequences;      /* a format needs them */
    dt_text as_given;         /* the sequence being added, on the strand on which it was given */
    int64_t began;            /* seconds since 1970 */
    dt_container *embeddings; /* NULL: not open */
} dt_results;

/* Creates all files, so that an unwritable folder is detected before anything is computed. The
 * struct must not be moved. Free it with dt_results_free(). On failure no file is created. */
dt_status dt_results_begin(dt_results *results, const dt_results_options *options);

/* The sink of dt_predictor_run(); context is the dt_results. */
dt_status dt_results_add(void *context, const dt_predicted *predicted);

/* Completes all files and moves them to their final names. On failure none is moved, unless a
 * rename of a completed file fails. Follow with dt_results_free(). */
dt_status dt_results_finish(dt_results *results);

/* Discards the files that do not have their final name yet, and frees everything. Keeps the calling
 * thread's error message. */
void dt_results_free(dt_results *results);

/* Sets `out` (PATH_MAX bytes) to the path of a prediction file; `suffix` is "json", "tsv" or that
 * of a format. */
dt_status dt_results_path(const dt_results_options *options, const char *suffix, char *out);

/* Returns whether the nearest reference leaves this tax_rank of a sequence assigned. */
bool dt_is_assigned(const dt_results *results, const dt_spool_row *row, int32_t tax_rank);
/* Returns the name of the nearest reference; NULL: none. */
const char *dt_nearest_name(const dt_results *results, const dt_spool_row *row);

/* In results_json.c. */
dt_status dt_results_write_json(dt_results *results);
dt_status dt_results_write_metrics(const dt_results *results, dt_output *out);

#endif
