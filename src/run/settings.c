#include "run/settings.h"

#include <stddef.h>
#include <stdio.h>

#include "options/config_file.h"

/* Kind and member of a value, and of a list with its length and the elements that fit. */
#define VALUE(value_kind, member) .kind = (value_kind), .offset = offsetof(dt_run, member)
#define FLAG(member) VALUE(DT_VALUE_FLAG, member)
#define INT32(member) VALUE(DT_VALUE_INT32, member)
#define UINT32(member) VALUE(DT_VALUE_UINT32, member)
#define DOUBLE(member) VALUE(DT_VALUE_DOUBLE, member)
#define TEXT(member) VALUE(DT_VALUE_TEXT, member)
#define CHOICE(member) VALUE(DT_VALUE_CHOICE, member)
#define LIST(list_kind, member, length, memory)                                                    \
    VALUE(list_kind, member), .counter = offsetof(dt_run, length), .most = (memory)

/* Group and key in a checkpoint, and the format version that brought it. */
#define CONFIG(name, version) .group = "config", .key = (name), .since = (version)
#define SETTING(name, version) .group = "settings", .key = (name), .since = (version)

/* --optimizer-betas fills both. */
_Static_assert(offsetof(dt_update_rule, beta2) == offsetof(dt_update_rule, beta1) + sizeof(double),
               "the betas are next to each other");

