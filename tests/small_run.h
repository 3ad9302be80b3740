/* A run of a small hybrid model with one taxonomic rank, for tests of its checkpoints. */
#ifndef DT_TESTS_SMALL_RUN_H
#define DT_TESTS_SMALL_RUN_H

#include <string.h>

#include "published_sizes.h"
#include "run/run.h"
#include "run/settings.h"

/* Fills a zeroed run, freed with dt_run_free(). width: of embeddings, filters and encoder. */
static inline dt_status make_small_run(dt_run *run, int32_t width, int32_t intermediate,
                                       int32_t layers, const char *tokenizer_json)
{
    static const char *const names[] = {"a", "b"};
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting)
        if (setting->key)
            DT_TRY(dt_setting_set_default(setting, run));
    run->progress.update.loss_scale = 1.0;
    run->config = published_sizes();
    run->config.vocabulary = 8;
    run->config.max_length = 16;
    run->config.embed_dim = run->config.filters = run->config.hidden = width;
    run->config.intermediate = intermediate;
    run->config.heads = 2;
    run->config.layers = layers;
    run->config.tax_ranks = 1;
    run->config.classes[0] = 2;
    run->tokenizer_json = strdup(tokenizer_json);
    return dt_taxonomy_add_rank(&run->taxonomy, "genus", 2, names);
}

#endif
