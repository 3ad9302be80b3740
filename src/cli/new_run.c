#include "cli/new_run.h"

#include <string.h>

#include "core/log.h"
#include "run/settings.h"
#include "sequence/tokenizer_json.h"
#include "train/schedule.h"

/* Sets vocabulary size and padding token from the dataset's tokenizer or encoding. */
static dt_status read_vocabulary(dt_model_config *config, const dt_dataset *dataset)
{
    dt_tokenizer *tokenizer;
    if (dataset->encoding == DT_ENCODING_ONEHOT)
        DT_TRY(dt_tokenizer_create_onehot(&tokenizer));
    else
        DT_TRY(dt_tokenizer_from_json(dataset->tokenizer_json, strlen(dataset->tokenizer_json),
                                      dataset->tokenizer_name, &tokenizer));
    config->vocabulary = dt_tokenizer_vocabulary_size(tokenizer);
    config->pad_id = dt_tokenizer_pad_id(tokenizer);
    dt_tokenizer_destroy(tokenizer);
    return DT_OK;
}

/* Sets what depends on the dataset. */
static dt_status complete_config(dt_model_config *config, const dt_train_options *o,
                                 const dt_dataset *dataset)
{
    config->encoding = dataset->encoding;
    if (dataset->encoding == DT_ENCODING_ONEHOT && !dt_option_typed(&o->parsed, "embed-dim"))
        config->embed_dim = DT_ONEHOT_CHANNELS;
    config->tax_ranks = dataset->taxonomy.tax_ranks;
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        config->classes[r] = dataset->taxonomy.rank[r].classes;
    DT_TRY(read_vocabulary(config, dataset));
    return dt_model_config_check(config);
}

/* Checks --encoding against that of the shards. */
static dt_status check_encoding(const dt_train_options *o, const dt_dataset *dataset)
{
    if (dt_option_given(&o->parsed, "encoding") && o->asked.config.encoding != dataset->encoding)
        return dt_fail(DT_ERR_USAGE,
                       "--encoding %s: the shards of --data %s were prepared with --encoding %s: "
                       "omit the flag, or prepare other shards",
                       dt_encoding_name(o->asked.config.encoding), o->data,
                       dt_encoding_name(dataset->encoding));
    return DT_OK;
}

static dt_status copy_text(char **to, const char *from)
{
    *to = strdup(from ? from : "");
    return *to ? DT_OK : dt_fail(DT_ERR_MEMORY, "out of memory: a file name");
}

dt_status dt_check_level_weights(const dt_run_settings *asked, int32_t tax_ranks)
{
    if (asked->level_weight_count > 0 && asked->level_weight_count != tax_ranks)
        return dt_fail(DT_ERR_USAGE,
                       "--level-weights: %d weights for %d taxonomic ranks: give one per rank, or "
                       "--no-level-weights",
                       asked->level_weight_count, tax_ranks);
    return DT_OK;
}

/* Whether the weights come from the --config file of a run with other ranks, and are all 1: the
 * default, which metrics and descriptions write for each rank. */
static bool default_of_other_ranks(const dt_train_options *o, int32_t tax_ranks)
{
    const dt_run_settings *asked = &o->asked.settings;
    if (dt_option_typed(&o->parsed, "level-weights") || asked->level_weight_count == tax_ranks)
        return false;
    for (int32_t r = 0; r < asked->level_weight_count; ++r)
        if (asked->level_weight[r] != 1.0)
            return false;
    return true;
}

/* Copies the dataset's description into the settings. */
static dt_status complete_settings(dt_run_settings *settings, const dt_dataset *dataset)
{
    settings->normalize = dataset->normalized;
    DT_TRY(copy_text(&settings->fasta_file, dataset->fasta_file));
    DT_TRY(copy_text(&settings->taxonomy_file, dataset->taxonomy_file));
    return copy_text(&settings->tokenizer_name, dataset->tokenizer_name);
}

static dt_status copy_taxonomy(dt_taxonomy *to, const dt_taxonomy *from)
{
    for (int32_t r = 0; r < from->tax_ranks; ++r)
        DT_TRY(dt_taxonomy_add_rank(to, from->rank[r].name, from->rank[r].classes,
                                    (const char *const *)from->rank[r].label));
    return DT_OK;
}

dt_status dt_new_run(dt_run *run, const dt_train_options *o, const dt_dataset *dataset)
{
    DT_TRY(check_encoding(o, dataset));
    DT_TRY(dt_settings_copy(run, &o->asked));
    if (o->no_level_weights || default_of_other_ranks(o, dataset->taxonomy.tax_ranks))
        run->settings.level_weight_count = 0;
    DT_TRY(dt_check_level_weights(&run->settings, dataset->taxonomy.tax_ranks));
    DT_TRY(complete_config(&run->config, o, dataset));
    DT_TRY(complete_settings(&run->settings, dataset));
    run->primers = dataset->primers;
    DT_TRY(copy_taxonomy(&run->taxonomy, &dataset->taxonomy));
    if (dataset->tokenizer_json)
        DT_TRY(copy_text(&run->tokenizer_json, dataset->tokenizer_json));
    memcpy(run->settings.data_checksum, dataset->checksum, sizeof run->settings.data_checksum);
    if (!dataset->stream)
        DT_TRY(dt_fingerprints_of(&run->sequences, dataset));
    return dt_training_schedule(run, dataset);
}
