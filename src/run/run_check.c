#include "run/run_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/memory.h"
#include "core/printable.h"
#include "core/uuid.h"
#include "neighbours/use.h"
#include "run/settings.h"

/* ---- settings -------------------------------------------------------------------------------- */

/* Returns element i of a number or a list of numbers. */
static double number_at(const dt_value *value, int32_t i)
{
    switch (value->kind) {
    case DT_VALUE_INT:
        return (double)*(const int64_t *)value->at;
    case DT_VALUE_UINT32:
        return *(const uint32_t *)value->at;
    case DT_VALUE_DOUBLE:
        return *(const double *)value->at;
    case DT_VALUE_DOUBLES:
        return ((const double *)value->at)[i];
    default:
        return ((const int32_t *)value->at)[i];
    }
}

/* A setting of a checkpoint has a value that the command line could have given it. */
static dt_status check_setting(const dt_run *run, const dt_setting *setting, const char *path)
{
    const dt_value value = dt_setting_value(setting, run);
    for (int32_t i = 0; i < dt_value_count(&value); ++i)
        if (!dt_option_allows(&setting->option, number_at(&value, i)))
            return dt_fail(DT_ERR_INPUT, "%s: damaged: %s is %.10g, outside of %s", path,
                           setting->option.name, number_at(&value, i), setting->option.range);
    return DT_OK;
}

static dt_status check_settings(const dt_run *run, const char *path)
{
    for (const dt_setting *setting = dt_settings; setting->option.name; ++setting)
        if (setting->key && setting->option.range)
            DT_TRY(check_setting(run, setting, path));
    return DT_OK;
}

/* ---- other numbers --------------------------------------------------------------------------- */

/* A number of a checkpoint, and its least and greatest values. */
typedef struct {
    const char *name;
    int64_t value, least, most;
} bounded;

static dt_status check_bounded(const bounded *number, size_t count, const char *path)
{
    for (size_t i = 0; i < count; ++i)
        if (number[i].value < number[i].least || number[i].value > number[i].most)
            return dt_fail(DT_ERR_INPUT, "%s: damaged: %s is %lld, not from %lld to %lld", path,
                           number[i].name, (long long)number[i].value, (long long)number[i].least,
                           (long long)number[i].most);
    return DT_OK;
}

static dt_status check_name(const dt_run *run, const char *path)
{
    const char *name = run->settings.run_uuid;
    if (!name[0] || dt_run_id_valid(name))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: damaged: run_uuid '%s', which becomes part of file names, has other "
                   "characters than letters, digits and '_'",
                   path, name);
}

static dt_status check_label(const dt_tax_rank *rank, const char *label, const char *path)
{
    if (!dt_has_control(label, strlen(label)))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: damaged: the label '%.100s' of rank '%.100s' has a control character, such "
                   "as a tab",
                   path, label, rank->name);
}

static dt_status check_rank(const dt_taxonomy *taxonomy, int32_t r, const char *path)
{
    const dt_tax_rank *rank = &taxonomy->rank[r];
    if (!rank->name[0] || dt_has_control(rank->name, strlen(rank->name)))
        return dt_fail(DT_ERR_INPUT, "%s: damaged: rank %d has the name '%.100s'", path, r,
                       rank->name);
    for (int32_t q = 0; q < r; ++q)
        if (strcmp(taxonomy->rank[q].name, rank->name) == 0)
            return dt_fail(DT_ERR_INPUT, "%s: damaged: two ranks are named '%.100s'", path,
                           rank->name);
    for (int32_t i = 0; i < rank->classes; ++i)
        DT_TRY(check_label(rank, rank->label[i], path));
    return DT_OK;
}

/* Ranks and labels become cells of tables. */
static dt_status check_taxonomy(const dt_run *run, const char *path)
{
    for (int32_t r = 0; r < run->taxonomy.tax_ranks; ++r)
        DT_TRY(check_rank(&run->taxonomy, r, path));
    return DT_OK;
}

