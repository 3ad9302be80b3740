#include "model/checkpoint.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/version.h"
#include "io/container.h"
#include "io/strand_array.h"

void dt_run_settings_free(dt_run_settings *settings)
{
    free(settings->fasta_file);
    free(settings->taxonomy_file);
    free(settings->tokenizer_name);
    free(settings->focal_weight);
    *settings = (dt_run_settings){0};
}

const char *dt_loss_type_name(int32_t loss_type)
{
    return loss_type == DT_LOSS_FOCAL ? "focal" : "cross_entropy";
}

const char *dt_class_weights_name(int32_t class_weights)
{
    static const char *const names[] = {"none", "inverse", "sqrt_inverse"};
    return names[class_weights];
}

void dt_checkpoint_free(dt_checkpoint *checkpoint)
{
    dt_run_settings_free(&checkpoint->settings);
    dt_taxonomy_free(&checkpoint->taxonomy);
    dt_lineage_tree_free(&checkpoint->lineages);
    dt_strand_info_free(&checkpoint->strand);
    dt_split_free(&checkpoint->split);
    free(checkpoint->tokenizer_json);
    free(checkpoint->loss_sums.sum);
    *checkpoint = (dt_checkpoint){0};
}

dt_status dt_checkpoint_path(const char *argument, char *out)
{
    const size_t length = strlen(argument);
    if (length + 1 >= PATH_MAX)
        return dt_fail(DT_ERR_IO, "%s: the path is too long", argument);
    memcpy(out, argument, length + 1);
    if (length < 4 || strcmp(argument + length - 3, ".pt") != 0 || access(argument, F_OK) == 0)
        return DT_OK;
    memcpy(out + length - 3, ".h5", 4);
    if (access(out, F_OK) == 0)
        dt_notice("%s does not exist; %s is used", argument, out);
    else
        memcpy(out, argument, length + 1);
    return DT_OK;
}

/* ---- scalars: one table serves writing and reading ----------------------------------------------
 */

typedef enum { INT32, INT64, UINT32, FLAG, DOUBLE, TEXT, CHARS } field_kind;

typedef struct {
    const char *group;
    const char *key;
    field_kind kind;
    int32_t since; /* format version that brought it; in older files it is 0 */
    size_t offset; /* in dt_checkpoint */
    size_t size;   /* of a CHARS array */
} field;

#define FIELD_SINCE(version, group, key, kind, member)                                             \
    {                                                                                              \
        group, key, kind, version, offsetof(dt_checkpoint, member),                                \
            sizeof(((dt_checkpoint *)0)->member)                                                   \
    }
#define FIELD(group, key, kind, member) FIELD_SINCE(1, group, key, kind, member)
#define CONFIG(key, kind, member) FIELD("config", key, kind, config.member)
#define SETTING(key, kind, member) FIELD("settings", key, kind, settings.member)
#define PROGRESS(key, kind, member) FIELD("progress", key, kind, progress.member)

