#include "run/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/config_file.h"

/* Kind and member of a value; for a list also the member with its length, and its capacity. */
#define VALUE(value_kind, member) .kind = (value_kind), .offset = offsetof(dt_run, member)
#define FLAG(member) VALUE(DT_VALUE_FLAG, member)
#define INT32(member) VALUE(DT_VALUE_INT32, member)
#define UINT32(member) VALUE(DT_VALUE_UINT32, member)
#define DOUBLE(member) VALUE(DT_VALUE_DOUBLE, member)
#define TEXT(member) VALUE(DT_VALUE_TEXT, member)
#define CHOICE(member) VALUE(DT_VALUE_CHOICE, member)
#define LIST(list_kind, member, length, memory)                                                    \
    VALUE(list_kind, member), .counter = offsetof(dt_run, length), .most = (memory)

/* Group and key in a checkpoint, and the first format version that has it. */
#define CONFIG(name, version) .group = "config", .key = (name), .since = (version)
#define SETTING(name, version) .group = "settings", .key = (name), .since = (version)

#define MODEL_TYPE "model-type"

/* The default of a model of type kmer. */
#define KMER(text) other = {.option = MODEL_TYPE, .choice = "kmer", .value = (text)}

/* The types that have a part which the setting describes: those with `true` in its column of
 * DT_MODEL_TYPES, as "|cnn|kmer". */
#define NAME_IF_true(name) "|" #name
#define NAME_IF_false(name) ""
#define WITH_ENCODER(enumerator, name, encoder, cnn, deep, bag) NAME_IF_##encoder(name)
#define WITH_CNN(enumerator, name, encoder, cnn, deep, bag) NAME_IF_##cnn(name)
#define WITH_BAG(enumerator, name, encoder, cnn, deep, bag) NAME_IF_##bag(name)
#define NEEDS_TYPES(bar_names) needs = {.option = MODEL_TYPE, .choices = &(bar_names)[1]}
#define NEEDS_ENCODER NEEDS_TYPES(DT_MODEL_TYPES(WITH_ENCODER))
#define NEEDS_CNN NEEDS_TYPES(DT_MODEL_TYPES(WITH_CNN))
#define NEEDS_BAG NEEDS_TYPES(DT_MODEL_TYPES(WITH_BAG))
#define NEEDS_FOCAL needs = {.option = "loss-type", .choices = "focal"}
#define NEEDS_HIDDEN NEEDS_TYPES(DT_MODEL_TYPES(WITH_ENCODER) DT_MODEL_TYPES(WITH_BAG))

/* --optimizer-betas sets both. */
_Static_assert(offsetof(dt_update_rule, beta2) == offsetof(dt_update_rule, beta1) + sizeof(double),
               "the betas are next to each other");

