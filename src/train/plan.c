#include "train/plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/batch.h"
#include "io/output.h"
#include "train/step.h"

/* On a host the matrices of a piece should be large enough for full speed of the products and no
 * larger: beyond this many tokens the speed stays and only memory grows. */
#define HOST_PIECE_TOKENS 8192

/* Share of the device's memory that a run may plan with: the rest is for the system, libraries and
 * what else runs there. */
#define USABLE_MEMORY 0.8

static dt_status bytes_for(int64_t *bytes, const dt_model *model, const dt_dataset *dataset,
                           int32_t piece)
{
    int64_t tokens;
    DT_TRY(dt_batch_most_tokens(dataset, dt_model_config_of(model)->max_length, piece, &tokens));
    *bytes = dt_model_vector_bytes(model) + dt_model_buffer_bytes(model, piece, tokens);
    return DT_OK;
}

static int32_t host_piece(const dt_model *model, const dt_dataset *dataset, int32_t share)
{
    const int64_t all = dataset->offsets[dataset->count];
    int64_t mean = all / dataset->count;
    if (mean > dt_model_config_of(model)->max_length)
        mean = dt_model_config_of(model)->max_length;
    const int64_t piece = HOST_PIECE_TOKENS / (mean > 0 ? mean : 1);
    return piece < 1 ? 1 : piece < share ? (int32_t)piece : share;
}

dt_status dt_plan_micro_batch(dt_run_settings *settings, const dt_model *model,
                              const dt_dataset *dataset, const dt_comm *comm)
{
    dt_backend *backend = dt_model_backend(model);
    const int32_t share = (settings->batch_size + comm->world_size - 1) / comm->world_size;
    const bool given = settings->micro_batch > 0;
    int64_t available;
    int64_t total;
    int64_t bytes;
    backend->ops->memory(backend, &available, &total);
    total /= backend->host_memory ? comm->local_size : 1; /* ranks of a host share its memory */
    const int64_t usable = (int64_t)(USABLE_MEMORY * (double)total);
    int32_t piece = given ? settings->micro_batch : share;
    if (piece > share)
        piece = share;
    if (!given && backend->host_memory)
        piece = host_piece(model, dataset, share);
    DT_TRY(bytes_for(&bytes, model, dataset, piece));
    while (!given && bytes > usable && piece > 1) {
        piece = (piece + 1) / 2;
        DT_TRY(bytes_for(&bytes, model, dataset, piece));
    }
    if (bytes > usable)
        return dt_fail(DT_ERR_MEMORY,
                       "this model needs %.1f GB for %d sequences at a time, the device has %.1f "
                       "GB: lower --micro-batch-size, --max-length, --hidden-size or "
                       "--num-hidden-layers",
                       (double)bytes * 1e-9, piece, (double)total * 1e-9);
    settings->micro_batch = piece;
    return DT_OK;
}

dt_status dt_plan_copy_fits(bool *fits, const dt_run_settings *settings, const dt_model *model,
                            const dt_dataset *dataset, const dt_comm *comm)
{
    const int64_t copy =
        dt_checkpoint_copy_elements(dt_model_params(model)) * (int64_t)sizeof(float);
    const double host = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    int64_t planned = 0;
    if (dt_model_backend(model)->host_memory)
        DT_TRY(bytes_for(&planned, model, dataset, settings->micro_batch));
    *fits = (double)(planned + copy) <= USABLE_MEMORY * host / comm->local_size;
    return DT_OK;
}

/* ---- what is shown ------------------------------------------------------------------------------
 */

/* The part of a name that its layer is called: up to the number of the layer, else its first one or
 * two components. */
static int layer_name_length(const char *name)
{
    static const char encoder[] = "bert.encoder.layer.";
    const char *end;
    if (strncmp(name, encoder, sizeof encoder - 1) == 0)
        end = strchr(name + sizeof encoder - 1, '.');
    else if (strncmp(name, "bert.", 5) == 0)
        end = strchr(name + 5, '.');
    else if (strncmp(name, "classifiers.", 12) == 0)
        end = strchr(name + 12, '.');
    else
        end = strchr(name, '.');
    return end ? (int)(end - name) : (int)strlen(name);
}

/* True when a tensor before `i` belongs to the same layer. */
static bool was_shown(const dt_param_table *table, int32_t i, int length)
{
    for (int32_t j = 0; j < i; ++j)
        if (layer_name_length(table->spec[j].name) == length &&
            strncmp(table->spec[j].name, table->spec[i].name, (size_t)length) == 0)
            return true;
    return false;
}

dt_status dt_plan_parameters(dt_text *out, const dt_param_table *table)
{
    char number[32];
    DT_TRY(dt_text_addf(out, "%-32s %16s\n", "Layer", "Parameters"));
    for (int32_t i = 0; i < table->count; ++i) {
        const char *name = table->spec[i].name;
        const int length = layer_name_length(name);
        int64_t parameters = 0;
        if (was_shown(table, i, length))
            continue;
        for (int32_t j = i; j < table->count; ++j)
            if (layer_name_length(table->spec[j].name) == length &&
                strncmp(table->spec[j].name, name, (size_t)length) == 0)
                parameters += table->spec[j].count;
        DT_TRY(
            dt_text_addf(out, "%-32.*s %16s\n", length, name, dt_with_commas(parameters, number)));
    }
    return dt_text_addf(out, "%-32s %16s\n", "Total parameters",
                        dt_with_commas(table->parameters, number));
}

dt_status dt_plan_run(dt_text *out, const dt_checkpoint *run, const dt_model *model,
                      const dt_dataset *dataset, bool copy_fits)
{
    const dt_run_settings *settings = &run->settings;
    const int64_t updates = dt_updates_per_epoch(settings->training_sequences, settings);
    char a[32];
    char b[32];
    char c[32];
    int64_t bytes;
    DT_TRY(bytes_for(&bytes, model, dataset, settings->micro_batch));
    for (int32_t r = 0; r < run->taxonomy.tax_ranks; ++r)
        DT_TRY(dt_text_addf(out, "Level %d - %s: %d labels\n", r, run->taxonomy.rank[r].name,
                            run->taxonomy.rank[r].classes));
    DT_TRY(dt_text_addf(out, "Sequences: %s to train on, %s to validate on\n",
                        dt_with_commas(settings->training_sequences, a),
                        dt_with_commas(settings->validation_sequences, b)));
    DT_TRY(dt_text_addf(out, "Steps: %s an epoch, %s in %d epochs, the first %s to warm up\n",
                        dt_with_commas(updates, a), dt_with_commas(settings->rule.total_steps, b),
                        settings->epochs, dt_with_commas(settings->rule.warmup_steps, c)));
    DT_TRY(dt_text_addf(out,
                        "Batch: %s sequences an update, accumulated over %d, %d at a time on each "
                        "of %d ranks\n",
                        dt_with_commas((int64_t)settings->batch_size * settings->accum_steps, a),
                        settings->accum_steps, settings->micro_batch, settings->world_size));
    DT_TRY(dt_text_addf(out,
                        "Memory: %.2f GB for the model and one piece of a batch, %.3f GB for "
                        "the tokens",
                        (double)bytes * 1e-9, 2e-9 * (double)dataset->offsets[dataset->count]));
    if (copy_fits)
        DT_TRY(dt_text_addf(out, ", %.2f GB to write checkpoints beside the training",
                            4e-9 * (double)dt_checkpoint_copy_elements(dt_model_params(model))));
    DT_TRY(dt_text_addf(out, "\n"));
    return dt_text_addf(out, "Device: %s\n", settings->device);
}