/* Numbers that are not settings of the command line. */
static dt_status check_numbers(const dt_run *run, const char *path)
{
    const dt_run_settings *s = &run->settings;
    const dt_run_progress *p = &run->progress;
    const int32_t ranks = run->config.tax_ranks;
    const bounded number[] = {
        {"total_sequences", s->total_sequences, 0, (int64_t)1 << 48},
        {"training_sequences", s->training_sequences, 0, s->total_sequences},
        {"validation_sequences", s->validation_sequences, 0, s->total_sequences},
        {"total_steps", s->rule.total_steps, 0, INT64_MAX},
        {"warmup_steps", s->rule.warmup_steps, 0, s->rule.total_steps},
        {"level_weight_count", s->level_weight_count, 0, ranks},
        {"micro_batch", s->micro_batch, 0, s->batch_size},
        {"world_size", s->world_size, 0, INT32_MAX},
        {"shards_at_a_time", s->shards_at_a_time, 0, INT32_MAX},
        {"sequences_per_shard", s->sequences_per_shard, 0, INT64_MAX},
        {"epoch", p->epoch, 0, INT32_MAX},
        {"micro_steps", p->micro_steps, 0, INT64_MAX},
        {"optimizer_steps", p->update.steps, 0, INT64_MAX},
        /* below 0: DeepTaxa's schedule also counts updates that were skipped */
        {"schedule_start", s->rule.schedule_start, -INT32_MAX, p->update.steps},
        {"skipped", p->update.skipped, 0, INT64_MAX},
        {"skipped_in_row", p->update.skipped_in_row, 0, INT32_MAX},
        {"scale_good_steps", p->update.scale_good_steps, 0, INT32_MAX},
        {"loss_updates", p->update.loss_updates, 0, INT64_MAX},
        {"evaluated_epoch", p->evaluated_epoch, 0, p->epoch},
        {"best_epoch", p->best_epoch, 0, p->epoch},
        {"evaluations_without_gain", p->evaluations_without_gain, 0, INT32_MAX},
        {"loss_sums_of", run->loss_sums.world_size, 0, INT32_MAX},
    };
    DT_TRY(check_bounded(number, sizeof number / sizeof *number, path));
    if (s->level_weight_count != 0 && s->level_weight_count != ranks)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: %d level weights for %d taxonomic ranks", path,
                       s->level_weight_count, ranks);
    const double beta[] = {s->rule.beta1, s->rule.beta2};
    for (int i = 0; i < 2; ++i)
        if (!(beta[i] >= 0.0 && beta[i] < 1.0))
            return dt_fail(DT_ERR_INPUT, "%s: damaged: beta%d is %g, outside of [0, 1)", path,
                           i + 1, beta[i]);
    return DT_OK;
}

/* The references are numbered by lineages; what calibrate found is in the ranges of predict's
 * options. */
static dt_status check_neighbours(const dt_run *run, const char *path)
{
    const dt_run_neighbours *n = &run->neighbours;
    if (run->references.sequences > 0 && run->lineages.tax_ranks == 0)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: references without lineages", path);
    if (!(run->lineage_temperature >= 0.0 && run->lineage_temperature < HUGE_VAL))
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid temperature %g of lineages", path,
                       run->lineage_temperature);
    for (int32_t r = 0; r < n->similarities; ++r)
        if (!(n->similarity[r] >= 0.0 && n->similarity[r] <= 1.0))
            return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid least similarity %g", path,
                           n->similarity[r]);
    if (n->count == 0 || (n->count <= DT_MOST_NEIGHBOURS && n->weight >= 0.0 && n->weight <= 1.0 &&
                          n->exponent >= 0.0 && n->exponent <= DT_LARGEST_EXPONENT &&
                          n->temperature > 0.0 && n->temperature < HUGE_VAL))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: damaged: invalid use of neighbours: %d of weight %g, exponent %g and "
                   "temperature %g",
                   path, n->count, n->weight, n->exponent, n->temperature);
}

