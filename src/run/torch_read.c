#include "run/torch_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "model/model.h"
#include "run/settings.h"
#include "run/torch_progress.h"
#include "run/torch_value.h"
#include "taxonomy/taxonomy.h"

/* ---- parameters ------------------------------------------------------------------------------ */

const dt_pickle_value *dt_torch_parameters(const dt_torch_file *file)
{
    return dt_pickle_get(dt_torch_root(file), "state_dict");
}

bool dt_torch_is_buffer(const dt_pickle_value *name)
{
    return dt_pickle_is_text(name, "bert.embeddings.position_ids"); /* of older transformers */
}

/* Returns the number of a parameter, by which the optimizer names it; -1 if there is none. */
static int64_t parameter_number(const dt_pickle_value *parameters, const char *name)
{
    int64_t number = 0;
    for (int64_t i = 0; i < parameters->items->count; i += 2) {
        const dt_pickle_value *key = &parameters->items->value[i];
        if (dt_pickle_is_text(key, name))
            return number;
        number += !dt_torch_is_buffer(key);
    }
    return -1;
}

const dt_torch_tensor *dt_torch_parameter(const dt_torch_file *file, dt_vector which,
                                          const char *name)
{
    const dt_pickle_value *parameters = dt_torch_parameters(file);
    if (!parameters || parameters->kind != DT_PICKLE_DICT)
        return NULL;
    if (which == DT_PARAMETERS)
        return dt_torch_tensor_of(dt_pickle_get(parameters, name));
    const dt_pickle_value *optimizer = dt_pickle_get(dt_torch_root(file), "optimizer_state_dict");
    const dt_pickle_value *state =
        dt_pickle_get_int(dt_pickle_get(optimizer, "state"), parameter_number(parameters, name));
    return dt_torch_tensor_of(dt_pickle_get(state, which == DT_EXP_AVG ? "exp_avg" : "exp_avg_sq"));
}

/* ---- sizes of the model ---------------------------------------------------------------------- */

/* Sets *out to a size of a parameter, which must exist. */
static dt_status size_of(const dt_torch_file *file, const char *name, int32_t dimension,
                         int32_t *out)
{
    const dt_torch_tensor *tensor = dt_torch_parameter(file, DT_PARAMETERS, name);
    if (!tensor || tensor->dimensions <= dimension || tensor->shape[dimension] > INT32_MAX)
        return dt_torch_wrong(file, name, "a parameter of the model");
    *out = (int32_t)tensor->shape[dimension];
    return DT_OK;
}

/* The convolution of a layer and kernel width. */
static bool has_convolution(const dt_torch_file *file, const dt_model_config *config, int32_t layer,
                            int32_t kernel, char name[96])
{
    snprintf(name, 96, "conv_stacks.%d.%d.%s0.weight", layer, kernel,
             dt_model_is_deep(config) ? "conv." : "");
    return dt_torch_parameter(file, DT_PARAMETERS, name);
}

static dt_status read_cnn(const dt_torch_file *file, dt_model_config *config)
{
    char name[96];
    config->embed_dim = DT_ONEHOT_CHANNELS;
    config->vocabulary = DT_ONEHOT_IDS;
    if (config->encoding != DT_ENCODING_ONEHOT) {
        DT_TRY(size_of(file, "embedding.weight", 0, &config->vocabulary));
        DT_TRY(size_of(file, "embedding.weight", 1, &config->embed_dim));
    }
    config->kernels = 0;
    while (config->kernels < DT_MAX_KERNELS &&
           has_convolution(file, config, 0, config->kernels, name)) {
        DT_TRY(size_of(file, name, 2, &config->width[config->kernels]));
        DT_TRY(size_of(file, name, 0, &config->filters));
        config->kernels++;
    }
    config->conv_layers = 0;
    while (config->conv_layers <= DT_MAX_CONV_LAYERS &&
           has_convolution(file, config, config->conv_layers, 0, name))
        config->conv_layers++;
    return DT_OK;
}

static dt_status read_encoder(const dt_torch_file *file, const dt_pickle_value *bert,
                              dt_model_config *config)
{
    char name[96];
    DT_TRY(size_of(file, "bert.embeddings.word_embeddings.weight", 0, &config->vocabulary));
    DT_TRY(size_of(file, "bert.embeddings.word_embeddings.weight", 1, &config->hidden));
    DT_TRY(size_of(file, "bert.embeddings.position_embeddings.weight", 0, &config->max_length));
    DT_TRY(
        size_of(file, "bert.encoder.layer.0.intermediate.dense.weight", 0, &config->intermediate));
    for (config->layers = 0; config->layers <= DT_MAX_ENCODER_LAYERS; ++config->layers) {
        snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.self.query.weight",
                 config->layers);
        if (!dt_torch_parameter(file, DT_PARAMETERS, name))
            break;
    }
    return dt_torch_int32(file, bert, "num_attention_heads", &config->heads);
}