/* Keep each row compact: */
/* clang-format off */
const dt_setting dt_settings[] = {
    {.option = {.group = "Model", .name = MODEL_TYPE, CHOICE(config.type),
      .default_value = "hybridcnnbert", .choices = DT_MODEL_TYPE_CHOICES, .json = "model_type",
      .help = "architecture: CNN and BERT encoder, only one of them, or kmer: a bag of k-mers, "
              "without either"},
     CONFIG("model_type", 1), .named = true, .section = DT_SECTION_MODEL, .text = ""},
    {.option = DT_OPTION_ENCODING(dt_run, config.encoding), .option.KMER("onehot"),
     CONFIG("encoding", 3), .named = true, .section = DT_SECTION_MODEL, .text = ""},
    {.option = {.name = "max-length", INT32(config.max_length), .value = "N",
      .default_value = "512", .KMER("2048"), .range = "[3, 65536]", .json = "max_length",
      .help = "maximum sequence length in tokens, including special tokens (--encoding onehot: "
              "in bases)"},
     CONFIG("max_length", 1), .section = DT_SECTION_MODEL},
    {.option = {.name = "kmer-size", INT32(config.kmer_size), .value = "K",
      .default_value = "7", .range = "[1, 8]", .json = "kmer_size",
      .help = "--model-type kmer: bases of a k-mer"},
     CONFIG("kmer_size", 7), .section = DT_SECTION_MODEL, .option.NEEDS_BAG},
    {.option = {.name = "embed-dim", INT32(config.embed_dim), .value = "N",
      .default_value = "896", .other = {.option = "encoding", .choice = "onehot", .value = "4"},
      .range = "[1, 65536]", .json = "embed_dim",
      .help = "width of the CNN's token embedding (--encoding onehot: fixed, 4 channels)"},
     CONFIG("embed_dim", 1), .section = DT_SECTION_MODEL, .option.NEEDS_CNN,
     .option.also = {.option = "encoding", .choices = "dnabert"}},
    {.option = {.name = "num-filters", INT32(config.filters), .value = "N",
      .default_value = "256", .range = "[1, 65536]", .json = "num_filters",
      .help = "filters per kernel width"},
     CONFIG("num_filters", 1), .section = DT_SECTION_MODEL, .option.NEEDS_CNN},
    {.option = {.name = "kernel-sizes",
      LIST(DT_VALUE_INTS, config.width, config.kernels, DT_MAX_KERNELS), .value = "N",
      .default_value = "3 5 7", .range = "[1, 255]", .json = "kernel_sizes",
      .help = "kernel widths in tokens, odd numbers"},
     CONFIG("kernel_sizes", 1), .section = DT_SECTION_MODEL, .option.NEEDS_CNN},
    {.option = {.name = "num-conv-layers", INT32(config.conv_layers), .value = "N",
      .default_value = "1", .range = "[1, 64]", .json = "num_conv_layers",
      .help = "number of convolution layers"},
     CONFIG("num_conv_layers", 1), .section = DT_SECTION_MODEL, .option.NEEDS_CNN},
    {.option = {.name = "hidden-size", INT32(config.hidden), .value = "N", .default_value = "896",
      .KMER("256"), .range = "[1, 65536]", .json = "hidden_size",
      .help = "width of the encoder, a multiple of --num-attention-heads; of --model-type kmer: "
              "of its embeddings"},
     CONFIG("hidden_size", 1), .section = DT_SECTION_MODEL, .option.NEEDS_HIDDEN},
    {.option = {.name = "num-hidden-layers", INT32(config.layers), .value = "N",
      .default_value = "4", .range = "[1, 240]", .json = "num_hidden_layers",
      .help = "number of encoder layers"},
     CONFIG("num_hidden_layers", 1), .section = DT_SECTION_MODEL, .option.NEEDS_ENCODER},
    {.option = {.name = "num-attention-heads", INT32(config.heads), .value = "N",
      .default_value = "7", .range = "[1, 4095]", .json = "num_attention_heads",
      .help = "number of attention heads"},
     CONFIG("num_attention_heads", 1), .section = DT_SECTION_MODEL, .option.NEEDS_ENCODER},
    {.option = {.name = "intermediate-size", INT32(config.intermediate), .value = "N",
      .default_value = "3584", .range = "[1, 1048576]", .json = "intermediate_size",
      .help = "width of the encoder's feed-forward layers"},
     CONFIG("intermediate_size", 1), .section = DT_SECTION_MODEL, .option.NEEDS_ENCODER},
    {.option = {.name = "hidden-dropout-prob", DOUBLE(config.dropout), .value = "P",
      .default_value = "0.2", .KMER("0.3"), .range = "[0, 1)", .json = "dropout_prob",
      .help = "dropout probability"},
     CONFIG("hidden_dropout_prob", 1), .section = DT_SECTION_MODEL,
     .text = "hidden-dropout-prob"},
    {.option = {.name = "mask-padding", FLAG(config.mask_padding), .json = "mask_padding",
      .help = "exclude padded positions from the CNN's maximum (unlike the published models)"},
     CONFIG("mask_padding", 1), .section = DT_SECTION_MODEL, .option.NEEDS_CNN, .always = true},
    {.option = {.group = "Training", .name = "learning-rate", DOUBLE(settings.learning_rate),
      .value = "X", .default_value = "5e-4", .KMER("3e-3"), .range = "(0, inf)", .json = "learning_rate",
      .help = "peak learning rate, reached after the warm-up"},
     SETTING("learning_rate", 1), .resume = DT_RESUME_RESTARTS, .section = DT_SECTION_TRAINING},
    {.option = {.name = "scale-learning-rate", CHOICE(settings.rate_scaling),
      .default_value = "none", .choices = "none|sqrt|linear", .json = "scale_learning_rate",
      .help = "multiply the learning rate by N/64, or its square root, for updates of N sequences "
              "(--batch-size times --accum-steps)"},
     SETTING("scale_learning_rate", 4), .named = true, .resume = DT_RESUME_RESTARTS,
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "batch-size", INT32(settings.batch_size), .value = "N",
      .default_value = "64", .KMER("128"), .range = "[1, 1048576]", .json = "batch_size",
      .help = "sequences per batch, over all ranks"},
     SETTING("batch_size", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "accum-steps", INT32(settings.accum_steps), .value = "N",
      .default_value = "1", .range = "[1, 65536]", .json = "accum_steps",
      .help = "batches whose gradients are accumulated for one update"},
     SETTING("accum_steps", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "epochs", INT32(settings.epochs), .value = "N", .default_value = "10",
      .KMER("15"), .range = "[1, 1000000]", .json = "target_epochs",
      .help = "passes over the training sequences"},
     SETTING("epochs", 1), .resume = DT_RESUME_ELSEWHERE, .section = DT_SECTION_TRAINING},
    {.option = {.name = "loss-type", CHOICE(settings.loss_type), .default_value = "cross_entropy", .KMER("lineage"),
      .choices = DT_LOSS_CHOICES, .json = "loss_type",
      .help = "loss function; focal gives less weight to well-classified sequences; lineage is the "
              "cross entropy of each rank's sums over whole lineages of the training set"},
     SETTING("loss_type", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "focal-gamma", DOUBLE(settings.focal_gamma), .value = "X",
      .default_value = "2", .range = "[0, inf)", .json = "focal_gamma",
      .help = "focal loss: exponent X in (1 - e^-l)^X * l, l being the cross entropy"},
     .option.NEEDS_FOCAL, SETTING("focal_gamma", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "focal-reduction", CHOICE(settings.focal_sum), .default_value = "mean",
      .choices = "mean|sum", .json = "focal_reduction",
      .help = "focal loss: reduction over a batch"},
     .option.NEEDS_FOCAL, SETTING("focal_sum", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "focal-weight", TEXT(settings.focal_weight), .value = "LISTS",
      .json = "focal_weight",
      .help = "focal loss: class weights, separated by ',' in the order of label2id.json; one "
              "list per taxonomic rank, separated by ';' (or a single list for all)"},
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "class-weights", CHOICE(settings.class_weights), .default_value = "none",
      .choices = "none|inverse|sqrt_inverse", .json = "class_weights",
      .help = "class weights by frequency: inverse: N/(C n) for a class with n of the N "
              "training sequences at a taxonomic rank with C classes; sqrt_inverse: its square "
              "root"},
     SETTING("class_weights", 2), .section = DT_SECTION_TRAINING},
    {.option = {.name = "level-weights",
      LIST(DT_VALUE_DOUBLES, settings.level_weight, settings.level_weight_count, DT_MAX_TAX_RANKS),
      .value = "X", .range = "[0, inf)", .json = "level_weights",
      .needs = {.option = "no-level-weights", .absent = true},
      .help = "weights of the taxonomic ranks' losses, in the order of the ranks (default: all "
              "1)"},
     SETTING("level_weights", 1), .resume = DT_RESUME_ELSEWHERE, .section = DT_SECTION_TRAINING,
     .per_rank = true},
    {.option = {.name = "early-stopping-patience", INT32(settings.early_stopping_patience),
      .value = "N", .default_value = "0", .range = "[0, 1000000]",
      .json = "early_stopping_patience",
      .help = "stop after N evaluations in a row without improvement of the validation loss; 0: "
              "never"},
     SETTING("early_stopping_patience", 2), .resume = DT_RESUME_RESTARTS,
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "early-stopping-min-delta", DOUBLE(settings.early_stopping_min_delta),
      .value = "X", .default_value = "0.001", .range = "[0, inf)",
      .json = "early_stopping_min_delta",
      .needs = {.option = "early-stopping-patience"},
      .help = "minimum decrease of the validation loss that counts as an improvement"},
     SETTING("early_stopping_min_delta", 2), .resume = DT_RESUME_RESTARTS,
     .section = DT_SECTION_TRAINING},
    {.option = {.name = "seed", UINT32(settings.seed), .value = "N", .default_value = "42",
      .range = "[0, 4294967295]", .json = "seed",
      .help = "random seed (split, initialisation, order, dropout)"},
     SETTING("seed", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "scheduler-warmup-ratio", DOUBLE(settings.warmup_ratio), .value = "X",
      .default_value = "0.1", .range = "[0, 1)", .json = "scheduler_warmup_ratio",
      .help = "fraction of the updates used for warm-up; the learning rate then decays to zero"},
     SETTING("warmup_ratio", 1), .resume = DT_RESUME_RESTARTS, .section = DT_SECTION_TRAINING},
    {.option = {.name = "optimizer-type", CHOICE(settings.optimizer), .default_value = "adamw",
      .choices = "adamw|lamb", .json = "optimizer_type",
      .help = "lamb: AdamW whose step in each matrix is scaled to the norm of the matrix, for "
              "batches of hundreds of sequences; needs a learning rate of its own"},
     SETTING("optimizer_type", 6), .named = true, .section = DT_SECTION_TRAINING},
    {.option = {.name = "optimizer-betas", VALUE(DT_VALUE_DOUBLES, settings.rule.beta1),
      .count = 2, .value = "X", .default_value = "0.9 0.999", .range = "[0, 1)", .json = "betas",
      .help = "decay rates of the first and second moments"}},
    {.option = {.name = "optimizer-eps", DOUBLE(settings.rule.eps), .value = "X",
      .default_value = "1e-8", .range = "(0, inf)", .json = "eps",
      .help = "added to the denominator of a step"},
     SETTING("eps", 1)},
    {.option = {.name = "optimizer-weight-decay", DOUBLE(settings.rule.weight_decay),
      .value = "X", .default_value = "0.01", .range = "[0, inf)", .json = "weight_decay",
      .help = "decoupled weight decay"},
     SETTING("weight_decay", 1)},
    {.option = {.name = "max-grad-norm", DOUBLE(settings.rule.max_grad_norm), .value = "X",
      .default_value = "0.5", .range = "(0, inf)", .json = "max_grad_norm",
      .help = "maximum L2 norm of the gradient; larger gradients are scaled down"},
     SETTING("max_grad_norm", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "val-split", DOUBLE(settings.val_split), .value = "X",
      .default_value = "0.2", .range = "[0, 1)", .json = "val_split",
      .help = "fraction of the sequences used for validation; 0: none, and no evaluation"},
     SETTING("val_split", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = "eval-every", INT32(settings.eval_every), .value = "N",
      .default_value = "1", .range = "[1, 1000000]", .json = "eval_every",
      .help = "epochs between evaluations"},
     SETTING("eval_every", 1), .section = DT_SECTION_TRAINING},
    {.option = {.name = NULL}},
};
/* clang-format on */