/* ---- what only a resumed run needs ------------------------------------------------------------ */

/* The batches since the start of the run end within the current epoch. */
static dt_status check_progress(const dt_run *run, const char *path)
{
    const dt_run_progress *p = &run->progress;
    const int64_t batches = dt_batches_per_epoch(run->settings.training_sequences, &run->settings);
    if (batches > 0 && p->epoch > INT64_MAX / batches)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: %d epochs of %lld batches", path, p->epoch,
                       (long long)batches);
    const int64_t before = p->epoch * batches;
    if (p->micro_steps < before || p->micro_steps - before > batches)
        return dt_fail(DT_ERR_INPUT,
                       "%s: damaged: micro_steps %lld do not agree with %d epochs of %lld batches",
                       path, (long long)p->micro_steps, p->epoch, (long long)batches);
    if (!(p->update.loss_scale > 0.0 && p->update.loss_scale < HUGE_VAL))
        return dt_fail(DT_ERR_INPUT, "%s: damaged: loss_scale is %g", path, p->update.loss_scale);
    return DT_OK;
}

/* Marks the numbers of a part of the split; each is in range, and marked once. */
static dt_status mark_part(uint8_t *marks, const int64_t *part, int64_t count, int64_t total,
                           const char *path)
{
    for (int64_t i = 0; i < count; ++i) {
        if (part[i] < 0 || part[i] >= total || dt_bit(marks, part[i]))
            return dt_fail(DT_ERR_INPUT, "%s: damaged: sequence number %lld of the split is %s",
                           path, (long long)part[i],
                           part[i] < 0 || part[i] >= total ? "out of range" : "there twice");
        dt_bit_set(marks, part[i], true);
    }
    return DT_OK;
}

static dt_status check_split(const dt_run *run, const char *path)
{
    const dt_run_settings *s = &run->settings;
    const dt_split *split = &run->split;
    uint8_t *marks;
    if (split->training_count != s->training_sequences ||
        split->validation_count != s->validation_sequences ||
        split->training_count + split->validation_count != s->total_sequences)
        return dt_fail(DT_ERR_INPUT,
                       "%s: damaged: its split has %lld and %lld sequences, but the run %lld and "
                       "%lld, of %lld",
                       path, (long long)split->training_count, (long long)split->validation_count,
                       (long long)s->training_sequences, (long long)s->validation_sequences,
                       (long long)s->total_sequences);
    DT_TRY(DT_NEW(marks, dt_bits_bytes(s->total_sequences)));
    dt_status status =
        mark_part(marks, split->training, split->training_count, s->total_sequences, path);
    if (status == DT_OK)
        status =
            mark_part(marks, split->validation, split->validation_count, s->total_sequences, path);
    free(marks);
    return status;
}

static dt_status check_stream(const dt_run *run, const char *path)
{
    const dt_run_settings *s = &run->settings;
    const bool streamed = s->shards_at_a_time > 0;
    if (streamed == (s->sequences_per_shard > 0) && (streamed || s->data_checksum[0] == '\0') &&
        (!streamed || s->sequences_per_shard >= s->batch_size))
        return DT_OK;
    return dt_fail(
        DT_ERR_INPUT,
        "%s: damaged: shards_at_a_time %d, sequences_per_shard %lld and batch_size %d do "
        "not agree",
        path, s->shards_at_a_time, (long long)s->sequences_per_shard, s->batch_size);
}

dt_status dt_run_check(const dt_run *run, const char *path)
{
    DT_TRY(check_name(run, path));
    DT_TRY(check_taxonomy(run, path));
    DT_TRY(check_settings(run, path));
    DT_TRY(check_numbers(run, path));
    DT_TRY(check_neighbours(run, path));
    if (!run->has_optimizer)
        return DT_OK;
    DT_TRY(check_stream(run, path));
    if (run->settings.data_checksum[0] == '\0')
        DT_TRY(check_split(run, path));
    return check_progress(run, path);
}
