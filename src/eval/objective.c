#include "eval/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/loss_formulas.h"
#include "core/memory.h"
#include "data/survey.h"

/* ---- class weights -------------------------------------------------------------------------- */

/* Parses one list, up to ';' or the end, into weight[0 … classes-1]; *end is set to its end. */
static dt_status parse_list(double *weight, const char *text, int32_t classes, const char *rank,
                            const char **end)
{
    int32_t count = 0;
    while (*text != ';' && *text != '\0') {
        char *after;
        const double number = strtod(text, &after);
        const bool read = after != text;
        after += strspn(after, " \t");
        if (!read || !isfinite(number) || number < 0.0 || !strchr(",;", *after))
            return dt_fail(DT_ERR_USAGE,
                           "--focal-weight: invalid weight '%.*s' at %s: must be a number >= 0",
                           (int)strcspn(text, ",;"), text, rank);
        if (count < classes)
            weight[count] = number;
        count++;
        text = *after == ',' ? after + 1 : after;
    }
    if (count != classes)
        return dt_fail(DT_ERR_USAGE, "--focal-weight: %d weights for the %d labels of %s", count,
                       classes, rank);
    *end = text;
    return DT_OK;
}

/* Checks that a single list can be used for all tax_ranks. */
static dt_status check_single_list(const dt_taxonomy *taxonomy)
{
    for (int32_t r = 1; r < taxonomy->tax_ranks; ++r)
        if (taxonomy->rank[r].classes != taxonomy->rank[0].classes)
            return dt_fail(DT_ERR_USAGE,
                           "--focal-weight: a single list, but %s has %d labels and %s has %d: "
                           "give one list per taxonomic rank (%d), separated by ';'",
                           taxonomy->rank[0].name, taxonomy->rank[0].classes,
                           taxonomy->rank[r].name, taxonomy->rank[r].classes, taxonomy->tax_ranks);
    return DT_OK;
}

dt_status dt_focal_weight_parse(double *weight, const char *text, const dt_taxonomy *taxonomy)
{
    const bool single = strchr(text, ';') == NULL;
    const char *at = text;
    if (single)
        DT_TRY(check_single_list(taxonomy));
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        DT_TRY(parse_list(weight, single ? text : at, taxonomy->rank[r].classes,
                          taxonomy->rank[r].name, &at));
        weight += taxonomy->rank[r].classes;
        const bool last = r == taxonomy->tax_ranks - 1;
        if (!single && (*at == ';') == last)
            return dt_fail(DT_ERR_USAGE, "--focal-weight: %s lists than taxonomic ranks (%d)",
                           last ? "more" : "fewer", taxonomy->tax_ranks);
        at += *at == ';';
    }
    return DT_OK;
}

/* Sets count[c] to the training sequences of class c at tax_rank r. */
static void count_labels(double *count, const dt_run *run, const dt_dataset *dataset, int32_t r)
{
    for (int64_t i = 0; i < run->split.training_count; ++i) {
        const int32_t label = dt_dataset_labels(dataset, run->split.training[i])[r];
        if (label >= 0)
            count[label] += 1.0;
    }
}

/* Sets the weight of each class to N / (C · n) or its square root. */
static void weigh_by_frequency(const dt_objective *objective, const dt_run *run,
                               const dt_dataset *dataset)
{
    const dt_class_layout *layout = &objective->classes;
    for (int32_t r = 0; r < layout->tax_ranks; ++r) {
        double *weight = objective->class_weight + layout->first[r];
        const int32_t classes = layout->first[r + 1] - layout->first[r];
        double known = 0.0;
        if (!dataset->survey)
            count_labels(weight, run, dataset, r);
        for (int32_t c = 0; c < classes; ++c) {
            if (dataset->survey)
                weight[c] = (double)dataset->survey->label_counts[layout->first[r] + c];
            known += weight[c];
        }
        for (int32_t c = 0; c < classes; ++c) {
            if (weight[c] == 0.0)
                continue;
            weight[c] = known / ((double)classes * weight[c]);
            if (run->settings.class_weights == DT_CLASS_WEIGHTS_SQRT_INVERSE)
                weight[c] = sqrt(weight[c]);
        }
    }
}

