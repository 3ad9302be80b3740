#include "run/checkpoint_scalars.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/settings.h"

/* The fields of a checkpoint that are not settings (run/settings.h). */
#define FIELD(version, place, name, value_kind, member)                                            \
    {                                                                                              \
        .option = {.kind = DT_VALUE_##value_kind,                                                  \
                   .offset = offsetof(dt_run, member),                                             \
                   .most = sizeof(((dt_run *)0)->member)},                                         \
        .group = (place), .key = (name), .since = (version)                                        \
    }

static const dt_setting fields[] = {
    FIELD(1, "config", "vocabulary", INT32, config.vocabulary),
    FIELD(1, "config", "pad_id", INT32, config.pad_id),
    FIELD(1, "settings", "run_uuid", CHARS, settings.run_uuid),
    FIELD(1, "settings", "beta1", DOUBLE, settings.rule.beta1),
    FIELD(1, "settings", "beta2", DOUBLE, settings.rule.beta2),
    FIELD(1, "settings", "warmup_steps", INT, settings.rule.warmup_steps),
    FIELD(1, "settings", "total_steps", INT, settings.rule.total_steps),
    FIELD(1, "settings", "dynamic_scale", FLAG, settings.rule.dynamic_scale),
    FIELD(1, "settings", "level_weight_count", INT32, settings.level_weight_count),
    FIELD(1, "settings", "micro_batch", INT32, settings.micro_batch),
    FIELD(1, "settings", "normalize", FLAG, settings.normalize),
    FIELD(1, "settings", "total_sequences", INT, settings.total_sequences),
    FIELD(1, "settings", "training_sequences", INT, settings.training_sequences),
    FIELD(1, "settings", "validation_sequences", INT, settings.validation_sequences),
    FIELD(1, "settings", "fasta_file", TEXT, settings.fasta_file),
    FIELD(1, "settings", "taxonomy_file", TEXT, settings.taxonomy_file),
    FIELD(1, "settings", "tokenizer_name", TEXT, settings.tokenizer_name),
    FIELD(1, "settings", "device", CHARS, settings.device),
    FIELD(1, "settings", "precision", CHARS, settings.precision),
    FIELD(1, "settings", "world_size", INT32, settings.world_size),
    FIELD(1, "settings", "gpu", FLAG, settings.gpu),
    FIELD(1, "progress", "epoch", INT32, progress.epoch),
    FIELD(1, "progress", "micro_steps", INT, progress.micro_steps),
    FIELD(1, "progress", "optimizer_steps", INT, progress.update.steps),
    FIELD(1, "progress", "skipped", INT, progress.update.skipped),
    FIELD(1, "progress", "skipped_in_row", INT32, progress.update.skipped_in_row),
    FIELD(1, "progress", "scale_good_steps", INT32, progress.update.scale_good_steps),
    FIELD(1, "progress", "loss_scale", DOUBLE, progress.update.loss_scale),
    FIELD(1, "progress", "training_time", DOUBLE, progress.training_time),
    FIELD(1, "progress", "evaluation_time", DOUBLE, progress.evaluation_time),
    FIELD(1, "progress", "training_loss", DOUBLE, progress.training_loss),
    FIELD(1, "progress", "validation_loss", DOUBLE, progress.validation_loss),
    FIELD(2, "settings", "schedule_start", INT, settings.rule.schedule_start),
    FIELD(2, "progress", "best_epoch", INT32, progress.best_epoch),
    FIELD(2, "progress", "best_loss", DOUBLE, progress.best_loss),
    FIELD(2, "progress", "patience_loss", DOUBLE, progress.patience_loss),
    FIELD(2, "progress", "evaluations_without_gain", INT32, progress.evaluations_without_gain),
    FIELD(2, "settings", "shards_at_a_time", INT32, settings.shards_at_a_time),
    FIELD(2, "settings", "sequences_per_shard", INT, settings.sequences_per_shard),
    FIELD(2, "progress", "loss_updates", INT, progress.update.loss_updates),
    FIELD(2, "progress", "epoch_time", DOUBLE, progress.epoch_time),
    FIELD(2, "progress", "evaluation_due", FLAG, progress.evaluation_due),
    FIELD(2, "progress", "loss_sums_of", INT32, loss_sums.world_size),
    FIELD(5, "settings", "data_checksum", CHARS, settings.data_checksum),
    FIELD(1, "", "parameters", INT, parameters),
    FIELD(1, "", "program_version", CHARS, version),
    FIELD(1, "", "timestamp", CHARS, timestamp),
    FIELD(1, "", "has_optimizer", FLAG, has_optimizer),
};
#define FIELDS (sizeof fields / sizeof *fields)