static dt_status read_type(const dt_torch_file *file, dt_model_config *config)
{
    const dt_pickle_value *value = dt_pickle_get(dt_torch_root(file), "model_type");
    const char *name = value && value->kind == DT_PICKLE_TEXT ? value->text : "";
    char known[64] = "";
    for (int type = DT_MODEL_HYBRID; type <= DT_MODEL_CNN; ++type) {
        config->type = (dt_model_type)type;
        if (strcasecmp(name, dt_model_type_name(config->type)) == 0)
            return DT_OK;
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s",
                 dt_model_type_name(config->type));
    }
    return dt_fail(DT_ERR_INPUT,
                   "%s: not a model of DeepTaxa: its model_type is '%.40s', not one of:%s",
                   dt_torch_path(file), name, known);
}

/* Files of early versions lack the encoding: a one-hot model's convolutions have four channels. */
static dt_status read_encoding(const dt_torch_file *file, dt_model_config *config)
{
    const dt_pickle_value *value = dt_pickle_get(dt_torch_root(file), "encoding");
    const dt_torch_tensor *first =
        dt_torch_parameter(file, DT_PARAMETERS, "conv_stacks.0.0.conv.0.weight");
    const bool onehot = config->type == DT_MODEL_CNN && first && first->dimensions == 3 &&
                        first->shape[1] == DT_ONEHOT_CHANNELS;
    if (!dt_torch_given(value)) {
        config->encoding = onehot ? DT_ENCODING_ONEHOT : DT_ENCODING_DNABERT;
        return DT_OK;
    }
    return value->kind == DT_PICKLE_TEXT && dt_encoding_named(value->text, &config->encoding)
               ? DT_OK
               : dt_torch_wrong(file, "encoding", DT_ENCODINGS);
}

static dt_status read_config(const dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    dt_model_config *config = &run->config;
    DT_TRY(read_type(file, config));
    DT_TRY(read_encoding(file, config));
    const dt_pickle_value *given = dt_pickle_get(root, "model_config");
    const bool both = dt_model_is_fused(config);
    const dt_pickle_value *cnn = both ? dt_pickle_get(given, "cnn") : given;
    const dt_pickle_value *bert = both ? dt_pickle_get(given, "bert") : given;
    DT_TRY(dt_torch_int32(file, root, "max_length", &config->max_length));
    if (dt_model_has_encoder(config))
        DT_TRY(read_encoder(file, bert, config));
    if (dt_model_has_cnn(config)) {
        DT_TRY(read_cnn(file, config));
        DT_TRY(dt_torch_flag(file, cnn, "mask_padding", &config->mask_padding));
    }
    config->pad_id = -1; /* the tokenizer's */
    return dt_torch_double(file, root, "hidden_dropout_prob", false, &config->dropout);
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* Sets label[id] for each; all ids occur if no two are the same. */
static dt_status place_labels(const dt_torch_file *file, const char *rank,
                              const dt_pickle_items *ids, const char **label)
{
    const int64_t classes = ids->count / 2;
    for (int64_t i = 0; i < classes; ++i) {
        const dt_pickle_value *name = &ids->value[2 * i];
        const dt_pickle_value *id = &ids->value[2 * i + 1];
        if (!dt_torch_is_name(name) || id->kind != DT_PICKLE_INT || id->integer < 0 ||
            id->integer >= classes)
            return dt_fail(DT_ERR_INPUT,
                           "%s: damaged: the ids of the labels at rank %.40s are not 0 to %lld",
                           dt_torch_path(file), rank, (long long)classes - 1);
        if (label[id->integer])
            return dt_fail(DT_ERR_INPUT,
                           "%s: damaged: at rank %.40s, the labels '%.60s' and '%.60s' have the "
                           "same id",
                           dt_torch_path(file), rank, label[id->integer], name->text);
        label[id->integer] = name->text;
    }
    return DT_OK;
}

static dt_status read_rank(const dt_torch_file *file, const char *rank, const dt_pickle_value *ids,
                           dt_run *run)
{
    if (!ids || ids->kind != DT_PICKLE_DICT || ids->items->count < 2 ||
        ids->items->count / 2 > INT32_MAX)
        return dt_torch_wrong(file, "level_label2id", "labels and ids of each taxonomic rank");
    const int32_t classes = (int32_t)(ids->items->count / 2);
    const char **label;
    DT_TRY(DT_NEW(label, (size_t)classes));
    dt_status status = place_labels(file, rank, ids->items, label);
    if (status == DT_OK) {
        run->config.classes[run->taxonomy.tax_ranks] = classes;
        status = dt_taxonomy_add_rank(&run->taxonomy, rank, classes, label);
        if (status == DT_ERR_INPUT)
            status = dt_torch_wrong(file, "level_label2id", "different labels");
    }
    free(label);
    return status;
}

static dt_status read_taxonomy(const dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *ranks = dt_pickle_get(root, "taxonomic_ranks");
    const dt_pickle_value *levels = dt_pickle_get(root, "level_label2id");
    if (!ranks || ranks->kind != DT_PICKLE_LIST || ranks->items->count < 1 ||
        ranks->items->count > DT_MAX_TAX_RANKS)
        return dt_torch_wrong(file, "taxonomic_ranks", "a list of up to 32 names");
    run->config.tax_ranks = (int32_t)ranks->items->count;
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        char key[16];
        const dt_pickle_value *name = &ranks->items->value[r];
        const dt_pickle_value *ids = dt_pickle_get_int(levels, r);
        snprintf(key, sizeof key, "%d", r);
        bool valid = dt_torch_is_name(name) && name->length > 0;
        for (int32_t i = 0; i < r && valid; ++i)
            valid = strcmp(run->taxonomy.rank[i].name, name->text) != 0;
        if (!valid)
            return dt_torch_wrong(file, "taxonomic_ranks", "a list of up to 32 different names");
        DT_TRY(read_rank(file, name->text, ids ? ids : dt_pickle_get(levels, key), run));
    }
    return DT_OK;
}

