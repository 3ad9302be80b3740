#include "run/checkpoint_arrays.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "run/references_file.h"
#include "sequence/primer_array.h"
#include "sequence/strand_array.h"

/* Names of optional texts. */
#define FOCAL_WEIGHT "settings/focal_weight"
#define CHOICES "device/product_choices"
#define UNKNOWN "settings/unknown"
#define NEIGHBOURS "calibration/neighbours"
#define SIMILARITIES "calibration/similarities"
#define LINEAGE_TEMPERATURE "lineage_temperature" /* of the group calibration */

static dt_status put_taxonomy(dt_container *file, const dt_taxonomy *taxonomy)
{
    const char *names[DT_MAX_TAX_RANKS];
    char path[64];
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        names[r] = taxonomy->rank[r].name;
    DT_TRY(dt_container_put_texts(file, "taxonomy/ranks", taxonomy->tax_ranks, names));
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        snprintf(path, sizeof path, "taxonomy/labels/%d", r);
        DT_TRY(dt_container_put_texts(file, path, taxonomy->rank[r].classes,
                                      (const char *const *)taxonomy->rank[r].label));
    }
    return DT_OK;
}

static dt_status get_taxonomy(dt_container *file, dt_run *checkpoint)
{
    char **names;
    char **labels;
    int64_t ranks;
    int64_t classes;
    char path[64];
    DT_TRY(dt_container_get_texts(file, "taxonomy/ranks", &names, &ranks));
    dt_status status = DT_OK;
    for (int32_t r = 0; r < ranks; ++r) {
        snprintf(path, sizeof path, "taxonomy/labels/%d", r);
        DT_TRY_OR(done, dt_container_get_texts(file, path, &labels, &classes));
        status = dt_taxonomy_add_rank(&checkpoint->taxonomy, names[r], (int32_t)classes,
                                      (const char *const *)labels);
        free(labels);
        if (status != DT_OK)
            goto done;
        checkpoint->config.classes[r] = (int32_t)classes;
    }
    checkpoint->config.tax_ranks = (int32_t)ranks;
done:
    free(names);
    return status;
}

static dt_status put_lineages(dt_container *file, const dt_lineage_tree *tree)
{
    const int64_t bounds = tree->tax_ranks + 1;
    const int64_t nodes = dt_lineage_tree_nodes(tree);
    if (tree->tax_ranks == 0)
        return DT_OK;
    DT_TRY(
        dt_container_put_array(file, "lineages/first", DT_ELEMENT_INT32, 1, &bounds, tree->first));
    DT_TRY(
        dt_container_put_array(file, "lineages/parent", DT_ELEMENT_INT32, 1, &nodes, tree->parent));
    return dt_container_put_array(file, "lineages/label", DT_ELEMENT_INT32, 1, &nodes, tree->label);
}

/* Older files have none. */
static dt_status get_lineages(dt_container *file, const char *path, dt_run *checkpoint)
{
    dt_lineage_tree *tree = &checkpoint->lineages;
    const int64_t bounds = checkpoint->config.tax_ranks + 1;
    int64_t parents;
    int64_t labels;
    bool exists;
    DT_TRY(dt_container_has(file, "lineages/first", &exists));
    if (!exists)
        return DT_OK;
    DT_TRY(
        dt_container_get_array(file, "lineages/first", DT_ELEMENT_INT32, 1, &bounds, tree->first));
    DT_TRY(dt_container_load_vector(file, "lineages/parent", DT_ELEMENT_INT32,
                                    (void **)&tree->parent, &parents));
    DT_TRY(dt_container_load_vector(file, "lineages/label", DT_ELEMENT_INT32, (void **)&tree->label,
                                    &labels));
    tree->tax_ranks = checkpoint->config.tax_ranks;
    if (parents != dt_lineage_tree_nodes(tree) || labels != parents ||
        !dt_lineage_tree_fits(tree, &checkpoint->taxonomy))
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid lineages", path);
    return DT_OK;
}

static dt_status put_lengths(dt_container *file, const dt_length_quantiles *lengths)
{
    static const int64_t count = DT_LENGTH_QUANTILES;
    if (!lengths->known)
        return DT_OK;
    DT_TRY(dt_container_put_array(file, "training_lengths/percent", DT_ELEMENT_INT32, 1, &count,
                                  dt_length_percent));
    return dt_container_put_array(file, "training_lengths/bases", DT_ELEMENT_INT64, 1, &count,
                                  lengths->bases);
}