/* ---- writing --------------------------------------------------------------------------------- */

static dt_status put_choice(dt_container *file, const dt_setting *field, const dt_value *value)
{
    char name[64];
    const int32_t choice = *(const int32_t *)value->at;
    if (!field->named)
        return dt_container_put_attribute_int(file, field->group, field->key, choice);
    dt_choice_name(value->choices, choice, name, sizeof name);
    return dt_container_put_attribute_text(file, field->group, field->key, name);
}

/* Writes the array <group>/<key>; nothing for an empty list. */
static dt_status put_list(dt_container *file, const dt_setting *field, const dt_value *value)
{
    char path[64];
    const int64_t count = dt_value_count(value);
    if (count == 0)
        return DT_OK;
    snprintf(path, sizeof path, "%s/%s", field->group, field->key);
    return dt_container_put_array(
        file, path, value->kind == DT_VALUE_DOUBLES ? DT_ELEMENT_FLOAT64 : DT_ELEMENT_INT32, 1,
        &count, value->at);
}

static dt_status put_field(dt_container *file, const dt_setting *field, const dt_run *run)
{
    const dt_value value = dt_setting_value(field, run);
    const void *at = value.at;
    const char *group = field->group;
    switch (value.kind) {
    case DT_VALUE_FLAG:
        return dt_container_put_attribute_int(file, group, field->key, *(const bool *)at);
    case DT_VALUE_INT:
        return dt_container_put_attribute_int(file, group, field->key, *(const int64_t *)at);
    case DT_VALUE_INT32:
        return dt_container_put_attribute_int(file, group, field->key, *(const int32_t *)at);
    case DT_VALUE_UINT32:
        return dt_container_put_attribute_int(file, group, field->key, *(const uint32_t *)at);
    case DT_VALUE_DOUBLE:
        return dt_container_put_attribute_double(file, group, field->key, *(const double *)at);
    case DT_VALUE_TEXT: {
        const char *text = *(char *const *)at;
        return dt_container_put_attribute_text(file, group, field->key, text ? text : "");
    }
    case DT_VALUE_CHARS:
        return dt_container_put_attribute_text(file, group, field->key, at);
    case DT_VALUE_CHOICE:
        return put_choice(file, field, &value);
    case DT_VALUE_INTS:
    case DT_VALUE_DOUBLES:
        return put_list(file, field, &value);
    case DT_VALUE_TEXTS:
    case DT_VALUE_CHOICES:
        break;
    }
    return dt_fail(DT_ERR_INTERNAL, "checkpoint field %s: unsupported kind", field->key);
}

/* ---- reading --------------------------------------------------------------------------------- */

static dt_status get_named_choice(dt_container *file, const char *path, const dt_setting *field,
                                  int32_t *choice)
{
    char *name;
    DT_TRY(dt_container_get_attribute_text(file, field->group, field->key, &name));
    *choice = dt_choice_named(field->option.choices, name);
    const dt_status status = *choice >= 0
                                 ? DT_OK
                                 : dt_fail(DT_ERR_INPUT, "%s: %s '%s' is unknown to this version",
                                           path, field->key, name);
    free(name);
    return status;
}

static dt_status get_choice(dt_container *file, const char *path, const dt_setting *field,
                            int32_t *choice)
{
    int64_t number = 0;
    if (field->named)
        return get_named_choice(file, path, field, choice);
    DT_TRY(dt_container_get_attribute_int(file, field->group, field->key, &number));
    if (number < 0 || number >= dt_choice_count(field->option.choices))
        return dt_fail(DT_ERR_INPUT, "%s: %s %lld is unknown to this version", path, field->key,
                       (long long)number);
    *choice = (int32_t)number;
    return DT_OK;
}