static const field fields[] = {
    CONFIG("vocabulary", INT32, vocabulary),
    CONFIG("pad_id", INT32, pad_id),
    CONFIG("max_length", INT32, max_length),
    CONFIG("embed_dim", INT32, embed_dim),
    CONFIG("num_filters", INT32, filters),
    CONFIG("num_conv_layers", INT32, conv_layers),
    CONFIG("hidden_size", INT32, hidden),
    CONFIG("num_hidden_layers", INT32, layers),
    CONFIG("num_attention_heads", INT32, heads),
    CONFIG("intermediate_size", INT32, intermediate),
    CONFIG("hidden_dropout_prob", DOUBLE, dropout),
    CONFIG("mask_padding", FLAG, mask_padding),
    SETTING("run_uuid", CHARS, run_uuid),
    SETTING("seed", UINT32, seed),
    SETTING("epochs", INT32, epochs),
    SETTING("batch_size", INT32, batch_size),
    SETTING("accum_steps", INT32, accum_steps),
    SETTING("warmup_ratio", DOUBLE, warmup_ratio),
    SETTING("val_split", DOUBLE, val_split),
    SETTING("learning_rate", DOUBLE, rule.learning_rate),
    SETTING("beta1", DOUBLE, rule.beta1),
    SETTING("beta2", DOUBLE, rule.beta2),
    SETTING("eps", DOUBLE, rule.eps),
    SETTING("weight_decay", DOUBLE, rule.weight_decay),
    SETTING("max_grad_norm", DOUBLE, rule.max_grad_norm),
    SETTING("warmup_steps", INT64, rule.warmup_steps),
    SETTING("total_steps", INT64, rule.total_steps),
    SETTING("dynamic_scale", FLAG, rule.dynamic_scale),
    SETTING("level_weight_count", INT32, level_weight_count),
    SETTING("micro_batch", INT32, micro_batch),
    SETTING("eval_every", INT32, eval_every),
    SETTING("normalize", FLAG, normalize),
    SETTING("total_sequences", INT64, total_sequences),
    SETTING("training_sequences", INT64, training_sequences),
    SETTING("validation_sequences", INT64, validation_sequences),
    SETTING("fasta_file", TEXT, fasta_file),
    SETTING("taxonomy_file", TEXT, taxonomy_file),
    SETTING("tokenizer_name", TEXT, tokenizer_name),
    SETTING("device", CHARS, device),
    SETTING("precision", CHARS, precision),
    SETTING("world_size", INT32, world_size),
    SETTING("gpu", FLAG, gpu),
    PROGRESS("epoch", INT32, epoch),
    PROGRESS("micro_steps", INT64, micro_steps),
    PROGRESS("optimizer_steps", INT64, update.steps),
    PROGRESS("skipped", INT64, update.skipped),
    PROGRESS("skipped_in_row", INT32, update.skipped_in_row),
    PROGRESS("scale_good_steps", INT32, update.scale_good_steps),
    PROGRESS("loss_scale", DOUBLE, update.loss_scale),
    PROGRESS("training_time", DOUBLE, training_time),
    PROGRESS("evaluation_time", DOUBLE, evaluation_time),
    PROGRESS("training_loss", DOUBLE, training_loss),
    PROGRESS("validation_loss", DOUBLE, validation_loss),
    FIELD_SINCE(2, "settings", "schedule_start", INT64, settings.rule.schedule_start),
    FIELD_SINCE(2, "settings", "loss_type", INT32, settings.loss_type),
    FIELD_SINCE(2, "settings", "focal_gamma", DOUBLE, settings.focal_gamma),
    FIELD_SINCE(2, "settings", "focal_sum", FLAG, settings.focal_sum),
    FIELD_SINCE(2, "settings", "class_weights", INT32, settings.class_weights),
    FIELD_SINCE(2, "settings", "early_stopping_patience", INT32, settings.early_stopping_patience),
    FIELD_SINCE(2, "settings", "early_stopping_min_delta", DOUBLE,
                settings.early_stopping_min_delta),
    FIELD_SINCE(2, "progress", "best_epoch", INT32, progress.best_epoch),
    FIELD_SINCE(2, "progress", "best_loss", DOUBLE, progress.best_loss),
    FIELD_SINCE(2, "progress", "patience_loss", DOUBLE, progress.patience_loss),
    FIELD_SINCE(2, "progress", "evaluations_without_gain", INT32,
                progress.evaluations_without_gain),
    FIELD_SINCE(2, "settings", "shards_at_a_time", INT32, settings.shards_at_a_time),
    FIELD_SINCE(2, "settings", "sequences_per_shard", INT64, settings.sequences_per_shard),
    FIELD_SINCE(2, "progress", "loss_updates", INT64, progress.update.loss_updates),
    FIELD_SINCE(2, "progress", "epoch_time", DOUBLE, progress.epoch_time),
    FIELD_SINCE(2, "progress", "evaluation_due", FLAG, progress.evaluation_due),
    FIELD_SINCE(2, "progress", "loss_sums_of", INT32, loss_sums.world_size),
    FIELD("", "parameters", INT64, parameters),
    FIELD("", "program_version", CHARS, version),
    FIELD("", "timestamp", CHARS, timestamp),
    FIELD("", "has_optimizer", FLAG, has_optimizer),
};
#define FIELDS (sizeof fields / sizeof *fields)

