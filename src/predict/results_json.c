/* The JSON files of a prediction. */
#include <stdio.h>

#include "core/clock.h"
#include "io/json_writer.h"
#include "run/run_json.h"
#include "predict/results.h"

/* Returns the seconds since the last sequence was predicted. */
static double post_process_time(const dt_results *results)
{
    return dt_seconds() - results->started - results->prediction_time;
}

/* ---- predictions ------------------------------------------------------------------------------
 */

/* An array of one element for each sequence. */
typedef struct {
    const dt_results *results;
    dt_json *json;
    void (*write)(const dt_results *, dt_json *, const dt_spool_row *);
} array;

static dt_status write_element(void *context, const dt_spool_row *row)
{
    const array *of = context;
    of->write(of->results, of->json, row);
    /* a full disk: report it now */
    return of->json->out->error ? dt_output_flush(of->json->out) : DT_OK;
}

/* Writes the array `key`, whose elements are written by `write`, one per sequence. */
static dt_status write_array(dt_results *results, dt_json *json, const char *key,
                             void (*write)(const dt_results *, dt_json *, const dt_spool_row *))
{
    dt_json_key(json, key);
    dt_json_array(json);
    const dt_status status =
        dt_spool_each(&results->spool, write_element, &(array){results, json, write});
    dt_json_end(json);
    return status;
}

static void write_id(const dt_results *results, dt_json *json, const dt_spool_row *row)
{
    (void)results;
    dt_json_bytes(json, row->id.data, row->id.length);
}

/* Writes `agreement` if the truth is known, and `mismatch_detail` if it differs, like DeepTaxa. */
static void write_comparison(const dt_results *results, dt_json *json, int32_t r,
                             const dt_spool_cell *cell)
{
    const char *label = results->taxonomy->rank[r].label[cell->label];
    const char *truth =
        results->options.truth ? dt_truth_label(results->options.truth, r, cell->truth) : NULL;
    if (!truth)
        return;
    const bool agree = dt_labels_agree(truth, label, dt_is_species(results->taxonomy, r));
    dt_json_put_bool(json, "agreement", agree);
    if (agree)
        return;
    dt_json_key(json, "mismatch_detail");
    dt_json_object(json);
    dt_json_put_string(json, "predicted", label);
    dt_json_put_string(json, "true", truth);
    dt_json_put_bool(json, "known", cell->truth < results->taxonomy->rank[r].classes);
    dt_json_end(json);
}

static void write_nearest(const dt_results *results, dt_json *json, const dt_spool_row *row)
{
    const char *name = dt_nearest_name(results, row);
    dt_json_key(json, "nearest");
    if (name)
        dt_json_string(json, name);
    else
        dt_json_null(json);
    dt_json_key(json, "similarity");
    dt_json_float(json, row->similarity);
}

static void write_prediction(const dt_results *results, dt_json *json, const dt_spool_row *row)
{
    dt_json_object(json);
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        const dt_spool_cell *cell = &row->cell[r];
        dt_json_key(json, results->taxonomy->rank[r].name);
        dt_json_object(json);
        dt_json_put_string(json, "label", results->taxonomy->rank[r].label[cell->label]);
        dt_json_key(json, "raw_score");
        dt_json_float(json, cell->confidence);
        const bool assigned = dt_is_assigned(results, row, r);
        dt_json_put_bool(json, "confidence_threshold_flag",
                         assigned && (double)cell->confidence >= results->options.threshold);
        if (results->options.min_similarity)
            dt_json_put_bool(json, "assigned", assigned);
        dt_json_key(json, "entropy");
        dt_json_float(json, cell->entropy);
        const float relative = cell->confidence / results->tally.rank[r].max_score;
        dt_json_key(json, "batch_relative_score");
        dt_json_float(json, relative);
        dt_json_key(json, "score"); /* its former name */
        dt_json_float(json, relative);
        write_comparison(results, json, r, cell);
        dt_json_end(json);
    }
    if (results->options.neighbours)
        write_nearest(results, json, row);
    dt_json_put_int(json, "sequence_length", row->length);
    dt_json_end(json);
}