dt_value dt_setting_value(const dt_setting *setting, const dt_run *run)
{
    return dt_value_of(&setting->option, run);
}

dt_status dt_setting_set_default(const dt_setting *setting, dt_run *run)
{
    const dt_value value = dt_setting_value(setting, run);
    const char *text = setting->option.default_value;
    return text ? dt_value_store(&setting->option, &value, 1, &text) : DT_OK;
}

dt_status dt_settings_set_defaults(dt_run *run)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting)
        DT_TRY(dt_setting_set_default(setting, run));
    return DT_OK;
}

/* Sets *is to whether the setting has its default in a run. */
static dt_status has_default(const dt_setting *setting, const dt_run *run, bool *is)
{
    dt_run defaults = {0};
    const dt_value value = dt_setting_value(setting, run);
    const dt_value usual = dt_setting_value(setting, &defaults);
    DT_TRY(dt_setting_set_default(setting, &defaults));
    *is = dt_value_equal(&value, &usual);
    return DT_OK;
}

dt_status dt_settings_raise_version(const dt_run *run, int32_t *version)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        bool is_default;
        if (!setting->key || setting->since <= *version)
            continue;
        DT_TRY(has_default(setting, run, &is_default));
        if (!is_default)
            *version = setting->since;
    }
    return DT_OK;
}