static dt_status put_field(dt_container *file, const field *f, const dt_checkpoint *checkpoint)
{
    const char *at = (const char *)checkpoint + f->offset;
    switch (f->kind) {
    case INT32:
        return dt_container_put_attribute_int(file, f->group, f->key, *(const int32_t *)at);
    case INT64:
        return dt_container_put_attribute_int(file, f->group, f->key, *(const int64_t *)at);
    case UINT32:
        return dt_container_put_attribute_int(file, f->group, f->key, *(const uint32_t *)at);
    case FLAG:
        return dt_container_put_attribute_int(file, f->group, f->key, *(const bool *)at);
    case DOUBLE:
        return dt_container_put_attribute_double(file, f->group, f->key, *(const double *)at);
    case TEXT: {
        const char *text = *(char *const *)at;
        return dt_container_put_attribute_text(file, f->group, f->key, text ? text : "");
    }
    case CHARS:
        return dt_container_put_attribute_text(file, f->group, f->key, at);
    }
    return dt_fail(DT_ERR_INTERNAL, "checkpoint field %s has no kind", f->key);
}

static dt_status get_int_field(dt_container *file, const field *f, char *at)
{
    int64_t value;
    DT_TRY(dt_container_get_attribute_int(file, f->group, f->key, &value));
    switch (f->kind) {
    case INT32:
        *(int32_t *)at = (int32_t)value;
        break;
    case UINT32:
        *(uint32_t *)at = (uint32_t)value;
        break;
    case FLAG:
        *(bool *)at = value != 0;
        break;
    default:
        *(int64_t *)at = value;
    }
    return DT_OK;
}

static dt_status get_field(dt_container *file, const field *f, dt_checkpoint *checkpoint)
{
    char *at = (char *)checkpoint + f->offset;
    if (f->kind == DOUBLE)
        return dt_container_get_attribute_double(file, f->group, f->key, (double *)at);
    if (f->kind == TEXT)
        return dt_container_get_attribute_text(file, f->group, f->key, (char **)at);
    if (f->kind != CHARS)
        return get_int_field(file, f, at);
    char *text;
    DT_TRY(dt_container_get_attribute_text(file, f->group, f->key, &text));
    snprintf(at, f->size, "%s", text);
    free(text);
    return DT_OK;
}

/* ---- what is no scalar --------------------------------------------------------------------------
 */

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

static dt_status get_taxonomy(dt_container *file, dt_checkpoint *checkpoint)
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

/* Files from before it was stored have none. */
static dt_status get_lineages(dt_container *file, const char *path, dt_checkpoint *checkpoint)
{
    dt_lineage_tree *tree = &checkpoint->lineages;
    const int64_t bounds = checkpoint->config.tax_ranks + 1;
    int64_t parents;
    int64_t labels;
    bool there;
    DT_TRY(dt_container_has(file, "lineages/first", &there));
    if (!there)
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
        return dt_fail(DT_ERR_INPUT, "%s: damaged: not a tree of lineages", path);
    return DT_OK;
}

static dt_status put_temperatures(dt_container *file, const dt_checkpoint *checkpoint)
{
    const int64_t count = checkpoint->temperatures;
    if (count == 0)
        return DT_OK;
    return dt_container_put_array(file, "calibration/temperatures", DT_ELEMENT_FLOAT64, 1, &count,
                                  checkpoint->temperature);
}

