#include "run/checkpoint_scalars.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* One table serves writing and reading. */

typedef enum { INT32, INT64, UINT32, FLAG, DOUBLE, TEXT, CHARS } field_kind;

typedef struct {
    const char *group;
    const char *key;
    field_kind kind;
    int32_t since; /* format version that brought it; in older files it is 0 */
    size_t offset; /* in dt_run */
    size_t size;   /* of a CHARS array */
} field;

#define FIELD_SINCE(version, group, key, kind, member)                                             \
    {                                                                                              \
        group, key, kind, version, offsetof(dt_run, member), sizeof(((dt_run *)0)->member)         \
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

static dt_status put_field(dt_container *file, const field *f, const dt_run *checkpoint)
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

static dt_status get_field(dt_container *file, const field *f, dt_run *checkpoint)
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

dt_status dt_checkpoint_put_scalars(dt_container *file, const dt_run *checkpoint)
{
    for (size_t i = 0; i < FIELDS; ++i)
        DT_TRY(put_field(file, &fields[i], checkpoint));
    return DT_OK;
}

dt_status dt_checkpoint_get_scalars(dt_container *file, int32_t version, dt_run *checkpoint)
{
    for (size_t i = 0; i < FIELDS; ++i)
        if (fields[i].since <= version)
            DT_TRY(get_field(file, &fields[i], checkpoint));
    return DT_OK;
}