dt_status dt_objective_create(dt_objective *out, const dt_run *run, const dt_dataset *dataset)
{
    const dt_run_settings *settings = &run->settings;
    const char *given = settings->focal_weight;
    *out = (dt_objective){.type = settings->loss_type,
                          .gamma = settings->focal_gamma,
                          .focal_sum = settings->focal_sum,
                          .batch_size = settings->batch_size,
                          .classes.tax_ranks = run->config.tax_ranks};
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        out->classes.first[r + 1] = out->classes.first[r] + run->config.classes[r];
        out->level_weight[r] = dt_level_weight(settings, r);
    }
    if (!given && settings->class_weights == DT_CLASS_WEIGHTS_NONE)
        return DT_OK;
    DT_TRY(DT_NEW(out->class_weight, (size_t)out->classes.first[run->config.tax_ranks]));
    if (!given) {
        weigh_by_frequency(out, run, dataset);
        return DT_OK;
    }
    const dt_status status = dt_focal_weight_parse(out->class_weight, given, &run->taxonomy);
    if (status != DT_OK)
        dt_objective_free(out);
    return status;
}

void dt_objective_free(dt_objective *objective)
{
    free(objective->class_weight);
    *objective = (dt_objective){0};
}

/* ---- loss of a set of sequences ------------------------------------------------------------- */

static double weight_of(const dt_objective *objective, int32_t tax_rank, int32_t label)
{
    if (label < 0)
        return 0.0;
    return objective->class_weight
               ? objective->class_weight[objective->classes.first[tax_rank] + label]
               : 1.0;
}

typedef enum { MEAN, WEIGHTED_MEAN, SUM } reduction;

/* Returns the reduction over a batch; a weighted mean divides by the sum of the class weights. */
static reduction reduction_of(const dt_objective *objective)
{
    switch (objective->type) {
    case DT_LOSS_CROSS_ENTROPY:
    case DT_LOSS_LINEAGE:
        return objective->class_weight ? WEIGHTED_MEAN : MEAN;
    case DT_LOSS_FOCAL:
        return objective->focal_sum ? SUM : MEAN;
    }
    return MEAN;
}

/* Returns the factor that turns the sum of the losses of `count` sequences with these class weights
 * in all into the defined reduction. */
static double mean_factor(const dt_objective *objective, int64_t count, double weights)
{
    switch (reduction_of(objective)) {
    case SUM:
        return 1.0;
    case MEAN:
        return 1.0 / (double)count;
    case WEIGHTED_MEAN:
        break;
    }
    return weights > 0.0 ? 1.0 / weights : 0.0;
}

void dt_objective_scale(double *scale, const dt_objective *objective, const dt_dataset *dataset,
                        const int64_t *sequences, int64_t count, int32_t batches)
{
    for (int32_t r = 0; r < objective->classes.tax_ranks; ++r) {
        double weights = 0.0;
        for (int64_t i = 0; i < count && objective->class_weight; ++i)
            weights += weight_of(objective, r, dt_dataset_labels(dataset, sequences[i])[r]);
        scale[r] =
            objective->level_weight[r] * mean_factor(objective, count, weights) / (double)batches;
    }
}

void dt_set_loss_add(dt_set_loss *set, const dt_objective *objective, int32_t tax_rank,
                     int32_t label, float cross_entropy)
{
    double slope;
    const double weight = weight_of(objective, tax_rank, label);
    set->count++;
    set->weights += weight;
    if (label >= 0)
        set->loss += dt_loss_value(objective->type, weight * (double)cross_entropy,
                                   objective->gamma, &slope);
}

double dt_set_loss_result(const dt_set_loss *set, const dt_objective *objective, int32_t tax_rank)
{
    const double factor = reduction_of(objective) == SUM
                              ? (double)objective->batch_size / (double)set->count
                              : mean_factor(objective, set->count, set->weights);
    return objective->level_weight[tax_rank] * factor * set->loss;
}

bool dt_set_loss_weighs(const dt_set_loss *set, const dt_objective *objective)
{
    const dt_class_layout *layout = &objective->classes;
    bool learns = false;
    for (int32_t r = 0; r < layout->tax_ranks; ++r) {
        if (layout->first[r + 1] - layout->first[r] < 2 || objective->level_weight[r] == 0.0)
            continue;
        learns = true;
        if (set[r].weights > 0.0)
            return true;
    }
    return !learns;
}
