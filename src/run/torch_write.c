#include "run/torch_write.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/memory.h"
#include "io/torch_writer.h"
#include "run/settings.h"
#include "run/state_dict_order.h"
#include "run/torch_content.h"
#include "run/torch_generators.h"
#include "run/torch_tokenizer.h"

/* A tensor of the file: one of the source, or one of those that are computed. */
typedef enum { FROM_SOURCE, UPDATE_COUNT, GENERATOR } content_kind;
typedef struct {
    content_kind kind;
    int group; /* of the source, with `spec` */
    const dt_param_spec *spec;
} content;

typedef struct {
    const dt_run *run;
    const dt_tensor_source *source;
    const dt_param_spec **order; /* (source->table->count) of the state dict */
    content *contents; /* by number of the tensor in the file: at most 4 of a parameter, and 1 */
    int64_t count;
    dt_torch_writer file;
} writer;

bool dt_is_torch_name(const char *path)
{
    const size_t length = strlen(path);
    const size_t suffix = strlen(DT_TORCH_SUFFIX);
    return length > suffix && strcmp(path + length - suffix, DT_TORCH_SUFFIX) == 0;
}

/* ---- the pickle ------------------------------------------------------------------------------ */

static void put_tensor(writer *w, const dt_param_spec *spec, int group)
{
    w->contents[w->count++] = (content){FROM_SOURCE, group, spec};
    dt_torch_put_tensor(&w->file, DT_TORCH_FLOAT32, spec->dims, spec->shape);
}

static void put_state_dict(writer *w)
{
    dt_pickle_writer *pickle = &w->file.pickle;
    dt_pickle_put_text(pickle, "state_dict");
    dt_torch_put_ordered_dict(&w->file);
    dt_pickle_begin_items(pickle);
    for (int32_t i = 0; i < w->source->table->count; ++i) {
        dt_pickle_put_text(pickle, w->order[i]->name);
        put_tensor(w, w->order[i], 0);
    }
    dt_pickle_end_dict(pickle);
}

/* The optimizer's state of parameter i; PyTorch has none of a parameter without gradients, nor
 * before the first update. */
static void put_moments(writer *w, int32_t i)
{
    dt_pickle_writer *pickle = &w->file.pickle;
    dt_pickle_put_int(pickle, i);
    dt_pickle_begin_dict(pickle);
    dt_pickle_put_text(pickle, "step");
    w->contents[w->count++] = (content){.kind = UPDATE_COUNT};
    dt_torch_put_tensor(&w->file, DT_TORCH_FLOAT32, 0, NULL);
    dt_pickle_put_text(pickle, "exp_avg");
    put_tensor(w, w->order[i], 1);
    dt_pickle_put_text(pickle, "exp_avg_sq");
    put_tensor(w, w->order[i], 2);
    dt_pickle_end_dict(pickle);
}

static void put_optimizer(writer *w)
{
    const dt_param_table *table = w->source->table;
    dt_pickle_writer *pickle = &w->file.pickle;
    dt_pickle_put_text(pickle, "optimizer_state_dict");
    dt_pickle_begin_dict(pickle);
    dt_pickle_put_text(pickle, "state");
    dt_pickle_begin_dict(pickle);
    for (int32_t i = 0; i < table->count && w->run->progress.update.steps > 0; ++i)
        if (dt_tensor_exists(table, w->order[i], 1))
            put_moments(w, i);
    dt_pickle_end_dict(pickle);
    dt_pickle_put_text(pickle, "param_groups");
    dt_torch_put_param_groups(pickle, w->run, table->count);
    dt_pickle_end_dict(pickle);
}

static void put_training(writer *w)
{
    dt_pickle_writer *pickle = &w->file.pickle;
    put_optimizer(w);
    dt_torch_put_schedule(pickle, w->run);
    dt_pickle_put_text(pickle, "rng_state");
    w->contents[w->count++] = (content){.kind = GENERATOR};
    dt_torch_put_generators(&w->file, w->run);
}

static void put_all(writer *w, const char *tokenizer_name)
{
    dt_torch_writer_start(&w->file);
    dt_pickle_begin_dict(&w->file.pickle);
    put_state_dict(w);
    if (w->run->has_optimizer)
        put_training(w);
    dt_torch_put_content(&w->file.pickle, w->run, tokenizer_name);
    dt_pickle_end_dict(&w->file.pickle);
}

/* ---- the elements of tensors ----------------------------------------------------------------- */

static dt_status add_rows(void *context, const float *values, int64_t rows, int64_t elements)
{
    dt_zip_writer_add(context, values, (size_t)(rows * elements) * sizeof *values);
    return DT_OK;
}

static dt_status fill(void *context, int64_t number, dt_zip_writer *zip)
{
    writer *w = context;
    const content *tensor = &w->contents[number];
    const float updates = (float)w->run->progress.update.steps;
    unsigned char state[DT_TORCH_GENERATOR_BYTES];
    switch (tensor->kind) {
    case FROM_SOURCE:
        return dt_tensor_blocks(w->source, tensor->group, tensor->spec, add_rows, zip);
    case UPDATE_COUNT:
        dt_zip_writer_add(zip, &updates, sizeof updates);
        break;
    case GENERATOR:
        dt_torch_generator_state(w->run, state);
        dt_zip_writer_add(zip, state, sizeof state);
        break;
    }
    return DT_OK;
}