/* A row in few lines: */
/* clang-format off */
const dt_setting dt_settings[] = {
    {.option = {.group = "Model", .name = "model-type", CHOICE(config.type),
      .preset = "hybridcnnbert",
      .choices = DT_MODEL_TYPE_CHOICES, .json = "model_type",
      .help = "architecture: encoder and CNN, or one of them"},
     CONFIG("model_type", 1), .named = true, .section = DT_SECTION_MODEL, .text = ""},
    {.option = DT_OPTION_ENCODING(dt_run, config.encoding),
     CONFIG("encoding", 3), .named = true, .section = DT_SECTION_MODEL, .text = ""},
    {.option = {.name = "max-length", INT32(config.max_length), .value = "N", .preset = "512",
      .range = "[3, 65536]", .json = "max_length",
      .help = "tokens of a sequence that are read, specials included; with --encoding onehot "
              "bases"},
     CONFIG("max_length", 1), .section = DT_SECTION_MODEL},
    {.option = {.name = "embed-dim", INT32(config.embed_dim), .value = "N", .preset = "896",
      .range = "[1, 65536]", .json = "embed_dim",
      .help = "channels of the CNN's embedding; with --encoding onehot there is none, and 4 "
              "channels"},
     CONFIG("embed_dim", 1), .section = DT_SECTION_MODEL, .part = DT_PART_CNN},
    {.option = {.name = "num-filters", INT32(config.filters), .value = "N", .preset = "256",
      .range = "[1, 65536]", .json = "num_filters",
      .help = "filters of each kernel width"},
     CONFIG("num_filters", 1), .section = DT_SECTION_MODEL, .part = DT_PART_CNN},
    {.option = {.name = "kernel-sizes", LIST(DT_VALUE_INTS, config.width, config.kernels,
      DT_MAX_KERNELS),
      .value = "N", .preset = "3 5 7", .range = "[1, 255]", .json = "kernel_sizes",
      .help = "kernel widths in tokens, odd"},
     CONFIG("kernel_sizes", 1), .section = DT_SECTION_MODEL, .part = DT_PART_CNN},
    {.option = {.name = "num-conv-layers", INT32(config.conv_layers), .value = "N", .preset = "1",
      .range = "[1, 64]", .json = "num_conv_layers",
      .help = "convolution layers"},
     CONFIG("num_conv_layers", 1), .section = DT_SECTION_MODEL, .part = DT_PART_CNN},
    {.option = {.name = "hidden-size", INT32(config.hidden), .value = "N", .preset = "896",
      .range = "[1, 65536]", .json = "hidden_size",
      .help = "channels of the encoder; a multiple of --num-attention-heads"},
     CONFIG("hidden_size", 1), .section = DT_SECTION_MODEL, .part = DT_PART_ENCODER},
    {.option = {.name = "num-hidden-layers", INT32(config.layers), .value = "N", .preset = "4",
      .range = "[1, 240]", .json = "num_hidden_layers",
      .help = "encoder layers"},
     CONFIG("num_hidden_layers", 1), .section = DT_SECTION_MODEL, .part = DT_PART_ENCODER},
    {.option = {.name = "num-attention-heads", INT32(config.heads), .value = "N", .preset = "7",
      .range = "[1, 4095]", .json = "num_attention_heads",
      .help = "attention heads"},
     CONFIG("num_attention_heads", 1), .section = DT_SECTION_MODEL, .part = DT_PART_ENCODER},
    {.option = {.name = "intermediate-size", INT32(config.intermediate), .value = "N",
      .preset = "3584",
      .range = "[1, 1048576]", .json = "intermediate_size",
      .help = "channels inside the encoder's feed-forward"},
     CONFIG("intermediate_size", 1), .section = DT_SECTION_MODEL, .part = DT_PART_ENCODER},
    {.option = {.name = "hidden-dropout-prob", DOUBLE(config.dropout), .value = "P",
      .preset = "0.2",
      .range = "[0, 1)", .json = "dropout_prob",
      .help = "dropout probability"},
     CONFIG("hidden_dropout_prob", 1), .section = DT_SECTION_MODEL,
     .text = "hidden-dropout-prob"},
    {.option = {.name = "mask-padding", FLAG(config.mask_padding), .json = "mask_padding",
      .help = "keeps padded positions out of the CNN's maximum (the published models do not)"},
     CONFIG("mask_padding", 1), .section = DT_SECTION_MODEL},
    {.option = {.group = "Training", .name = "learning-rate", DOUBLE(settings.rule.learning_rate),
      .value = "X", .preset = "5e-4", .range = "(0, inf)", .json = "learning_rate",
      .help = "highest learning rate, reached after the warm-up"},
     SETTING("learning_rate", 1), .resume = DT_RESUME_RESTARTS, .section = DT_SECTION_TRAINING},
    {.option = {.name = "batch-size", INT32(settings.batch_size), .value = "N", .preset = "64",
      .range = "[1, 1048576]", .json = "batch_size",
      .help = "sequences of one update"},
     SETTING("batch_size", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "accum-steps", INT32(settings.accum_steps), .value = "N", .preset = "1",
      .range = "[1, 65536]", .json = "accum_steps",
      .help = "batches whose gradients are added up for one update"},
     SETTING("accum_steps", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "epochs", INT32(settings.epochs), .value = "N", .preset = "10",
      .range = "[1, 1000000]", .json = "target_epochs",
      .help = "passes over the training part"},
     SETTING("epochs", 1), .resume = DT_RESUME_ELSEWHERE, .section = DT_SECTION_TRAINING},
    {.option = {.name = "loss-type", CHOICE(settings.loss_type), .preset = "cross_entropy",
      .choices = DT_LOSS_CHOICES, .json = "loss_type",
      .help = "loss; focal counts what is classified well already for less"},
     SETTING("loss_type", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "focal-gamma", DOUBLE(settings.focal_gamma), .value = "X", .preset = "2",
      .range = "[0, inf)", .json = "focal_gamma",
      .help = "focal loss: (1 - e^-l)^X times the cross entropy l"},
     SETTING("focal_gamma", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "focal-reduction", CHOICE(settings.focal_sum), .preset = "mean",
      .choices = "mean|sum", .json = "focal_reduction",
      .help = "focal loss: of a batch"},
     SETTING("focal_sum", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "focal-weight", TEXT(settings.focal_weight), .value = "LISTS",
      .json = "focal_weight",
      .help = "focal loss: weights of the classes, comma-separated in the order of "
              "label2id.json, the lists of the ranks separated by ';' (one list where it fits "
              "every rank)"},
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "class-weights", CHOICE(settings.class_weights), .preset = "none",
      .choices = "none|inverse|sqrt_inverse", .json = "class_weights",
      .help = "weighs a class of n of the N training sequences and C classes of a rank with "
              "N/(C n), or its square root"},
     SETTING("class_weights", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "level-weights",
      LIST(DT_VALUE_DOUBLES, settings.level_weight, settings.level_weight_count, DT_MAX_TAX_RANKS),
      .value = "X", .range = "[0, inf)", .json = "level_weights",
      .help = "weight of each taxonomic rank's loss, first rank first (default: all 1)"},
     SETTING("level_weights", 1), .resume = DT_RESUME_ELSEWHERE, .section = DT_SECTION_TRAINING,
     .per_rank = true},
    {.option = {.name = "early-stopping-patience", INT32(settings.early_stopping_patience),
      .value = "N",
      .preset = "0", .range = "[0, 1000000]", .json = "early_stopping_patience",
      .help = "ends the training after N evaluations in a row that did not improve the "
              "validation loss; 0: never"},
     SETTING("early_stopping_patience", 2), .resume = DT_RESUME_RESTARTS,
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "early-stopping-min-delta", DOUBLE(settings.early_stopping_min_delta),
      .value = "X",
      .preset = "0.001", .range = "[0, inf)", .json = "early_stopping_min_delta",
      .help = "what the validation loss must fall by to be an improvement"},
     SETTING("early_stopping_min_delta", 2), .resume = DT_RESUME_RESTARTS,
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "seed", UINT32(settings.seed), .value = "N", .preset = "42",
      .range = "[0, 4294967295]", .json = "seed",
      .help = "of the split, the initial values, the order and the dropout"},
     SETTING("seed", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "scheduler-warmup-ratio", DOUBLE(settings.warmup_ratio), .value = "X",
      .preset = "0.1", .range = "[0, 1)", .json = "scheduler_warmup_ratio",
      .help = "share of the updates in which the learning rate rises; then it falls to zero"},
     SETTING("warmup_ratio", 1), .resume = DT_RESUME_RESTARTS, .section = DT_SECTION_TRAINING},
    {.option = {.name = "optimizer-betas", VALUE(DT_VALUE_DOUBLES, settings.rule.beta1), .count = 2,
      .value = "X", .preset = "0.9 0.999", .range = "[0, 1)", .json = "betas",
      .help = "AdamW: decay of the two running means"}},
    {.option = {.name = "optimizer-eps", DOUBLE(settings.rule.eps), .value = "X", .preset = "1e-8",
      .range = "(0, inf)", .json = "eps",
      .help = "AdamW: added to the denominator"},
     SETTING("eps", 1)},
    {.option = {.name = "optimizer-weight-decay", DOUBLE(settings.rule.weight_decay), .value = "X",
      .preset = "0.01", .range = "[0, inf)", .json = "weight_decay",
      .help = "AdamW: decoupled weight decay"},
     SETTING("weight_decay", 1)},
    {.option = {.name = "max-grad-norm", DOUBLE(settings.rule.max_grad_norm), .value = "X",
      .preset = "0.5",
      .range = "(0, inf)", .json = "max_grad_norm",
      .help = "gradients with a larger L2 norm are scaled down to it"},
     SETTING("max_grad_norm", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "val-split", DOUBLE(settings.val_split), .value = "X", .preset = "0.2",
      .range = "[0, 1)", .json = "val_split",
      .help = "share of the sequences that validate; 0: all train, and nothing is evaluated"},
     SETTING("val_split", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "eval-every", INT32(settings.eval_every), .value = "N", .preset = "1",
      .range = "[1, 1000000]", .json = "eval_every",
      .help = "epochs from one evaluation to the next"},
     SETTING("eval_every", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = NULL}},
};
/* clang-format on */