static dt_status get_temperatures(dt_container *file, const char *path, dt_checkpoint *checkpoint)
{
    const int64_t count = checkpoint->config.tax_ranks;
    bool there;
    DT_TRY(dt_container_has(file, "calibration/temperatures", &there));
    if (!there)
        return DT_OK;
    DT_TRY(dt_container_get_array(file, "calibration/temperatures", DT_ELEMENT_FLOAT64, 1, &count,
                                  checkpoint->temperature));
    checkpoint->temperatures = checkpoint->config.tax_ranks;
    for (int32_t r = 0; r < checkpoint->temperatures; ++r)
        if (!(checkpoint->temperature[r] > 0.0 && checkpoint->temperature[r] < HUGE_VAL))
            return dt_fail(DT_ERR_INPUT, "%s: damaged: %g is no temperature", path,
                           checkpoint->temperature[r]);
    return DT_OK;
}

/* "evaluation/<name>", (tax_ranks) each; the members of dt_measures, all doubles. */
static const struct {
    const char *name;
    size_t offset;
} measure_arrays[] = {
    {"evaluation/accuracy", offsetof(dt_measures, accuracy)},
    {"evaluation/precision", offsetof(dt_measures, precision)},
    {"evaluation/recall", offsetof(dt_measures, recall)},
    {"evaluation/f1_score", offsetof(dt_measures, f1)},
};
#define MEASURE_ARRAYS (sizeof measure_arrays / sizeof *measure_arrays)

static dt_status put_measures(dt_container *file, const dt_checkpoint *checkpoint)
{
    const dt_run_progress *progress = &checkpoint->progress;
    const int64_t count = checkpoint->config.tax_ranks;
    double column[DT_MAX_TAX_RANKS];
    if (progress->evaluated_epoch == 0)
        return DT_OK;
    DT_TRY(dt_container_put_attribute_int(file, "evaluation", "epoch", progress->evaluated_epoch));
    for (size_t m = 0; m < MEASURE_ARRAYS; ++m) {
        for (int64_t r = 0; r < count; ++r)
            memcpy(&column[r], (const char *)&progress->measures[r] + measure_arrays[m].offset,
                   sizeof *column);
        DT_TRY(dt_container_put_array(file, measure_arrays[m].name, DT_ELEMENT_FLOAT64, 1, &count,
                                      column));
    }
    return DT_OK;
}

/* Files from before they were stored have none. */
static dt_status get_measures(dt_container *file, dt_checkpoint *checkpoint)
{
    dt_run_progress *progress = &checkpoint->progress;
    const int64_t count = checkpoint->config.tax_ranks;
    double column[DT_MAX_TAX_RANKS];
    int64_t epoch;
    bool there;
    DT_TRY(dt_container_has(file, "evaluation", &there));
    if (!there)
        return DT_OK;
    DT_TRY(dt_container_get_attribute_int(file, "evaluation", "epoch", &epoch));
    for (size_t m = 0; m < MEASURE_ARRAYS; ++m) {
        DT_TRY(dt_container_get_array(file, measure_arrays[m].name, DT_ELEMENT_FLOAT64, 1, &count,
                                      column));
        for (int64_t r = 0; r < count; ++r)
            memcpy((char *)&progress->measures[r] + measure_arrays[m].offset, &column[r],
                   sizeof *column);
    }
    progress->evaluated_epoch = (int32_t)epoch;
    return DT_OK;
}

static dt_status put_loss_sums(dt_container *file, const dt_checkpoint *checkpoint)
{
    const int64_t shape[] = {checkpoint->loss_sums.world_size, checkpoint->config.tax_ranks};
    if (shape[0] == 0)
        return DT_OK;
    return dt_container_put_array(file, "progress/loss_sums", DT_ELEMENT_FLOAT64, 2, shape,
                                  checkpoint->loss_sums.sum);
}