static dt_status add_flag(dt_text *list, const dt_setting *setting, const dt_value *value)
{
    DT_TRY(dt_text_addf(list, "%s--%s ", list->length ? " " : "", setting->option.name));
    return dt_value_add_all(value, false, list);
}

dt_status dt_settings_add_flag(dt_text *list, const dt_run *run, const char *name)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value value = dt_setting_value(setting, run);
        bool is_default;
        if (strcmp(setting->option.name, name) != 0)
            continue;
        DT_TRY(has_default(setting, run, &is_default));
        return is_default ? DT_OK : add_flag(list, setting, &value);
    }
    return dt_fail(DT_ERR_INTERNAL, "no setting --%s", name);
}

/* A setting of the model is always known. */
static bool is_unknown(const dt_setting *setting, const dt_run *run)
{
    const char *name = setting->option.name;
    const size_t length = strlen(name);
    size_t word;
    if (setting->section != DT_SECTION_TRAINING)
        return false;
    for (const char *at = run->unknown; at && *at; at += word + strspn(at + word, " ")) {
        word = strcspn(at, " ");
        if (word == length && strncmp(at, name, length) == 0)
            return true;
    }
    return false;
}

dt_status dt_settings_complete(dt_run *run, const dt_run *given, dt_text *list)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value to = dt_setting_value(setting, run);
        const dt_value from = dt_setting_value(setting, given);
        if (!is_unknown(setting, run))
            continue;
        DT_TRY(dt_value_copy(&to, &from));
        if (dt_value_count(&to) > 0)
            DT_TRY(add_flag(list, setting, &to));
    }
    free(run->unknown);
    run->unknown = NULL;
    return DT_OK;
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
    return dt_value_count(value) > 0 ? dt_value_add_all(value, false, out)
                                     : dt_text_addf(out, "none");
}

