/* What a prediction is counted into (predictions.c), and written from (predictions_json.c). */
#ifndef DT_REPORT_PREDICTION_COUNTS_H
#define DT_REPORT_PREDICTION_COUNTS_H

#include <jansson.h>
#include <limits.h>

#include "eval/metrics.h"
#include "io/span.h"
#include "io/json_writer.h"
#include "report/composition.h"
#include "taxonomy/taxonomy.h"

#define DT_REPORT_BINS 200 /* of confidences */
#define DT_MOST_UNANSWERED 100

typedef struct {
    int32_t truth, label;
    int64_t count;
    bool known;
} dt_report_confusion;

/* One taxonomic rank. */
typedef struct {
    char *name;
    char **label; /* (labels) predicted or true ones */
    int32_t labels;
    size_t label_capacity;
    bool *predicted; /* (labels) */
    size_t predicted_capacity;
    dt_strmap *number; /* label → its number */
    int32_t unclassified;
    int64_t unanswered, compared, right_count;
    int64_t bins[DT_REPORT_BINS], right[DT_REPORT_BINS];
    dt_calibration calibration;
    dt_report_confusion *pair;
    int32_t pairs;
    size_t pair_capacity;
    dt_strmap *pair_index; /* true and predicted label → pair */
} dt_report_rank;

typedef struct {
    char *id;
    double length, confidence;
    int32_t label;
} dt_unanswered_read;

typedef struct {
    char path[PATH_MAX];
    char *bytes; /* of the file, mapped to be read */
    size_t length;
    dt_span ids; /* the array of ids in the file; data NULL: not found yet */
    int32_t tax_ranks;
    dt_report_rank *rank; /* (DT_MAX_TAX_RANKS) */
    int64_t sequences;
    int64_t depth[DT_MAX_TAX_RANKS + 1];
    dt_unanswered_read unanswered[DT_MOST_UNANSWERED];
    int32_t unanswered_count;
    dt_composition composition;
    dt_text text; /* for decoding */
} dt_prediction_counts;

/* Adds the counted prediction as a value; `summary` is that of the file, NULL: none. */
dt_status dt_put_predictions(dt_json *json, dt_prediction_counts *p, json_t *summary);

#endif