/* ---- what the format has no place for -------------------------------------------------------- */

dt_status dt_torch_check(const char *path, const dt_run *run)
{
    if (dt_model_has_bag(&run->config))
        return dt_fail(DT_ERR_INPUT,
                       "%s: DeepTaxa has no --model-type kmer: write an .h5 file instead", path);
    if (run->has_optimizer && run->loss_sums.world_size > 0)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: DeepTaxa resumes after whole epochs only, and this checkpoint is within "
            "one: use that of a completed epoch, or --weights-only",
            path);
    if (run->has_optimizer &&
        run->progress.update.steps - run->settings.rule.schedule_start > INT32_MAX)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the schedule counts more updates than a .pt file can: use "
                       "--weights-only",
                       path);
    if (run->settings.loss_type == DT_LOSS_LINEAGE)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: DeepTaxa has no lineage layer (--loss-type lineage), without which the "
            "model's outputs are no probabilities: use it as it is, or train with another "
            "--loss-type",
            path);
    if (run->has_optimizer && run->settings.optimizer != DT_OPTIMIZER_ADAMW)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: DeepTaxa would resume this run, whose optimizer is LAMB, with AdamW: use "
            "--weights-only",
            path);
    return DT_OK;
}

static dt_status add_item(dt_text *list, bool there, const char *item)
{
    return there ? dt_text_addf(list, "%s%s", list->length ? ", " : "", item) : DT_OK;
}

/* Lists the flags of settings that DeepTaxa's --resume takes from its command line alone. */
static dt_status list_flags(dt_text *list, const dt_run *run)
{
    static const char *const flags[] = {"accum-steps",
                                        "eval-every",
                                        "loss-type",
                                        "class-weights",
                                        "focal-weight",
                                        "early-stopping-patience",
                                        "early-stopping-min-delta"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i)
        DT_TRY(dt_settings_add_flag(list, run, flags[i]));
    if (run->config.type == DT_MODEL_CNN) /* of the other types it is in the file */
        return dt_settings_add_flag(list, run, "hidden-dropout-prob");
    return DT_OK;
}

/* DeepTaxa has no flag for it. */
static dt_status add_norm(dt_text *list, const dt_run *run)
{
    dt_text flag = {0};
    dt_status status = dt_settings_add_flag(&flag, run, "max-grad-norm");
    if (status == DT_OK && flag.length > 0)
        status = dt_text_addf(list, "%s%s (DeepTaxa always clips at 0.5)", list->length ? ", " : "",
                              flag.data);
    dt_text_free(&flag);
    return status;
}

static dt_status report_losses(const char *path, const dt_run *run)
{
    dt_text lost = {0};
    dt_text flags = {0};
    dt_status status;
    DT_TRY_OR(done, add_item(&lost, run->lineages.tax_ranks > 0, "lineages"));
    DT_TRY_OR(done, add_item(&lost, run->strand.profile, "strand profile"));
    DT_TRY_OR(done, add_item(&lost, run->strand.sorted,
                             "--orientation auto (give DeepTaxa reads of the training's strand)"));
    DT_TRY_OR(done, add_item(&lost, run->lengths.known, "lengths of the training sequences"));
    DT_TRY_OR(done, add_item(&lost, run->primers.forward[0] != '\0', "primers"));
    if (run->has_optimizer) {
        DT_TRY_OR(done, add_norm(&lost, run));
        DT_TRY_OR(done, list_flags(&flags, run));
    }
    if (lost.length > 0)
        dt_notice("%s: a .pt file has no place for: %s", path, lost.data);
    if (flags.length > 0)
        dt_notice("%s: repeat with DeepTaxa's --resume what a .pt file does not keep: %s", path,
                  flags.data);
done:
    dt_text_free(&lost);
    dt_text_free(&flags);
    return status;
}

/* ---- the file -------------------------------------------------------------------------------- */

static dt_status save(writer *w, const char *path, dt_torch_tokenizer *tokenizer)
{
    DT_TRY(dt_torch_tokenizer_choose(tokenizer, w->run, path));
    put_all(w, tokenizer->name);
    DT_TRY(dt_torch_tokenizer_write(tokenizer, w->run));
    const dt_status status = dt_torch_writer_save(&w->file, path, fill, w);
    if (status != DT_OK)
        dt_torch_tokenizer_undo(tokenizer);
    return status;
}

dt_status dt_torch_write(const char *path, const dt_run *run, const dt_tensor_source *source)
{
    const size_t tensors = (size_t)source->table->count;
    writer w = {.run = run, .source = source};
    dt_torch_tokenizer tokenizer;
    dt_status status;
    DT_TRY(dt_torch_check(path, run));
    DT_TRY_OR(done, DT_NEW(w.order, tensors));
    DT_TRY_OR(done, DT_NEW(w.contents, 4 * tensors + 1));
    dt_state_dict_order(source->table, w.order);
    DT_TRY_OR(done, save(&w, path, &tokenizer));
    if (tokenizer.is_folder)
        dt_notice(
            "%s: its tokenizer was written to %s; DeepTaxa looks for it at this path, so do not "
            "move the folder; after a move, convert again",
            path, tokenizer.name);
    status = report_losses(path, run);
done:
    dt_torch_writer_free(&w.file);
    free(w.order);
    free(w.contents);
    return status;
}
