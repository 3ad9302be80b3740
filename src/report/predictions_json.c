#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "report/prediction_counts.h"

#define MOST_NODES 3000 /* of the composition, beside merged ones */
#define MOST_PAIRS 20

static void put_numbers(dt_json *json, const char *key, const int64_t *number, int32_t count)
{
    dt_json_key(json, key);
    dt_json_array(json);
    for (int32_t i = 0; i < count; ++i)
        dt_json_int(json, number[i]);
    dt_json_end(json);
}

static void put_calibration(dt_json *json, const dt_calibration *calibration)
{
    dt_json_key(json, "calibration");
    dt_json_object(json);
    put_numbers(json, "count", calibration->count, DT_CALIBRATION_BINS);
    put_numbers(json, "right", calibration->right, DT_CALIBRATION_BINS);
    dt_json_key(json, "confidence");
    dt_json_array(json);
    for (int bin = 0; bin < DT_CALIBRATION_BINS; ++bin)
        dt_json_double(json, calibration->confidence[bin]);
    dt_json_end(json);
    dt_json_put_double(json, "error", dt_calibration_error(calibration));
    dt_json_end(json);
}

static int most_frequent_first(const void *a, const void *b)
{
    const dt_report_confusion *x = a;
    const dt_report_confusion *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return x->truth != y->truth ? (x->truth > y->truth) - (x->truth < y->truth)
                                : (x->label > y->label) - (x->label < y->label);
}

static void put_pairs(dt_json *json, dt_report_rank *rank)
{
    if (rank->pairs > 0)
        qsort(rank->pair, (size_t)rank->pairs, sizeof *rank->pair, most_frequent_first);
    dt_json_key(json, "pairs");
    dt_json_array(json);
    for (int32_t i = 0; i < rank->pairs && i < MOST_PAIRS; ++i) {
        dt_json_array(json);
        dt_report_label(json, rank->label[rank->pair[i].truth]);
        dt_report_label(json, rank->label[rank->pair[i].label]);
        dt_json_int(json, rank->pair[i].count);
        dt_json_bool(json, rank->pair[i].known);
        dt_json_end(json);
    }
    dt_json_end(json);
    dt_json_put_int(json, "different_pairs", rank->pairs);
}

/* Writes the numbers of an object of the file's summary. */
static void put_stats(dt_json *json, json_t *stats)
{
    const char *key;
    json_t *value;
    dt_json_key(json, "stats");
    if (!json_is_object(stats)) {
        dt_json_null(json);
        return;
    }
    dt_json_object(json);
    json_object_foreach(stats, key, value)
    {
        if (json_is_number(value))
            dt_json_put_double(json, key, json_number_value(value));
    }
    dt_json_end(json);
}

static void put_rank(dt_json *json, dt_report_rank *rank, json_t *stats)
{
    int64_t predicted = 0;
    for (int32_t i = 0; i < rank->labels; ++i)
        predicted += rank->predicted[i];
    dt_json_object(json);
    dt_json_put_int(json, "labels", predicted);
    dt_json_put_int(json, "unanswered", rank->unanswered);
    put_numbers(json, "bins", rank->bins, DT_REPORT_BINS);
    put_numbers(json, "right", rank->right, DT_REPORT_BINS);
    dt_json_put_int(json, "compared", rank->compared);
    dt_json_put_int(json, "correct", rank->right_count);
    put_stats(json, json_object_get(stats, rank->name));
    put_calibration(json, &rank->calibration);
    put_pairs(json, rank);
    dt_json_end(json);
}

static void put_pair(dt_json *json, const char *name, json_t *value)
{
    char *text =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    dt_json_array(json);
    dt_json_string(json, name);
    dt_json_string(json, text ? text : json_string_value(value));
    dt_json_end(json);
    free(text);
}

/* Writes the plain values of the summary, and those of the objects that say what was noticed. */
static void put_summary(dt_json *json, json_t *summary)
{
    static const char *const shown[] = {"lineage",
                                        "changed_lineages",
                                        "left_out_sequences",
                                        "doubtful_sequences",
                                        "beyond_training_lengths",
                                        "prediction_parameters",
                                        "prediction_time_seconds",
                                        "completed_at",
                                        "run_uuid"};
    const char *key;
    json_t *inner;
    dt_json_key(json, "summary");
    dt_json_array(json);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; ++i) {
        json_t *value = json_object_get(summary, shown[i]);
        if (json_is_object(value)) {
            json_object_foreach(value, key, inner) put_pair(json, key, inner);
        } else if (value && !json_is_null(value)) {
            put_pair(json, shown[i], value);
        }
    }
    dt_json_end(json);
}

static void put_unanswered(dt_json *json, const dt_prediction_counts *p)
{
    dt_json_key(json, "unanswered");
    dt_json_array(json);
    for (int32_t i = 0; i < p->unanswered_count; ++i) {
        const dt_unanswered_read *read = &p->unanswered[i];
        dt_json_array(json);
        dt_report_label(json, read->id);
        dt_json_double(json, read->length);
        dt_report_label(json, p->rank[0].label[read->label]);
        dt_json_float(json, (float)read->confidence);
        dt_json_end(json);
    }
    dt_json_end(json);
}

dt_status dt_put_predictions(dt_json *json, dt_prediction_counts *p, json_t *summary)
{
    char **names[DT_MAX_TAX_RANKS];
    json_t *threshold =
        json_object_get(json_object_get(summary, "prediction_parameters"), "confidence_threshold");
    json_t *stats = json_object_get(summary, "performance_stats");
    dt_json_object(json);
    dt_json_put_string(json, "file", p->path);
    dt_json_put_int(json, "sequences", p->sequences);
    dt_json_key(json, "ranks");
    dt_json_array(json);
    for (int32_t r = 0; r < p->tax_ranks; ++r)
        dt_report_label(json, p->rank[r].name);
    dt_json_end(json);
    dt_json_put_double(json, "threshold",
                       json_is_number(threshold) ? json_number_value(threshold) : (double)NAN);
    put_summary(json, summary);
    dt_json_key(json, "by_rank");
    dt_json_array(json);
    for (int32_t r = 0; r < p->tax_ranks; ++r) {
        put_rank(json, &p->rank[r], stats);
        names[r] = p->rank[r].label;
    }
    dt_json_end(json);
    put_numbers(json, "depth", p->depth, p->tax_ranks + 1);
    put_unanswered(json, p);
    dt_json_key(json, "composition");
    DT_TRY(dt_composition_json(&p->composition, json, MOST_NODES, names));
    dt_json_end(json);
    return DT_OK;
}