static void write_truth(const dt_results *results, dt_json *json, const dt_spool_row *row)
{
    dt_json_object(json);
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r)
        dt_json_put_string(json, results->taxonomy->rank[r].name,
                           dt_truth_label(results->options.truth, r, row->cell[r].truth));
    dt_json_end(json);
}

/* Writes level_temperatures: one number per rank; for an ensemble, such a list for each model, in
 * the order of the checkpoints. */
static void write_temperatures(const dt_results *results, dt_json *json)
{
    const dt_results_options *options = &results->options;
    dt_json_key(json, "level_temperatures");
    if (options->others > 0)
        dt_json_array(json);
    for (int32_t m = 0; m <= options->others; ++m) {
        const double *temperature = options->temperature[m];
        dt_json_array(json);
        for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r)
            dt_json_double(json, temperature ? temperature[r] : 1.0);
        dt_json_end(json);
    }
    if (options->others > 0)
        dt_json_end(json);
    if (options->lineage_temperature > 0.0 && options->lineage_temperature != 1.0)
        dt_json_put_double(json, "lineage_temperature", options->lineage_temperature);
}

/* Writes neighbours, if they vote: how, and how many sequences are in the references or far from
 * them. */
static void write_neighbours(const dt_results *results, dt_json *json)
{
    const dt_neighbour_use *use = results->options.neighbours;
    const double *least = results->options.min_similarity;
    if (!use)
        return;
    dt_json_key(json, "neighbours");
    dt_json_object(json);
    dt_json_put_int(json, "count", use->count);
    dt_json_put_double(json, "weight", use->weight);
    dt_json_put_double(json, "exponent", use->exponent);
    dt_json_put_bool(json, "leave_one_out", use->leave_one_out);
    dt_json_put_int(json, "references", use->set->sequences.count);
    dt_json_put_int(json, "reference_sequences", use->set->total);
    dt_json_put_int(json, "identical_to_a_reference", results->nearest.identical);
    dt_json_put_int(json, "without_neighbour", results->nearest.none);
    for (int pass = 0; least && pass < 2; ++pass) {
        dt_json_key(json, pass ? "unassigned" : "min_similarity");
        dt_json_object(json);
        for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r)
            if (pass)
                dt_json_put_int(json, results->taxonomy->rank[r].name,
                                results->nearest.unassigned[r]);
            else
                dt_json_put_double(json, results->taxonomy->rank[r].name, least[r]);
        dt_json_end(json);
    }
    dt_json_end(json);
}

/* Writes `key`: {rank: count, …} for the ranks whose truth is known. */
static void write_counts(const dt_results *results, dt_json *json, const char *key,
                         int64_t (*count)(const dt_rank_tally *))
{
    dt_json_key(json, key);
    dt_json_object(json);
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r)
        if (dt_tally_has_truth(&results->tally, r))
            dt_json_put_int(json, results->taxonomy->rank[r].name, count(&results->tally.rank[r]));
    dt_json_end(json);
}

static int64_t agreements(const dt_rank_tally *rank)
{
    return rank->agree;
}

static int64_t among_top(const dt_rank_tally *rank)
{
    return rank->among_top;
}

/* Writes the metrics of a rank whose truth is known, as members of the open object. */
static void put_metrics(const dt_results *results, dt_json *json, int32_t r)
{
    const dt_rank_tally *rank = &results->tally.rank[r];
    const dt_metrics metrics = dt_metric_counts_result(&rank->counts);
    const double count = (double)rank->counts.count;
    dt_json_put_double(json, "accuracy", metrics.accuracy);
    if (results->options.lineage != DT_LINEAGE_INDEPENDENT)
        dt_json_put_double(json, "independent_accuracy", (double)rank->right_independently / count);
    dt_json_put_double(json, "precision", metrics.precision);
    dt_json_put_double(json, "recall", metrics.recall);
    dt_json_put_double(json, "f1_score", metrics.f1);
    dt_json_put_double(json, "top_k_accuracy", (double)rank->among_top / count);
    dt_json_put_double(json, "auc", results->auc[r]);
    dt_json_put_double(json, "ece", dt_calibration_error(&rank->calibration));
}