/* Older files have none. */
static dt_status get_lengths(dt_container *file, const char *path, dt_length_quantiles *lengths)
{
    static const int64_t count = DT_LENGTH_QUANTILES;
    int32_t percent[DT_LENGTH_QUANTILES];
    DT_TRY(dt_container_has(file, "training_lengths", &lengths->known));
    if (!lengths->known)
        return DT_OK;
    DT_TRY(dt_container_get_array(file, "training_lengths/percent", DT_ELEMENT_INT32, 1, &count,
                                  percent));
    DT_TRY(dt_container_get_array(file, "training_lengths/bases", DT_ELEMENT_INT64, 1, &count,
                                  lengths->bases));
    bool ok = memcmp(percent, dt_length_percent, sizeof percent) == 0 && lengths->bases[0] >= 0;
    for (int q = 1; q < DT_LENGTH_QUANTILES; ++q)
        ok = ok && lengths->bases[q - 1] <= lengths->bases[q];
    return ok ? DT_OK : dt_fail(DT_ERR_INPUT, "%s: damaged: invalid length quantiles", path);
}

static dt_status put_sequences(dt_container *file, const dt_fingerprints *sequences)
{
    const int64_t count = sequences->count;
    if (count == 0)
        return DT_OK;
    DT_TRY(dt_container_put_array(file, "sequences/id_hashes", DT_ELEMENT_INT64, 1, &count,
                                  sequences->ids));
    DT_TRY(dt_container_put_array(file, "sequences/label_hashes", DT_ELEMENT_INT32, 1, &count,
                                  sequences->labels));
    if (!sequences->tokens)
        return DT_OK;
    return dt_container_put_array(file, "sequences/token_hashes", DT_ELEMENT_INT32, 1, &count,
                                  sequences->tokens);
}

/* Older files have none. */
static dt_status get_sequences(dt_container *file, const char *path, int64_t total,
                               dt_fingerprints *sequences)
{
    bool exists;
    int64_t labels;
    int64_t tokens = total;
    DT_TRY(dt_container_has(file, "sequences", &exists));
    if (!exists)
        return DT_OK;
    DT_TRY(dt_container_load_vector(file, "sequences/id_hashes", DT_ELEMENT_INT64,
                                    (void **)&sequences->ids, &sequences->count));
    DT_TRY(dt_container_load_vector(file, "sequences/label_hashes", DT_ELEMENT_INT32,
                                    (void **)&sequences->labels, &labels));
    DT_TRY(dt_container_has(file, "sequences/token_hashes", &exists));
    if (exists)
        DT_TRY(dt_container_load_vector(file, "sequences/token_hashes", DT_ELEMENT_INT32,
                                        (void **)&sequences->tokens, &tokens));
    if (sequences->count != total || labels != total || tokens != total)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid hashes of its %lld sequences", path,
                       (long long)total);
    return DT_OK;
}

static dt_status put_temperatures(dt_container *file, const dt_run *checkpoint)
{
    const int64_t count = checkpoint->temperatures;
    if (count == 0)
        return DT_OK;
    return dt_container_put_array(file, "calibration/temperatures", DT_ELEMENT_FLOAT64, 1, &count,
                                  checkpoint->temperature);
}

static dt_status get_temperatures(dt_container *file, const char *path, dt_run *checkpoint)
{
    const int64_t count = checkpoint->config.tax_ranks;
    bool exists;
    DT_TRY(dt_container_has(file, "calibration/temperatures", &exists));
    if (!exists)
        return DT_OK;
    DT_TRY(dt_container_get_array(file, "calibration/temperatures", DT_ELEMENT_FLOAT64, 1, &count,
                                  checkpoint->temperature));
    checkpoint->temperatures = checkpoint->config.tax_ranks;
    for (int32_t r = 0; r < checkpoint->temperatures; ++r)
        if (!(checkpoint->temperature[r] > 0.0 && checkpoint->temperature[r] < HUGE_VAL))
            return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid temperature %g", path,
                           checkpoint->temperature[r]);
    return DT_OK;
}

static dt_status put_neighbours(dt_container *file, const dt_run *run)
{
    const dt_run_neighbours *neighbours = &run->neighbours;
    const int64_t count = neighbours->similarities;
    if (run->lineage_temperature > 0.0)
        DT_TRY(dt_container_put_attribute_double(file, "calibration", LINEAGE_TEMPERATURE,
                                                 run->lineage_temperature));
    if (count > 0)
        DT_TRY(dt_container_put_array(file, SIMILARITIES, DT_ELEMENT_FLOAT64, 1, &count,
                                      neighbours->similarity));
    if (neighbours->count == 0)
        return DT_OK;
    DT_TRY(dt_container_put_attribute_int(file, NEIGHBOURS, "count", neighbours->count));
    DT_TRY(dt_container_put_attribute_double(file, NEIGHBOURS, "weight", neighbours->weight));
    DT_TRY(dt_container_put_attribute_double(file, NEIGHBOURS, "exponent", neighbours->exponent));
    return dt_container_put_attribute_double(file, NEIGHBOURS, "temperature",
                                             neighbours->temperature);
}