static dt_status get_loss_sums(dt_container *file, const char *path, dt_checkpoint *checkpoint)
{
    dt_loss_sums *sums = &checkpoint->loss_sums;
    dt_array_info info;
    if (sums->world_size == 0)
        return DT_OK;
    DT_TRY(dt_container_info(file, "progress/loss_sums", &info));
    if (info.dimensions != 2 || info.shape[0] != sums->world_size ||
        info.shape[1] != checkpoint->config.tax_ranks)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: not the loss sums of %d ranks", path,
                       sums->world_size);
    DT_TRY(DT_NEW(sums->sum, (size_t)(info.shape[0] * info.shape[1])));
    return dt_container_get_array(file, "progress/loss_sums", DT_ELEMENT_FLOAT64, 2, info.shape,
                                  sums->sum);
}

static dt_status put_arrays(dt_container *file, const dt_checkpoint *checkpoint)
{
    const dt_model_config *config = &checkpoint->config;
    const int64_t kernels = config->kernels;
    DT_TRY(dt_container_put_attribute_text(file, "config", "model_type",
                                           dt_model_type_name(config->type)));
    if (config->encoding != DT_ENCODING_DNABERT)
        DT_TRY(dt_container_put_attribute_text(file, "config", "encoding",
                                               dt_encoding_name(config->encoding)));
    DT_TRY(dt_container_put_array(file, "config/kernel_sizes", DT_ELEMENT_INT32, 1, &kernels,
                                  config->width));
    if (checkpoint->settings.level_weight_count > 0) {
        const int64_t count = checkpoint->settings.level_weight_count;
        DT_TRY(dt_container_put_array(file, "settings/level_weights", DT_ELEMENT_FLOAT64, 1, &count,
                                      checkpoint->settings.level_weight));
    }
    if (checkpoint->settings.focal_weight)
        DT_TRY(dt_container_put_text(file, "settings/focal_weight",
                                     checkpoint->settings.focal_weight));
    if (config->encoding != DT_ENCODING_ONEHOT)
        DT_TRY(dt_container_put_text(file, "tokenizer/json", checkpoint->tokenizer_json));
    DT_TRY(put_taxonomy(file, &checkpoint->taxonomy));
    DT_TRY(put_temperatures(file, checkpoint));
    DT_TRY(put_lineages(file, &checkpoint->lineages));
    DT_TRY(put_measures(file, checkpoint));
    DT_TRY(dt_strand_put(file, &checkpoint->strand));
    DT_TRY(put_loss_sums(file, checkpoint));
    const dt_split *split = &checkpoint->split;
    if (split->training_count > 0)
        DT_TRY(dt_container_put_array(file, "split/training", DT_ELEMENT_INT64, 1,
                                      &split->training_count, split->training));
    if (split->validation_count > 0)
        DT_TRY(dt_container_put_array(file, "split/validation", DT_ELEMENT_INT64, 1,
                                      &split->validation_count, split->validation));
    return DT_OK;
}

static dt_status get_model_type(dt_container *file, const char *path, dt_model_config *config)
{
    char *name;
    DT_TRY(dt_container_get_attribute_text(file, "config", "model_type", &name));
    dt_status status = DT_OK;
    if (!dt_model_type_named(name, &config->type))
        status =
            dt_fail(DT_ERR_INPUT, "%s: model type '%s' is not known to this version", path, name);
    free(name);
    return status;
}

static dt_status get_encoding(dt_container *file, const char *path, int32_t version,
                              dt_model_config *config)
{
    char *name;
    if (version < 3)
        return DT_OK; /* tokens */
    DT_TRY(dt_container_get_attribute_text(file, "config", "encoding", &name));
    dt_status status = DT_OK;
    if (!dt_encoding_named(name, &config->encoding))
        status =
            dt_fail(DT_ERR_INPUT, "%s: encoding '%s' is not known to this version", path, name);
    free(name);
    return status;
}