static void write_performance_stats(const dt_results *results, dt_json *json)
{
    dt_json_key(json, "performance_stats");
    dt_json_object(json);
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        const dt_rank_tally *rank = &results->tally.rank[r];
        dt_json_key(json, results->taxonomy->rank[r].name);
        dt_json_object(json);
        dt_json_put_double(json, "mean_raw_score", rank->mean);
        dt_json_put_double(json, "std_raw_score", dt_tally_deviation(&results->tally, r));
        dt_json_put_int(json, "below_threshold", rank->below);
        if (results->options.lineage != DT_LINEAGE_INDEPENDENT)
            dt_json_put_int(json, "changed_labels", rank->changed);
        if (dt_tally_has_truth(&results->tally, r)) {
            dt_json_put_int(json, "correct", rank->agree);
            dt_json_put_int(json, "total", rank->counts.count);
            put_metrics(results, json, r);
        }
        dt_json_end(json);
    }
    dt_json_end(json);
}

/* Writes doubtful_sequences: the number of sequences that the model cannot judge, by reason. */
static void write_doubts(const dt_judgement *judgement, dt_json *json)
{
    dt_json_key(json, "doubtful_sequences");
    dt_json_object(json);
    for (dt_doubt d = DT_DOUBT_NONE + 1; d < DT_DOUBTS; ++d)
        dt_json_put_int(json, dt_doubt_name(d), judgement->doubtful[d]);
    dt_json_end(json);
}

/* Writes beyond_training_lengths: the numbers of far shorter and longer sequences; null if the
 * checkpoint does not have the training lengths. */
static void write_lengths(const dt_read_lengths *lengths, dt_json *json)
{
    dt_json_key(json, "beyond_training_lengths");
    if (!lengths->trained->known) {
        dt_json_null(json);
        return;
    }
    dt_json_object(json);
    dt_json_put_int(json, "shorter", lengths->shorter);
    dt_json_put_int(json, "longer", lengths->longer);
    dt_json_end(json);
}

static void write_summary(const dt_results *results, dt_json *json)
{
    const dt_results_options *options = &results->options;
    char timestamp[32];
    dt_timestamp(timestamp, sizeof timestamp);
    dt_json_key(json, "summary");
    dt_json_object(json);
    write_counts(results, json, "correct_count_per_rank", agreements);
    dt_json_put_int(json, "total_sequences", results->tally.sequences);
    dt_json_put_int(json, "left_out_sequences", results->left_out);
    write_doubts(&results->tally.judgement, json);
    write_lengths(&results->tally.lengths, json);
    write_counts(results, json, "top_k_correct_count_per_rank", among_top);
    write_performance_stats(results, json);
    dt_json_put_double(json, "prediction_time_seconds", results->prediction_time);
    dt_json_put_double(json, "post_process_time_seconds", post_process_time(results));
    dt_json_put_string(json, "completed_at", timestamp);
    dt_json_put_string(json, "run_uuid", results->run_id);
    dt_json_key(json, "prediction_parameters");
    dt_json_object(json);
    dt_json_put_int(json, "top_k", options->top_k);
    dt_json_put_double(json, "confidence_threshold", options->threshold);
    dt_json_put_int(json, "min_length", options->min_length);
    write_temperatures(results, json);
    dt_json_end(json);
    write_neighbours(results, json);
    dt_json_put_string(json, "lineage", dt_lineage_choice_name(options->lineage));
    if (options->lineage != DT_LINEAGE_INDEPENDENT)
        dt_json_put_int(json, "changed_lineages", results->tally.changed);
    dt_json_end(json);
}

dt_status dt_results_write_json(dt_results *results)
{
    dt_json json;
    dt_json_begin(&json, &results->json, 1, 2);
    dt_json_object(&json);
    DT_TRY(write_array(results, &json, "sequence_ids", write_id));
    DT_TRY(write_array(results, &json, "predictions", write_prediction));
    write_summary(results, &json);
    if (results->options.truth)
        DT_TRY(write_array(results, &json, "true_labels", write_truth));
    dt_json_end(&json);
    return dt_output_flush(&results->json);
}