/* Those of a calibrated model. */
static dt_status read_temperatures(const dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *list = dt_pickle_get(dt_torch_root(file), "level_temperatures");
    bool calibrated = false;
    if (!dt_torch_given(list))
        return DT_OK;
    DT_TRY(dt_torch_doubles(file, list, "level_temperatures", run->config.tax_ranks,
                            run->temperature));
    for (int32_t r = 0; r < run->config.tax_ranks; ++r) {
        if (!(run->temperature[r] > 0.0 && isfinite(run->temperature[r])))
            return dt_torch_wrong(file, "level_temperatures", "positive numbers");
        calibrated = calibrated || run->temperature[r] != 1.0;
    }
    run->temperatures = calibrated ? run->config.tax_ranks : 0;
    return DT_OK;
}

/* ---- all tensors ----------------------------------------------------------------------------- */

static dt_status check_tensor(const dt_torch_file *file, dt_vector which, const dt_param_spec *spec)
{
    const dt_torch_tensor *tensor = dt_torch_parameter(file, which, spec->name);
    if (tensor && dt_param_has_shape(spec, tensor->dimensions, tensor->shape))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: damaged: %s%s %s", dt_torch_path(file),
                   which == DT_PARAMETERS ? "" : "the optimizer's state of ", spec->name,
                   tensor ? "has a shape that does not fit the model" : "is missing");
}

/* The model must have all parameters of the file, and the file those of the model. */
static dt_status check_tensors(const dt_torch_file *file, const dt_run *run,
                               const dt_param_table *table)
{
    const dt_pickle_items *items = dt_torch_parameters(file)->items;
    for (int32_t i = 0; i < table->count; ++i) {
        const dt_param_spec *spec = &table->spec[i];
        DT_TRY(check_tensor(file, DT_PARAMETERS, spec));
        if (!run->has_optimizer || spec->offset >= table->trained)
            continue;
        DT_TRY(check_tensor(file, DT_EXP_AVG, spec));
        DT_TRY(check_tensor(file, DT_EXP_AVG_SQ, spec));
    }
    for (int64_t i = 0; i < items->count; i += 2) {
        const dt_pickle_value *name = &items->value[i];
        if (!dt_torch_is_buffer(name) &&
            (name->kind != DT_PICKLE_TEXT || !dt_params_find(table, name->text)))
            return dt_fail(DT_ERR_INPUT, "%s: has a tensor that a model of type %s lacks: %.96s",
                           dt_torch_path(file), dt_model_type_name(run->config.type),
                           name->kind == DT_PICKLE_TEXT ? name->text : "one without a name");
    }
    return DT_OK;
}

static dt_status check_model(const dt_torch_file *file, dt_run *run)
{
    dt_param_table table = {0};
    if (dt_model_config_check(&run->config) != DT_OK)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid model configuration: %s",
                       dt_torch_path(file), dt_error_message());
    DT_TRY(dt_model_layout(&run->config, &table));
    const dt_status status = check_tensors(file, run, &table);
    run->parameters = table.parameters;
    dt_params_free(&table);
    return status;
}

dt_status dt_torch_read_run(dt_torch_file *file, dt_run *run)
{
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *parameters = dt_torch_parameters(file);
    if (!parameters || parameters->kind != DT_PICKLE_DICT)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: a PyTorch file, but not a model saved by DeepTaxa: it has no state_dict",
            dt_torch_path(file));
    run->of_deeptaxa = true;
    DT_TRY(dt_settings_set_defaults(run));
    DT_TRY(read_config(file, run));
    DT_TRY(read_taxonomy(file, run));
    DT_TRY(read_temperatures(file, run));
    DT_TRY(dt_torch_read_settings(file, run));
    DT_TRY(dt_torch_read_progress(file, run));
    if (run->config.encoding == DT_ENCODING_ONEHOT)
        DT_TRY(dt_copy_text(&run->settings.tokenizer_name, DT_ONEHOT_NAME));
    else
        DT_TRY(dt_torch_text(root, "tokenizer_name", &run->settings.tokenizer_name));
    return check_model(file, run);
}