static dt_status get_kernels(dt_container *file, const char *path, dt_model_config *config)
{
    dt_array_info info;
    DT_TRY(dt_container_info(file, "config/kernel_sizes", &info));
    if (info.dimensions != 1 || info.shape[0] < 1 || info.shape[0] > DT_MAX_KERNELS)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: not a list of kernel sizes", path);
    config->kernels = (int32_t)info.shape[0];
    return dt_container_get_array(file, "config/kernel_sizes", DT_ELEMENT_INT32, 1, info.shape,
                                  config->width);
}

/* One part of the split, which may be empty. */
static dt_status get_part(dt_container *file, const char *name, int64_t **part, int64_t *count)
{
    bool there;
    DT_TRY(dt_container_has(file, name, &there));
    if (!there)
        return DT_OK;
    return dt_container_load_vector(file, name, DT_ELEMENT_INT64, (void **)part, count);
}

static dt_status get_loss(dt_container *file, const char *path, dt_run_settings *settings)
{
    bool there;
    if (settings->loss_type < 0 || settings->loss_type > DT_LOSS_FOCAL ||
        settings->class_weights < 0 || settings->class_weights > DT_CLASS_WEIGHTS_SQRT_INVERSE)
        return dt_fail(DT_ERR_INPUT,
                       "%s: its loss (type %d, class weights %d) is not known to "
                       "this version",
                       path, settings->loss_type, settings->class_weights);
    DT_TRY(dt_container_has(file, "settings/focal_weight", &there));
    return there ? dt_container_get_text(file, "settings/focal_weight", &settings->focal_weight)
                 : DT_OK;
}

static dt_status get_arrays(dt_container *file, const char *path, int32_t version,
                            dt_checkpoint *checkpoint)
{
    dt_split *split = &checkpoint->split;
    const int64_t weights = checkpoint->settings.level_weight_count;
    DT_TRY(get_model_type(file, path, &checkpoint->config));
    DT_TRY(get_encoding(file, path, version, &checkpoint->config));
    DT_TRY(get_kernels(file, path, &checkpoint->config));
    DT_TRY(get_loss(file, path, &checkpoint->settings));
    if (weights < 0 || weights > DT_MAX_TAX_RANKS)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: %ld level weights", path, (long)weights);
    if (weights > 0)
        DT_TRY(dt_container_get_array(file, "settings/level_weights", DT_ELEMENT_FLOAT64, 1,
                                      &weights, checkpoint->settings.level_weight));
    if (checkpoint->config.encoding != DT_ENCODING_ONEHOT)
        DT_TRY(dt_container_get_text(file, "tokenizer/json", &checkpoint->tokenizer_json));
    DT_TRY(get_taxonomy(file, checkpoint));
    DT_TRY(get_temperatures(file, path, checkpoint));
    DT_TRY(get_lineages(file, path, checkpoint));
    DT_TRY(get_measures(file, checkpoint));
    DT_TRY(dt_strand_get(file, path, &checkpoint->strand));
    DT_TRY(get_loss_sums(file, path, checkpoint));
    DT_TRY(get_part(file, "split/training", &split->training, &split->training_count));
    return get_part(file, "split/validation", &split->validation, &split->validation_count);
}

/* ---- tensors ------------------------------------------------------------------------------------
 */

static const struct {
    const char *folder;
    dt_vector vector;
} tensor_groups[] = {
    {"model", DT_PARAMETERS},
    {"optimizer/exp_avg", DT_EXP_AVG},
    {"optimizer/exp_avg_sq", DT_EXP_AVG_SQ},
};
#define TENSOR_GROUPS ((int)(sizeof tensor_groups / sizeof *tensor_groups))

/* Elements of the largest tensor. */
static int64_t largest_tensor(const dt_param_table *table)
{
    int64_t largest = 0;
    for (int32_t i = 0; i < table->count; ++i)
        if (table->spec[i].count > largest)
            largest = table->spec[i].count;
    return largest;
}