static dt_status get_list(dt_container *file, const char *path, const dt_setting *field,
                          const dt_value *value)
{
    char name[64];
    bool there;
    dt_array_info info;
    snprintf(name, sizeof name, "%s/%s", field->group, field->key);
    *value->count = 0;
    DT_TRY(dt_container_has(file, name, &there));
    if (!there)
        return DT_OK;
    DT_TRY(dt_container_info(file, name, &info));
    if (info.dimensions != 1 || info.shape[0] < 1 || info.shape[0] > value->most)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: %s must be a list of at most %d elements", path,
                       name, value->most);
    *value->count = (int32_t)info.shape[0];
    return dt_container_get_array(
        file, name, value->kind == DT_VALUE_DOUBLES ? DT_ELEMENT_FLOAT64 : DT_ELEMENT_INT32, 1,
        info.shape, value->at);
}

static dt_status get_number(dt_container *file, const char *path, const dt_setting *field,
                            const dt_value *value)
{
    int64_t number;
    DT_TRY(dt_container_get_attribute_int(file, field->group, field->key, &number));
    const bool fits = value->kind == DT_VALUE_INT32    ? number == (int32_t)number
                      : value->kind == DT_VALUE_UINT32 ? number == (uint32_t)number
                                                       : true;
    if (!fits)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: %s is %lld, which does not fit 32 bits", path,
                       field->key, (long long)number);
    if (value->kind == DT_VALUE_FLAG)
        *(bool *)value->at = number != 0;
    else if (value->kind == DT_VALUE_INT)
        *(int64_t *)value->at = number;
    else if (value->kind == DT_VALUE_UINT32)
        *(uint32_t *)value->at = (uint32_t)number;
    else
        *(int32_t *)value->at = (int32_t)number;
    return DT_OK;
}

static dt_status get_field(dt_container *file, const char *path, const dt_setting *field,
                           dt_run *run)
{
    const dt_value value = dt_setting_value(field, run);
    char *text;
    switch (value.kind) {
    case DT_VALUE_FLAG:
    case DT_VALUE_INT:
    case DT_VALUE_INT32:
    case DT_VALUE_UINT32:
        return get_number(file, path, field, &value);
    case DT_VALUE_DOUBLE:
        return dt_container_get_attribute_double(file, field->group, field->key, value.at);
    case DT_VALUE_TEXT:
        return dt_container_get_attribute_text(file, field->group, field->key, value.at);
    case DT_VALUE_CHARS:
        DT_TRY(dt_container_get_attribute_text(file, field->group, field->key, &text));
        snprintf(value.at, (size_t)value.most, "%s", text);
        free(text);
        return DT_OK;
    case DT_VALUE_CHOICE:
        return get_choice(file, path, field, value.at);
    case DT_VALUE_INTS:
    case DT_VALUE_DOUBLES:
        return get_list(file, path, field, &value);
    case DT_VALUE_TEXTS:
    case DT_VALUE_CHOICES:
        break;
    }
    return dt_fail(DT_ERR_INTERNAL, "checkpoint field %s: unsupported kind", field->key);
}

/* ---- all fields ------------------------------------------------------------------------------ */

dt_status dt_checkpoint_put_scalars(dt_container *file, int32_t version, const dt_run *run)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting)
        if (setting->key && setting->since <= version)
            DT_TRY(put_field(file, setting, run));
    for (size_t i = 0; i < FIELDS; ++i)
        if (fields[i].since <= version)
            DT_TRY(put_field(file, &fields[i], run));
    return DT_OK;
}

dt_status dt_checkpoint_get_scalars(dt_container *file, const char *path, int32_t version,
                                    dt_run *run)
{
    for (size_t i = 0; i < FIELDS; ++i)
        if (fields[i].since <= version)
            DT_TRY(get_field(file, path, &fields[i], run));
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting)
        if (setting->key)
            DT_TRY(setting->since <= version ? get_field(file, path, setting, run)
                                             : dt_setting_set_default(setting, run));
    return DT_OK;
}