static dt_status refuse(const dt_setting *setting, const dt_value *given, const dt_value *stored)
{
    dt_text now = {0};
    dt_text then = {0};
    dt_status status = add_value(&now, given);
    if (status == DT_OK)
        status = add_value(&then, stored);
    if (status == DT_OK)
        status = dt_fail(DT_ERR_USAGE,
                         "--%s %.80s: the run to resume was started with %.80s and keeps its "
                         "settings: omit the flag or start a new run",
                         setting->option.name, now.data, then.data);
    dt_text_free(&now);
    dt_text_free(&then);
    return status;
}

dt_status dt_settings_resume(dt_run *run, const dt_parsed *parsed, const dt_run *given,
                             bool restarts)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value now = dt_setting_value(setting, given);
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

/* ---- a model to start from -------------------------------------------------------------------- */

static bool applies(const dt_setting *setting, const dt_model_config *config)
{
    const dt_need *needs = &setting->option.needs;
    return setting->always || !needs->option || strcmp(needs->option, MODEL_TYPE) != 0 ||
           dt_choice_named(needs->choices, dt_model_type_name(config->type)) >= 0;
}

/* Whether the setting is a size, or another choice that changes the parameters. */
static bool is_size(const dt_setting *setting)
{
    const dt_value_kind kind = setting->option.kind;
    return setting->section == DT_SECTION_MODEL && kind != DT_VALUE_DOUBLE && kind != DT_VALUE_FLAG;
}

dt_status dt_settings_list_sizes(dt_text *out, const dt_run *theirs, const dt_run *ours)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value there = dt_setting_value(setting, theirs);
        const dt_value here = dt_setting_value(setting, ours);
        if (!is_size(setting) || !applies(setting, &theirs->config) ||
            !applies(setting, &ours->config) || dt_value_equal(&there, &here))
            continue;
        DT_TRY(dt_text_addf(out, "%s%s ", out->length ? ", " : "", setting->option.name));
        DT_TRY(add_value(out, &there));
        DT_TRY(dt_text_addf(out, " (this model: "));
        DT_TRY(add_value(out, &here));
        DT_TRY(dt_text_addf(out, ")"));
    }
    return DT_OK;
}

/* ---- metrics and descriptions ---------------------------------------------------------------- */

/* Returns the value as written to files: for an empty list per taxonomic rank, all 1 (`ones`). */
static dt_value output_value(const dt_setting *setting, const dt_run *run,
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
        const dt_value value = output_value(setting, run, ones);
        if (setting->section != section)
            continue;
        dt_json_key(json, setting->option.json);
        if (applies(setting, &run->config) && !is_unknown(setting, run))
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

/* Adds a value in the form 1,024 or 0.2 or yes. */
static dt_status add_formatted(dt_text *out, const dt_value *value)
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

/* Adds a list in the form [3, 5, 7]. */
static dt_status add_list(dt_text *out, const dt_value *value)
{
    dt_value element = *value;
    const bool numbers = value->kind == DT_VALUE_DOUBLES;
    element.kind = numbers ? DT_VALUE_DOUBLE : DT_VALUE_INT32;
    DT_TRY(dt_text_addf(out, "["));
    for (int32_t i = 0; i < dt_value_count(value); ++i) {
        element.at = numbers ? (void *)((double *)value->at + i) : (int32_t *)value->at + i;
        DT_TRY(dt_text_addf(out, "%s", i ? ", " : ""));
        DT_TRY(add_formatted(out, &element));
    }
    return dt_text_addf(out, "]");
}

dt_status dt_settings_text(dt_text *out, const dt_run *run, dt_run_section section)
{
    double ones[DT_MAX_TAX_RANKS] = {0};
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting) {
        const dt_value value = output_value(setting, run, ones);
        const bool elsewhere = setting->text && !*setting->text;
        if (setting->section != section || elsewhere || !applies(setting, &run->config))
            continue;
        DT_TRY(add_name(out, setting));
        if (is_unknown(setting, run))
            DT_TRY(dt_text_addf(out, "unknown"));
        else
            DT_TRY(dt_value_is_list(value.kind) ? add_list(out, &value)
                                                : add_formatted(out, &value));
        DT_TRY(dt_text_addf(out, "\n"));
    }
    return DT_OK;
}