/* Moments exist of the tensors that take part in training. */
static bool has_tensor(const dt_param_table *table, const dt_param_spec *spec, dt_vector vector)
{
    return vector == DT_PARAMETERS || spec->offset < table->trained;
}

/* Where the tensors of a checkpoint come from or go to. */
typedef struct {
    const dt_param_table *table;
    dt_backend *backend; /* NULL: `copy` */
    const float *copy;   /* the flat vectors of tensor_groups, one after the other */
    float *values;       /* room for the largest tensor */
} tensor_side;

/* What is done with one tensor. */
typedef dt_status (*tensor_work)(dt_container *file, const char *name, const dt_param_spec *spec,
                                 int group, const tensor_side *side);

static dt_status put_tensor(dt_container *file, const char *name, const dt_param_spec *spec,
                            int group, const tensor_side *side)
{
    const float *values = side->values;
    if (side->backend)
        DT_TRY(dt_params_read(side->backend, tensor_groups[group].vector, spec->offset, spec->count,
                              side->values));
    else
        values = side->copy + group * side->table->elements + spec->offset;
    return dt_container_put_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape, values);
}

static dt_status get_tensor(dt_container *file, const char *name, const dt_param_spec *spec,
                            int group, const tensor_side *side)
{
    DT_TRY(dt_container_get_array(file, name, DT_ELEMENT_FLOAT32, spec->dims, spec->shape,
                                  side->values));
    return dt_params_write(side->backend, tensor_groups[group].vector, spec->offset, spec->count,
                           side->values);
}

/* Calls `work` for every tensor: the parameters' and, with moments, the optimizer's. */
static dt_status for_each_tensor(dt_container *file, const tensor_side *side, bool moments,
                                 tensor_work work)
{
    const dt_param_table *table = side->table;
    const int groups = moments ? TENSOR_GROUPS : 1;
    char name[160];
    tensor_side with_values = *side;
    DT_TRY(DT_NEW(with_values.values, (size_t)largest_tensor(table)));
    dt_status status = DT_OK;
    for (int g = 0; g < groups && status == DT_OK; ++g) {
        for (int32_t i = 0; i < table->count && status == DT_OK; ++i) {
            const dt_param_spec *spec = &table->spec[i];
            if (!has_tensor(table, spec, tensor_groups[g].vector))
                continue;
            snprintf(name, sizeof name, "%s/%s", tensor_groups[g].folder, spec->name);
            status = work(file, name, spec, g, &with_values);
        }
    }
    free(with_values.values);
    return status;
}

static tensor_side model_side(const dt_model *model)
{
    return (tensor_side){.table = dt_model_params(model), .backend = dt_model_backend(model)};
}

int64_t dt_checkpoint_copy_elements(const dt_param_table *table)
{
    return TENSOR_GROUPS * table->elements;
}

dt_status dt_checkpoint_copy(float *copy, const dt_model *model)
{
    const int64_t elements = dt_model_params(model)->elements;
    for (int g = 0; g < TENSOR_GROUPS; ++g)
        DT_TRY(dt_params_read(dt_model_backend(model), tensor_groups[g].vector, 0, elements,
                              copy + g * elements));
    return DT_OK;
}

/* ---- whole files --------------------------------------------------------------------------------
 */

static dt_status write_content(dt_container *file, const dt_checkpoint *checkpoint,
                               const tensor_side *side)
{
    for (size_t i = 0; i < FIELDS; ++i)
        DT_TRY(put_field(file, &fields[i], checkpoint));
    DT_TRY(put_arrays(file, checkpoint));
    return for_each_tensor(file, side, checkpoint->has_optimizer, put_tensor);
}