/* ---- metrics ----------------------------------------------------------------------------------
 */

static void write_dataset(const dt_results *results, dt_json *json)
{
    dt_json_key(json, "dataset_info");
    dt_json_object(json);
    dt_json_put_int(json, "total_sequences", results->tally.sequences);
    dt_json_put_string(json, "fasta_file", results->options.fasta_file);
    dt_json_put_string(json, "taxonomy_file", results->options.taxonomy_file);
    dt_json_end(json);
}

static void write_parameters(const dt_results *results, dt_json *json)
{
    const dt_results_options *options = &results->options;
    dt_json_key(json, "prediction_parameters");
    dt_json_object(json);
    dt_json_put_int(json, "batch_size", options->batch_size);
    dt_json_put_int(json, "top_k", options->top_k);
    dt_json_put_double(json, "confidence_threshold", options->threshold);
    dt_json_put_int(json, "min_length", options->min_length);
    dt_json_put_string(json, "lineage", dt_lineage_choice_name(options->lineage));
    dt_json_put_string(json, "orientation", options->oriented ? "auto" : "forward");
    dt_json_put_int(json, "turned_sequences", results->tally.reoriented);
    dt_json_put_int(json, "left_out_sequences", results->left_out);
    dt_json_key(json, "checkpoints");
    dt_json_array(json);
    dt_json_string(json, options->checkpoint_path);
    for (int32_t v = 0; v < options->others; ++v)
        dt_json_string(json, options->other_path[v]);
    dt_json_end(json);
    write_temperatures(results, json);
    write_neighbours(results, json);
    dt_json_end(json);
}

static void write_metrics(const dt_results *results, dt_json *json)
{
    dt_json_key(json, "performance_metrics");
    dt_json_object(json);
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        char level[16];
        snprintf(level, sizeof level, "%d", r);
        dt_json_key(json, level);
        if (!dt_tally_has_truth(&results->tally, r)) {
            dt_json_null(json);
            continue;
        }
        dt_json_object(json);
        put_metrics(results, json, r);
        dt_json_end(json);
    }
    dt_json_end(json);
}

static void write_system(const dt_results *results, dt_json *json)
{
    const dt_results_options *options = &results->options;
    const double seconds = results->prediction_time;
    dt_json_key(json, "timing");
    dt_json_object(json);
    dt_json_put_double(json, "prediction_time_seconds", seconds);
    dt_json_put_double(json, "post_process_time_seconds", post_process_time(results));
    dt_json_end(json);
    dt_run_json_system(json, options->gpu, options->device, options->precision);
    if (options->invocation)
        dt_json_put_string(json, "host", options->invocation->host);
    dt_json_put_double(json, "sequences_per_second",
                       seconds > 0.0 ? (double)results->tally.sequences / seconds : 0.0);
    dt_json_end(json);
}

dt_status dt_results_write_metrics(const dt_results *results, dt_output *out)
{
    dt_json json;
    char timestamp[32];
    dt_timestamp(timestamp, sizeof timestamp);
    dt_json_begin(&json, out, 2, 4);
    dt_json_object(&json);
    dt_json_put_string(&json, "version", results->options.version);
    dt_json_put_string(&json, "run_uuid", results->run_id);
    dt_json_put_string(&json, "training_run_uuid", results->options.checkpoint->settings.run_uuid);
    dt_json_put_string(&json, "checkpoint_path", results->options.checkpoint_path);
    dt_json_put_string(&json, "timestamp", timestamp);
    dt_run_json(&json, results->options.checkpoint, DT_RUN_JSON_PREDICTION);
    write_dataset(results, &json);
    write_parameters(results, &json);
    write_metrics(results, &json);
    write_system(results, &json);
    if (results->options.invocation)
        dt_run_json_invocation(&json, results->options.invocation);
    dt_json_end(&json);
    return dt_output_flush(out);
}