static dt_status get_neighbours(dt_container *file, dt_run *run)
{
    dt_run_neighbours *neighbours = &run->neighbours;
    const int64_t ranks = run->config.tax_ranks;
    int64_t count;
    bool exists;
    DT_TRY(dt_container_has(file, "calibration", &exists));
    if (exists)
        DT_TRY(dt_container_has_attribute(file, "calibration", LINEAGE_TEMPERATURE, &exists));
    if (exists)
        DT_TRY(dt_container_get_attribute_double(file, "calibration", LINEAGE_TEMPERATURE,
                                                 &run->lineage_temperature));
    DT_TRY(dt_container_has(file, SIMILARITIES, &exists));
    if (exists) {
        DT_TRY(dt_container_get_array(file, SIMILARITIES, DT_ELEMENT_FLOAT64, 1, &ranks,
                                      neighbours->similarity));
        neighbours->similarities = run->config.tax_ranks;
    }
    DT_TRY(dt_container_has(file, NEIGHBOURS, &exists));
    if (!exists)
        return DT_OK;
    DT_TRY(dt_container_get_attribute_int(file, NEIGHBOURS, "count", &count));
    neighbours->count = count < 0 || count > INT32_MAX ? INT32_MAX : (int32_t)count;
    DT_TRY(dt_container_get_attribute_double(file, NEIGHBOURS, "weight", &neighbours->weight));
    DT_TRY(dt_container_get_attribute_double(file, NEIGHBOURS, "exponent", &neighbours->exponent));
    return dt_container_get_attribute_double(file, NEIGHBOURS, "temperature",
                                             &neighbours->temperature);
}

/* The arrays "evaluation/<name>" (tax_ranks) and their members of dt_metrics, all doubles. */
static const struct {
    const char *name;
    size_t offset;
} metric_arrays[] = {
    {"evaluation/accuracy", offsetof(dt_metrics, accuracy)},
    {"evaluation/precision", offsetof(dt_metrics, precision)},
    {"evaluation/recall", offsetof(dt_metrics, recall)},
    {"evaluation/f1_score", offsetof(dt_metrics, f1)},
};
#define METRIC_ARRAYS (sizeof metric_arrays / sizeof *metric_arrays)

static dt_status put_metrics(dt_container *file, const dt_run *checkpoint)
{
    const dt_run_progress *progress = &checkpoint->progress;
    const int64_t count = checkpoint->config.tax_ranks;
    double column[DT_MAX_TAX_RANKS];
    if (progress->evaluated_epoch == 0)
        return DT_OK;
    DT_TRY(dt_container_put_attribute_int(file, "evaluation", "epoch", progress->evaluated_epoch));
    for (size_t m = 0; m < METRIC_ARRAYS; ++m) {
        for (int64_t r = 0; r < count; ++r)
            memcpy(&column[r], (const char *)&progress->metrics[r] + metric_arrays[m].offset,
                   sizeof *column);
        DT_TRY(dt_container_put_array(file, metric_arrays[m].name, DT_ELEMENT_FLOAT64, 1, &count,
                                      column));
    }
    return DT_OK;
}

/* Older files have none. */
static dt_status get_metrics(dt_container *file, dt_run *checkpoint)
{
    dt_run_progress *progress = &checkpoint->progress;
    const int64_t count = checkpoint->config.tax_ranks;
    double column[DT_MAX_TAX_RANKS];
    int64_t epoch;
    bool exists;
    DT_TRY(dt_container_has(file, "evaluation", &exists));
    if (!exists)
        return DT_OK;
    DT_TRY(dt_container_get_attribute_int(file, "evaluation", "epoch", &epoch));
    for (size_t m = 0; m < METRIC_ARRAYS; ++m) {
        DT_TRY(dt_container_get_array(file, metric_arrays[m].name, DT_ELEMENT_FLOAT64, 1, &count,
                                      column));
        for (int64_t r = 0; r < count; ++r)
            memcpy((char *)&progress->metrics[r] + metric_arrays[m].offset, &column[r],
                   sizeof *column);
    }
    progress->evaluated_epoch = (int32_t)epoch;
    return DT_OK;
}

static dt_status put_loss_sums(dt_container *file, const dt_run *checkpoint)
{
    const int64_t shape[] = {checkpoint->loss_sums.world_size, checkpoint->config.tax_ranks};
    if (shape[0] == 0)
        return DT_OK;
    return dt_container_put_array(file, "progress/loss_sums", DT_ELEMENT_FLOAT64, 2, shape,
                                  checkpoint->loss_sums.sum);
}

