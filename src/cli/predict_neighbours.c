#include "cli/predict_neighbours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/pool.h"
#include "io/output.h"
#include "neighbours/use.h"
#include "run/references_file.h"

/* ---- opening --------------------------------------------------------------------------------- */

/* Returns whether the flag was given, and adds it to those that were. */
static bool is_given(dt_predict_neighbours *n, const dt_predict_options *o, const char *flag)
{
    const size_t used = strlen(n->given);
    if (!dt_option_given(&o->parsed, flag))
        return false;
    snprintf(n->given + used, sizeof n->given - used, "%s--%s", used ? ", " : "", flag);
    return true;
}

static void choose_vote(dt_predict_neighbours *n, const dt_predict_options *o, const dt_run *run)
{
    const dt_run_neighbours *fit = &run->neighbours;
    const int32_t asked = dt_predict_asked_neighbours(o);
    n->given[0] = '\0';
    const bool count = asked > 0 && is_given(n, o, "neighbours");
    const bool weight = is_given(n, o, "neighbour-weight");
    const bool exponent = is_given(n, o, "neighbour-exponent");
    const bool temperatures = is_given(n, o, "level-temperatures");
    n->fitted = fit->count > 0 && !(count && weight && exponent);
    n->temperature = fit->count > 0 && !temperatures ? fit->temperature : 1.0;
    n->use = (dt_neighbour_use){
        .set = &n->set,
        .count = count        ? asked
                 : fit->count ? fit->count
                              : DT_NEIGHBOURS,
        .weight = weight       ? o->neighbour_weight
                  : fit->count ? fit->weight
                               : DT_NEIGHBOUR_WEIGHT,
        .exponent = exponent     ? o->neighbour_exponent
                    : fit->count ? fit->exponent
                                 : DT_NEIGHBOUR_EXPONENT,
        .leave_one_out = o->leave_one_out,
    };
}

/* Reads one number for all ranks, or one for each. */
static dt_status read_similarities(const char *text, int32_t ranks, double *out)
{
    int32_t count = 0;
    const char *at = text;
    for (;;) {
        char *end;
        const double number = strtod(at, &end);
        const bool more = *end == ',';
        if (end == at || !(number >= 0.0 && number <= 1.0) || (!more && *end) || count == ranks)
            break;
        out[count++] = number;
        at = end + more;
        if (more)
            continue;
        for (int32_t r = 1; count == 1 && r < ranks; ++r)
            out[r] = number;
        if (count == 1 || count == ranks)
            return DT_OK;
        break;
    }
    return dt_fail(DT_ERR_USAGE,
                   "--min-similarity %s: give auto, off, a number from 0 to 1, or %d of them "
                   "separated by commas, one for each rank",
                   text, ranks);
}

static dt_status choose_limits(dt_predict_neighbours *n, const dt_predict_options *o,
                               const dt_loaded_model *model)
{
    const dt_run_neighbours *fit = &model->checkpoint.neighbours;
    const int32_t ranks = model->checkpoint.taxonomy.tax_ranks;
    n->limits = strcmp(o->min_similarity, "off") != 0;
    if (!n->limits)
        return DT_OK;
    if (strcmp(o->min_similarity, "auto") != 0)
        return read_similarities(o->min_similarity, ranks, n->min_similarity);
    if (!fit->similarities)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: has no similarities for --min-similarity auto: let deeptaxa calibrate find them "
            "with held-out sequences and predict with the file that it writes, or give numbers",
            model->path);
    memcpy(n->min_similarity, fit->similarity, sizeof n->min_similarity);
    return DT_OK;
}

dt_status dt_open_neighbours(dt_predict_neighbours *n, const dt_predict_options *o,
                             const dt_loaded_model *model, int threads)
{
    dt_pool *pool;
    if (dt_predict_asked_neighbours(o) == 0)
        return DT_OK;
    choose_vote(n, o, &model->checkpoint);
    DT_TRY(choose_limits(n, o, model));
    DT_TRY(dt_references_read(model->path, &model->checkpoint, &n->set));
    DT_TRY(dt_pool_create(&pool, threads));
    const dt_status status = dt_neighbour_index_create(&n->index, &n->set.sequences, pool);
    dt_pool_destroy(pool);
    n->use.index = n->index;
    return status;
}

void dt_close_neighbours(dt_predict_neighbours *n)
{
    dt_neighbour_index_destroy(n->index);
    dt_reference_set_free(&n->set);
    *n = (dt_predict_neighbours){0};
}

/* ---- messages -------------------------------------------------------------------------------- */

void dt_show_neighbours(const dt_predict_neighbours *n)
{
    char text[2][DT_NUMBER_SIZE];
    if (n->use.count == 0)
        return;
    dt_info(
        "Neighbours: the %d nearest of %s references (%s different), weight %g, exponent %g%s%s",
        n->use.count, dt_with_commas(n->set.total, text[0]),
        dt_with_commas(n->set.sequences.count, text[1]), n->use.weight, n->use.exponent,
        !n->fitted    ? ""
        : n->given[0] ? ", calibrated but for "
                      : ", calibrated",
        n->fitted ? n->given : "");
}

static void report_identical(const dt_results *results, const char *file)
{
    const long long identical = (long long)results->nearest.identical;
    const long long all = (long long)results->tally.sequences;
    if (identical == 0)
        return;
    if (results->options.truth && !results->options.neighbours->leave_one_out)
        dt_warn("%s: %lld of %lld sequences are identical to a reference: their accuracy says "
                "little of other sequences (--leave-one-out, for sequences of the training file)",
                file, identical, all);
    else
        dt_notice("%s: %lld of %lld sequences are identical to a reference", file, identical, all);
}

static void report_unassigned(const dt_results *results)
{
    char line[1024];
    int used = 0;
    line[0] = '\0';
    for (int32_t r = 0; r < results->taxonomy->tax_ranks && used < (int)sizeof line; ++r)
        if (results->nearest.unassigned[r])
            used += snprintf(line + used, sizeof line - (size_t)used, "%s%s %lld", used ? ", " : "",
                             results->taxonomy->rank[r].name,
                             (long long)results->nearest.unassigned[r]);
    dt_info("Left unassigned of %lld sequences, too unlike all references: %s",
            (long long)results->tally.sequences, used ? line : "none");
}

void dt_report_nearest(const dt_predict_neighbours *n, const dt_results *results, const char *file)
{
    if (n->use.count == 0)
        return;
    report_identical(results, file);
    if (n->limits)
        report_unassigned(results);
}