dt_value dt_setting_value(const dt_setting *setting, const dt_run *run)
{
    return dt_value_of(&setting->option, run);
}

dt_status dt_settings_copy(dt_run *to, const dt_run *from)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value target = dt_setting_value(setting, to);
        const dt_value source = dt_setting_value(setting, from);
        DT_TRY(dt_value_copy(&target, &source));
    }
    return DT_OK;
}

/* ---- a resumed run --------------------------------------------------------------------------- */

static dt_status add_value(dt_text *out, const dt_value *value)
{
    const int32_t count = dt_value_count(value);
    for (int32_t i = 0; i < count; ++i) {
        if (i > 0)
            DT_TRY(dt_text_add(out, " ", 1));
        DT_TRY(dt_value_add(value, i, out));
    }
    return count > 0 ? DT_OK : dt_text_addf(out, "none");
}

static dt_status refuse(const dt_setting *setting, const dt_value *asked, const dt_value *stored)
{
    dt_text now = {0};
    dt_text then = {0};
    dt_status status = add_value(&now, asked);
    if (status == DT_OK)
        status = add_value(&then, stored);
    if (status == DT_OK)
        status = dt_fail(DT_ERR_USAGE,
                         "--%s %.80s: the run to resume was started with %.80s, and a resumed run "
                         "keeps its settings: leave the flag out or start a new run",
                         setting->option.name, now.data, then.data);
    dt_text_free(&now);
    dt_text_free(&then);
    return status;
}

