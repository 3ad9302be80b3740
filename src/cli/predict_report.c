#include "cli/predict_report.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "core/log.h"

/* Columns of the table of metrics after the name of the rank; NaN: unknown. */
enum { COLUMNS = 9 };

static void fill_row(const dt_results *results, int32_t r, double row[COLUMNS])
{
    const dt_tally *tally = &results->tally;
    const dt_rank_tally *rank = &tally->rank[r];
    row[0] = rank->mean;
    row[1] = dt_tally_deviation(tally, r);
    for (int c = 2; c < COLUMNS; ++c)
        row[c] = (double)NAN;
    if (!dt_tally_has_truth(tally, r))
        return;
    const dt_metrics m = dt_metric_counts_result(&rank->counts);
    row[2] = m.accuracy;
    row[3] = (double)rank->among_top / (double)rank->counts.count;
    row[4] = m.f1;
    row[5] = m.precision;
    row[6] = m.recall;
    row[7] = results->auc[r];
    row[8] = dt_calibration_error(&rank->calibration);
}

static void show_metrics(const dt_results *results)
{
    char top[32];
    snprintf(top, sizeof top, "Top-%lld Acc", (long long)results->options.top_k);
    dt_info("%-12s %10s %10s %10s %10s %10s %10s %10s %10s %10s", "Rank", "Mean Score", "Std Score",
            "Accuracy", top, "F1", "Precision", "Recall", "AUC", "ECE");
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        double row[COLUMNS];
        char line[160];
        fill_row(results, r, row);
        int used = snprintf(line, sizeof line, "%-12s", results->taxonomy->rank[r].name);
        for (int c = 0; c < COLUMNS && used < (int)sizeof line; ++c)
            used += isnan(row[c])
                        ? snprintf(line + used, sizeof line - (size_t)used, " %10s", "N/A")
                        : snprintf(line + used, sizeof line - (size_t)used, " %10.4f", row[c]);
        dt_info("%s", line);
    }
}

/* How far lineages of the training set are from what each rank by itself would say. */
static void show_lineages(const dt_results *results)
{
    const dt_tally *tally = &results->tally;
    if (results->options.lineage == DT_LINEAGE_INDEPENDENT)
        return;
    dt_info("Lineages: %lld of %lld sequences differ from independent predictions of the ranks",
            (long long)tally->changed, (long long)tally->sequences);
    dt_info("%-12s %10s %12s %12s", "Rank", "Changed", "Accuracy", "independent");
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        const dt_rank_tally *rank = &tally->rank[r];
        const char *name = results->taxonomy->rank[r].name;
        const double count = (double)rank->counts.count;
        if (dt_tally_has_truth(tally, r))
            dt_info("%-12s %10lld %12.4f %12.4f", name, (long long)rank->changed,
                    (double)rank->counts.right / count, (double)rank->right_independently / count);
        else
            dt_info("%-12s %10lld %12s %12s", name, (long long)rank->changed, "-", "-");
    }
}

static dt_status show_file(const dt_results_options *options, const char *suffix)
{
    char path[PATH_MAX];
    DT_TRY(dt_results_path(options, suffix, path));
    dt_info("Results: %s", path);
    return DT_OK;
}

static dt_status show_files(const dt_results_options *options)
{
    DT_TRY(show_file(options, "json"));
    if (options->tabular)
        DT_TRY(show_file(options, "tsv"));
    for (int f = 0; f < DT_FORMATS; ++f)
        if (options->format[f] && dt_formats[f].suffix)
            DT_TRY(show_file(options, dt_formats[f].suffix));
    return DT_OK;
}

dt_status dt_show_predictions(const dt_results *results)
{
    show_metrics(results);
    show_lineages(results);
    return show_files(&results->options);
}