/* Programs that know tokens alone can go on reading what has them. */
static int32_t version_of(const dt_checkpoint *checkpoint)
{
    return checkpoint->config.encoding == DT_ENCODING_ONEHOT ? DT_CHECKPOINT_VERSION : 2;
}

static dt_status write_checkpoint(const char *path, const dt_checkpoint *checkpoint,
                                  const tensor_side *side, bool weights_only)
{
    dt_container *file;
    dt_checkpoint content = *checkpoint;
    content.has_optimizer = !weights_only;
    content.parameters = side->table->parameters;
    dt_timestamp(content.timestamp, sizeof content.timestamp);
    snprintf(content.version, sizeof content.version, "%s", dt_version());
    DT_TRY(dt_container_create(&file, path, DT_CHECKPOINT_FORMAT, version_of(checkpoint)));
    dt_status status = write_content(file, &content, side);
    if (status != DT_OK) {
        dt_container_discard(file);
        return status;
    }
    return dt_container_commit(file);
}

dt_status dt_checkpoint_write(const char *path, const dt_checkpoint *checkpoint,
                              const dt_model *model, bool weights_only)
{
    const tensor_side side = model_side(model);
    return write_checkpoint(path, checkpoint, &side, weights_only);
}

dt_status dt_checkpoint_write_copied(const char *path, const dt_checkpoint *checkpoint,
                                     const dt_param_table *table, const float *copy)
{
    const tensor_side side = {.table = table, .copy = copy};
    return write_checkpoint(path, checkpoint, &side, false);
}

static dt_status read_content(dt_container *file, const char *path, int32_t version,
                              dt_checkpoint *out)
{
    for (size_t i = 0; i < FIELDS; ++i)
        if (fields[i].since <= version)
            DT_TRY(get_field(file, &fields[i], out));
    DT_TRY(get_arrays(file, path, version, out));
    if (dt_model_config_check(&out->config) != DT_OK)
        return dt_fail(DT_ERR_INPUT, "%s: damaged, its sizes cannot be: %s", path,
                       dt_error_message());
    return DT_OK;
}

dt_status dt_checkpoint_read(const char *path, dt_checkpoint *out)
{
    dt_container *file;
    int32_t version;
    *out = (dt_checkpoint){.settings.focal_gamma = 2.0}; /* as published: version 1 has none */
    DT_TRY(dt_container_open(&file, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, &version));
    dt_status status = read_content(file, path, version, out);
    dt_container_close(file);
    if (status != DT_OK)
        dt_checkpoint_free(out);
    return status;
}

dt_status dt_checkpoint_read_tensors(const char *path, dt_model *model, bool moments)
{
    dt_container *file;
    const tensor_side side = model_side(model);
    DT_TRY(dt_container_open(&file, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    dt_status status = for_each_tensor(file, &side, moments, get_tensor);
    dt_container_close(file);
    return status;
}

/* Reads an array of numbers whole; texts were read with the rest of the checkpoint. */
static dt_status verify_array(dt_container *file, const dt_array_info *info)
{
    char *values;
    if (info->element == DT_ELEMENT_TEXT)
        return DT_OK;
    DT_TRY(DT_NEW(values, (size_t)info->bytes));
    const dt_status status = dt_container_get_array(file, info->name, info->element,
                                                    info->dimensions, info->shape, values);
    free(values);
    return status;
}

dt_status dt_checkpoint_verify(const char *path)
{
    dt_container *file;
    dt_checkpoint content;
    dt_array_info *infos;
    int64_t count;
    DT_TRY(dt_checkpoint_read(path, &content));
    dt_checkpoint_free(&content);
    DT_TRY(dt_container_open(&file, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    dt_status status = dt_container_list(file, "", &infos, &count);
    if (status == DT_OK) {
        for (int64_t i = 0; i < count && status == DT_OK; ++i)
            status = verify_array(file, &infos[i]);
        dt_array_infos_free(infos, count);
    }
    dt_container_close(file);
    return status;
}
