#include "cli/resumed_run.h"

#include <string.h>

#include "cli/model_tokenizer.h"
#include "cli/new_run.h"
#include "cli/shared_options.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/shell.h"
#include "core/strmap.h"
#include "run/checkpoint.h"
#include "run/settings.h"
#include "train/schedule.h"

static dt_status check_given_name(const dt_train_options *o, const char *flag, const char *asked,
                                  const char *stored)
{
    if (dt_option_given(&o->parsed, flag) && strcmp(asked, stored) != 0)
        return dt_fail(DT_ERR_USAGE,
                       "--%s %.40s: the run to resume was started with %.40s and keeps its "
                       "settings: omit the flag or start a new run",
                       flag, asked, stored);
    return DT_OK;
}

static dt_status check_resumed_weights(const dt_train_options *o, const dt_run *run)
{
    dt_run_settings asked = o->asked.settings;
    if (o->no_level_weights)
        asked.level_weight_count = 0;
    else if (asked.level_weight_count == 0)
        return DT_OK;
    DT_TRY(dt_check_level_weights(&asked, run->config.tax_ranks));
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        if (dt_level_weight(&asked, r) != dt_level_weight(&run->settings, r))
            return dt_fail(DT_ERR_USAGE,
                           "--level-weights: the run to resume was started with others (%g at %s) "
                           "and keeps its settings: omit the flag or start a new run",
                           dt_level_weight(&run->settings, r), run->taxonomy.rank[r].name);
    return DT_OK;
}

static dt_status check_resumed_region(const dt_train_options *o, const dt_run *run)
{
    const dt_primers *stored = &run->primers;
    dt_primers asked;
    DT_TRY(dt_primers_choose(&asked, o->region, o->forward_primer, o->reverse_primer));
    if (!asked.forward[0] || (strcmp(asked.forward, stored->forward) == 0 &&
                              strcmp(asked.reverse, stored->reverse) == 0))
        return DT_OK;
    return dt_fail(DT_ERR_USAGE,
                   "--region and primers: the run to resume was started with %s%s%s and keeps its "
                   "settings: omit the flags or start a new run",
                   stored->forward[0] ? stored->forward : "whole sequences",
                   stored->forward[0] ? " and " : "", stored->reverse);
}

/* Checks the flags for reading the input against what the run recorded. */
static dt_status check_resumed_input(const dt_train_options *o, const dt_run *run)
{
    const dt_run_settings *s = &run->settings;
    if (run->config.encoding == DT_ENCODING_ONEHOT && o->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file: the run to resume was started with "
                                     "--encoding onehot, which needs none: omit the flag");
    DT_TRY(check_given_name(o, "orientation",
                            o->orientation == DT_ORIENTATION_AUTO ? "auto" : "forward",
                            run->strand.sorted ? "auto" : "forward"));
    DT_TRY(check_resumed_region(o, run));
    DT_TRY(check_given_name(o, "stream-data", o->stream_data ? "true" : "false",
                            s->shards_at_a_time > 0 ? "true" : "false"));
    return check_given_name(o, "no-normalize", o->no_normalize ? "true" : "false",
                            s->normalize ? "false" : "true");
}

/* Extends the run or restarts its schedule, if requested. */
static dt_status change_epochs(dt_run *run, const dt_train_options *o)
{
    dt_run_settings *s = &run->settings;
    const int32_t asked = o->asked.settings.epochs;
    const bool given = dt_option_given(&o->parsed, "epochs");
    if (o->reset_lr_on_resume) {
        if (given)
            s->epochs = asked;
        return dt_training_restart(run);
    }
    if (given && asked < s->epochs)
        return dt_fail(DT_ERR_USAGE,
                       "--epochs %d: the run to resume was started with %d and cannot be "
                       "shortened: omit the flag or start a new run",
                       asked, s->epochs);
    if (given && asked > s->epochs)
        dt_training_extend(run, asked);
    return DT_OK;
}

/* Flags that contradict the checkpoint are refused, not silently ignored. */
static dt_status apply_flags(dt_run *run, const dt_train_options *o)
{
    DT_TRY(dt_settings_resume(run, &o->parsed, &o->asked, o->reset_lr_on_resume));
    DT_TRY(check_resumed_input(o, run));
    DT_TRY(check_resumed_weights(o, run));
    return change_epochs(run, o);
}

/* Returns the first label of `of` that `other` lacks, or NULL; both are sorted. */
static const char *odd_label(const dt_tax_rank *of, const dt_tax_rank *other)
{
    for (int32_t c = 0; c < of->classes; ++c)
        if (dt_strmap_find(other->index, of->label[c], strlen(of->label[c])) < 0)
            return of->label[c];
    return NULL;
}

/* The table may have additional labels, which are classes too, even if the sequences' labels are
 * the same. */