dt_status dt_settings_resume(dt_run *run, const dt_parsed *parsed, const dt_run *asked,
                             bool restarts)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value now = dt_setting_value(setting, asked);
        const dt_value then = dt_setting_value(setting, run);
        if (setting->resume == DT_RESUME_ELSEWHERE ||
            !dt_option_given(parsed, setting->option.name) || dt_value_equal(&now, &then))
            continue;
        if (setting->resume != DT_RESUME_RESTARTS || !restarts)
            return refuse(setting, &now, &then);
        DT_TRY(dt_value_copy(&then, &now));
    }
    return DT_OK;
}

/* ---- metrics and descriptions ---------------------------------------------------------------- */

static bool applies(const dt_setting *setting, const dt_model_config *config)
{
    switch (setting->part) {
    case DT_PART_CNN:
        return dt_model_has_cnn(config);
    case DT_PART_ENCODER:
        return dt_model_has_encoder(config);
    case DT_PART_ANY:
        break;
    }
    return true;
}

/* The value as files tell it: of an empty list a 1 for each taxonomic rank, at `ones`. */
static dt_value told_value(const dt_setting *setting, const dt_run *run,
                           double ones[DT_MAX_TAX_RANKS])
{
    dt_value value = dt_setting_value(setting, run);
    if (!setting->per_rank || dt_value_count(&value) > 0)
        return value;
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        ones[r] = 1.0;
    value.at = ones;
    value.most = run->config.tax_ranks;
    value.count = NULL;
    return value;
}

void dt_settings_json(dt_json *json, const dt_run *run, dt_run_section section)
{
    double ones[DT_MAX_TAX_RANKS] = {0};
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value value = told_value(setting, run, ones);
        if (setting->section != section)
            continue;
        dt_json_key(json, setting->option.json);
        if (applies(setting, &run->config))
            dt_json_value(json, &value);
        else
            dt_json_null(json);
    }
}

static dt_status add_name(dt_text *out, const dt_setting *setting)
{
    char name[64];
    snprintf(name, sizeof name, "%s", setting->text ? setting->text : setting->option.json);
    for (char *at = name; *at; ++at)
        if (*at == '_')
            *at = '-';
    return dt_text_addf(out, "  %s: ", name);
}

/* 1,024; 0.2; [3, 5, 7]; yes */
static dt_status add_told(dt_text *out, const dt_value *value)
{
    char number[DT_NUMBER_SIZE];
    switch (value->kind) {
    case DT_VALUE_FLAG:
        return dt_text_addf(out, "%s", *(const bool *)value->at ? "yes" : "no");
    case DT_VALUE_INT32:
        return dt_text_addf(out, "%s", dt_with_commas(*(const int32_t *)value->at, number));
    case DT_VALUE_UINT32:
        return dt_text_addf(out, "%s", dt_with_commas(*(const uint32_t *)value->at, number));
    case DT_VALUE_DOUBLE:
        dt_format_double(number, *(const double *)value->at);
        return dt_text_addf(out, "%s", number);
    default:
        return add_value(out, value);
    }
}

static dt_status add_list(dt_text *out, const dt_value *value)
{
    dt_value element = *value;
    const bool numbers = value->kind == DT_VALUE_DOUBLES;
    element.kind = numbers ? DT_VALUE_DOUBLE : DT_VALUE_INT32;
    DT_TRY(dt_text_addf(out, "["));
    for (int32_t i = 0; i < dt_value_count(value); ++i) {
        element.at = numbers ? (void *)((double *)value->at + i) : (int32_t *)value->at + i;
        DT_TRY(dt_text_addf(out, "%s", i ? ", " : ""));
        DT_TRY(add_told(out, &element));
    }
    return dt_text_addf(out, "]");
}

dt_status dt_settings_text(dt_text *out, const dt_run *run, dt_run_section section)
{
    double ones[DT_MAX_TAX_RANKS] = {0};
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value value = told_value(setting, run, ones);
        const bool elsewhere = setting->text && !*setting->text;
        if (setting->section != section || elsewhere || !applies(setting, &run->config))
            continue;
        DT_TRY(add_name(out, setting));
        DT_TRY(dt_value_is_list(value.kind) ? add_list(out, &value) : add_told(out, &value));
        DT_TRY(dt_text_addf(out, "\n"));
    }
    return DT_OK;
}