static dt_status get_loss_sums(dt_container *file, const char *path, dt_run *checkpoint)
{
    dt_loss_sums *sums = &checkpoint->loss_sums;
    dt_array_info info;
    if (sums->world_size == 0)
        return DT_OK;
    DT_TRY(dt_container_info(file, "progress/loss_sums", &info));
    if (info.dimensions != 2 || info.shape[0] != sums->world_size ||
        info.shape[1] != checkpoint->config.tax_ranks)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid loss sums of its %d ranks", path,
                       sums->world_size);
    DT_TRY(DT_NEW(sums->sum, (size_t)(info.shape[0] * info.shape[1])));
    return dt_container_get_array(file, "progress/loss_sums", DT_ELEMENT_FLOAT64, 2, info.shape,
                                  sums->sum);
}

/* Reads an optional text. */
static dt_status get_optional_text(dt_container *file, const char *name, char **text)
{
    bool exists;
    DT_TRY(dt_container_has(file, name, &exists));
    return exists ? dt_container_get_text(file, name, text) : DT_OK;
}

dt_status dt_checkpoint_put_arrays(dt_container *file, const dt_run *checkpoint)
{
    const dt_model_config *config = &checkpoint->config;
    if (checkpoint->unknown)
        DT_TRY(dt_container_put_text(file, UNKNOWN, checkpoint->unknown));
    if (checkpoint->settings.focal_weight)
        DT_TRY(dt_container_put_text(file, FOCAL_WEIGHT, checkpoint->settings.focal_weight));
    if (config->encoding != DT_ENCODING_ONEHOT)
        DT_TRY(dt_container_put_text(file, "tokenizer/json", checkpoint->tokenizer_json));
    DT_TRY(put_taxonomy(file, &checkpoint->taxonomy));
    DT_TRY(put_temperatures(file, checkpoint));
    DT_TRY(put_neighbours(file, checkpoint));
    DT_TRY(put_lineages(file, &checkpoint->lineages));
    DT_TRY(dt_references_put(file, &checkpoint->references));
    DT_TRY(put_lengths(file, &checkpoint->lengths));
    DT_TRY(dt_primers_put(file, &checkpoint->primers));
    DT_TRY(put_metrics(file, checkpoint));
    DT_TRY(dt_strand_put(file, &checkpoint->strand));
    DT_TRY(put_loss_sums(file, checkpoint));
    if (checkpoint->has_optimizer) /* these are needed only to resume the run */
        DT_TRY(put_sequences(file, &checkpoint->sequences));
    if (checkpoint->has_optimizer && checkpoint->choices)
        DT_TRY(dt_container_put_text(file, CHOICES, checkpoint->choices));
    const dt_split *split = &checkpoint->split;
    if (split->training_count > 0 && split->training)
        DT_TRY(dt_container_put_array(file, "split/training", DT_ELEMENT_INT64, 1,
                                      &split->training_count, split->training));
    if (split->validation_count > 0 && split->validation)
        DT_TRY(dt_container_put_array(file, "split/validation", DT_ELEMENT_INT64, 1,
                                      &split->validation_count, split->validation));
    return DT_OK;
}

/* Reads one part of the split; it is left out of the file if empty. */
static dt_status get_part(dt_container *file, const char *name, int64_t **part, int64_t *count)
{
    bool exists;
    DT_TRY(dt_container_has(file, name, &exists));
    if (!exists)
        return DT_OK;
    return dt_container_load_vector(file, name, DT_ELEMENT_INT64, (void **)part, count);
}

dt_status dt_checkpoint_get_arrays(dt_container *file, const char *path, dt_run *checkpoint)
{
    dt_split *split = &checkpoint->split;
    DT_TRY(get_optional_text(file, FOCAL_WEIGHT, &checkpoint->settings.focal_weight));
    DT_TRY(get_optional_text(file, UNKNOWN, &checkpoint->unknown));
    DT_TRY(get_optional_text(file, CHOICES, &checkpoint->choices));
    if (checkpoint->config.encoding != DT_ENCODING_ONEHOT)
        DT_TRY(dt_container_get_text(file, "tokenizer/json", &checkpoint->tokenizer_json));
    DT_TRY(get_taxonomy(file, checkpoint));
    DT_TRY(get_temperatures(file, path, checkpoint));
    DT_TRY(get_neighbours(file, checkpoint));
    DT_TRY(get_lineages(file, path, checkpoint));
    DT_TRY(dt_references_get(file, path, &checkpoint->references));
    DT_TRY(get_lengths(file, path, &checkpoint->lengths));
    DT_TRY(dt_primers_get(file, path, &checkpoint->primers));
    DT_TRY(get_metrics(file, checkpoint));
    DT_TRY(dt_strand_get(file, path, &checkpoint->strand));
    DT_TRY(get_loss_sums(file, path, checkpoint));
    DT_TRY(get_sequences(file, path, checkpoint->settings.total_sequences, &checkpoint->sequences));
    DT_TRY(get_part(file, "split/training", &split->training, &split->training_count));
    return get_part(file, "split/validation", &split->validation, &split->validation_count);
}