static dt_status check_resumed_labels(const dt_run *run, const dt_dataset *dataset,
                                      const char *path)
{
    if (dt_taxonomy_equal(&run->taxonomy, &dataset->taxonomy))
        return DT_OK;
    for (int32_t r = 0; r < run->taxonomy.tax_ranks && r < dataset->taxonomy.tax_ranks; ++r) {
        const dt_tax_rank *then = &run->taxonomy.rank[r];
        const dt_tax_rank *now = &dataset->taxonomy.rank[r];
        const char *gone = odd_label(then, now);
        const char *added = odd_label(now, then);
        if (gone || added)
            return dt_fail(DT_ERR_INPUT,
                           "%s: the taxonomic labels of the input differ from those of the run: at "
                           "rank %s, '%.100s' is %s: resume with the same files",
                           path, then->name, gone ? gone : added, gone ? "missing" : "new");
    }
    return dt_fail(DT_ERR_INPUT,
                   "%s: the taxonomic labels of the input differ from those of the run: resume "
                   "with the same files",
                   path);
}

/* Checks that the sequences were encoded in the same way; a run without tokenizer takes theirs. */
static dt_status check_resumed_making(dt_run *run, const dt_dataset *dataset, const char *path)
{
    if (run->config.encoding != dataset->encoding)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with --encoding %s, but the shards of --data were "
                       "prepared with %s: resume with the same --data",
                       path, dt_encoding_name(run->config.encoding),
                       dt_encoding_name(dataset->encoding));
    if (!run->tokenizer_json && dataset->tokenizer_json) /* of shards, for a run of DeepTaxa */
        DT_TRY(dt_adopt_tokenizer(run, path, dataset->tokenizer_json, dataset->tokenizer_name));
    if (run->tokenizer_json && strcmp(run->tokenizer_json, dataset->tokenizer_json) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with a different tokenizer: omit --tokenizer-file, "
                       "or resume with the same --data",
                       path);
    if (run->settings.normalize != dataset->normalized)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained on %snormalised sequences, but those of the input "
                       "are %snormalised: resume with the same files",
                       path, run->settings.normalize ? "" : "not ",
                       dataset->normalized ? "" : "not ");
    if (run->strand.sorted != dataset->strand.sorted)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with --orientation %s, but the shards of --data "
                       "were prepared with %s: resume with the same --data",
                       path, run->strand.sorted ? "auto" : "forward",
                       dataset->strand.sorted ? "auto" : "forward");
    return DT_OK;
}

/* Adds "; 3 have other labels (the first is 'x')". */
static dt_status add_found(dt_text *out, const dt_found_sequences *found, const char *one,
                           const char *many, const dt_dataset *dataset)
{
    if (found->count == 0)
        return DT_OK;
    DT_TRY(dt_text_addf(out, "; %lld %s", (long long)found->count, found->count == 1 ? one : many));
    if (!dataset)
        return dt_text_addf(out, " (the first was number %lld in the file)",
                            (long long)found->first + 1);
    return dt_text_addf(out, " (%s'%.100s')", found->count == 1 ? "" : "the first is ",
                        dt_dataset_id(dataset, found->first));
}

/* Fails with a one-line message that says what changed. */
static dt_status refuse_changed(const dt_run *run, const dt_dataset *dataset,
                                const dt_fingerprint_match *match, const char *path)
{
    dt_text what = {0};
    dt_status status;
    DT_TRY_OR(done, add_found(&what, &match->relabelled, "has other labels", "have other labels",
                              dataset));
    DT_TRY_OR(done, add_found(&what, &match->changed, "has the same id but another sequence",
                              "have the same ids but other sequences", dataset));
    DT_TRY_OR(done, add_found(&what, &match->missing, "is missing", "are missing", NULL));
    DT_TRY_OR(done, add_found(&what, &match->added, "is new", "are new", dataset));
    status =
        dt_fail(DT_ERR_INPUT,
                "%s: the run was trained on %lld sequences, the input has %lld%s: resume with the "
                "same data, or start a new run with --init-weights",
                path, (long long)run->sequences.count, (long long)dataset->count, what.data);
done:
    dt_text_free(&what);
    return status;
}

/* Renumbers the split; place[i]: the new number of sequence i. */
static dt_status move_split(const dt_split *split, const int64_t *place, int64_t count,
                            const char *path)
{
    for (int64_t i = 0; i < split->training_count + split->validation_count; ++i) {
        int64_t *item = i < split->training_count ? &split->training[i]
                                                  : &split->validation[i - split->training_count];
        if (*item < 0 || *item >= count)
            return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid sequence numbers in the split",
                           path);
        *item = place[*item];
    }
    return DT_OK;
}

static dt_status follow_match(dt_run *run, const dt_dataset *dataset,
                              const dt_fingerprint_match *match, const char *path)
{
    if (match->relabelled.count + match->changed.count + match->missing.count + match->added.count >
        0)
        return refuse_changed(run, dataset, match, path);
    if (!match->place)
        return DT_OK;
    if (run->settings.shards_at_a_time > 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the sequences of the input are in a different order, on which a run "
                       "with --stream-data depends: resume with the same --data",
                       path);
    dt_notice("the sequences of the input are in a different order; they were matched by id, and "
              "results do not change");
    return move_split(&run->split, match->place, run->sequences.count, path);
}

/* Compares the sequences by the fingerprints in the checkpoint. */
static dt_status check_resumed_sequences(dt_run *run, const dt_dataset *dataset, const char *path)
{
    dt_fingerprints now;
    dt_fingerprint_match match = {0};
    DT_TRY(dt_fingerprints_of(&now, dataset));
    if (!now.tokens || !run->sequences.tokens)
        dt_notice("%s: only ids and labels can be compared with the input, because the shards were "
                  "written by an older version",
                  path);
    dt_status status = dt_fingerprints_match(&match, &run->sequences, &now);
    if (status == DT_OK)
        status = follow_match(run, dataset, &match, path);
    dt_fingerprint_match_free(&match);
    dt_fingerprints_free(&run->sequences);
    run->sequences = now;
    return status;
}

/* Compares the shards of a streamed run, and splits them again. */
static dt_status check_resumed_stream(dt_run *run, const dt_dataset *dataset, const char *path)
{
    const dt_run_settings *s = &run->settings;
    if (dataset->count != s->total_sequences || strcmp(dataset->checksum, s->data_checksum) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the shards of --data have other sequences than those of the run (%lld, "
                       "the run was trained on %lld), or the same in a different order, on which a "
                       "run with --stream-data depends: resume with the same --data",
                       path, (long long)dataset->count, (long long)s->total_sequences);
    DT_TRY(dt_run_split(run, dataset->count, true));
    if (run->split.training_count != s->training_sequences)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid number of training sequences", path);
    return DT_OK;
}

/* The same for a run of an older version, which has hashes and numbers. */
static dt_status mark_older_stream(dt_run *run, const char *path)
{
    if (run->settings.shards_at_a_time == 0)
        return DT_OK;
    if (run->split.training_count + run->split.validation_count != run->settings.total_sequences ||
        dt_split_add_marks(&run->split) != DT_OK)
        return dt_fail(DT_ERR_INPUT, "%s: damaged: invalid sequence numbers in the split", path);
    return DT_OK;
}

/* Compares the number of sequences only, for a checkpoint without their hashes. */
static dt_status check_resumed_number(dt_run *run, const dt_dataset *dataset, const char *path)
{
    if (dataset->count != run->settings.total_sequences)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained on %lld sequences, but the input has %lld: resume "
                       "with the same files",
                       path, (long long)run->settings.total_sequences, (long long)dataset->count);
    dt_notice("%s: has no hashes of its sequences, so it cannot be checked that the input has the "
              "same sequences in the same order",
              path);
    return dt_fingerprints_of(&run->sequences, dataset);
}

dt_status dt_match_resumed_data(dt_run *run, const dt_dataset *dataset, int64_t sequences_per_shard,
                                const char *path)
{
    DT_TRY(check_resumed_making(run, dataset, path));
    if (run->settings.sequences_per_shard != sequences_per_shard)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: the run depends on streamed shards of %lld sequences, but the shards of "
            "the input differ: resume with the same --data",
            path, (long long)run->settings.sequences_per_shard);
    if (run->settings.data_checksum[0] != '\0') {
        DT_TRY(check_resumed_stream(run, dataset, path));
        return check_resumed_labels(run, dataset, path);
    }
    if (run->sequences.count > 0)
        DT_TRY(check_resumed_sequences(run, dataset, path));
    else
        DT_TRY(check_resumed_number(run, dataset, path));
    DT_TRY(mark_older_stream(run, path));
    return check_resumed_labels(run, dataset, path);
}

/* Sets the settings that the checkpoint does not know by the flags, with a notice, and checks those
 * that it knows. */
static dt_status settle_settings(dt_run *run, const dt_train_options *o, const char *path)
{
    dt_text taken = {0};
    dt_status status;
    if (run->of_deeptaxa)
        run->settings.normalize = !o->no_normalize;
    DT_TRY_OR(done, dt_settings_complete(run, &o->asked, &taken));
    DT_TRY_OR(done, apply_flags(run, o));
    if (taken.length > 0)
        dt_notice("%s: does not contain these settings of its training, which the command line or "
                  "the defaults decide: %s",
                  path, taken.data);
done:
    dt_text_free(&taken);
    return status;
}

dt_status dt_read_resumed(dt_run *run, const dt_train_options *o, const char *path)
{
    char word[DT_PASTED_SIZE];
    DT_TRY(dt_checkpoint_read(path, run));
    if (!run->has_optimizer)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: contains weights only, without the optimizer state: resume from another "
            "checkpoint of the run, or start a new run with --init-weights %s",
            path, dt_pasted(path, word));
    run->progress.update.last_rate = dt_training_last_rate(run);
    DT_TRY(settle_settings(run, o, path));
    if (run->progress.epoch >= run->settings.epochs && !run->progress.evaluation_due)
        dt_notice("%s: the run is already complete (epochs: %d)", path, run->settings.epochs);
    return DT_OK;
}
