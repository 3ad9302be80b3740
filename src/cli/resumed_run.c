#include "cli/resumed_run.h"

#include <string.h>

#include "cli/new_run.h"
#include "cli/shared_options.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/strmap.h"
#include "run/checkpoint.h"
#include "run/settings.h"
#include "train/schedule.h"

static dt_status check_given_name(const dt_train_options *o, const char *flag, const char *asked,
                                  const char *stored)
{
    if (dt_option_given(&o->parsed, flag) && strcmp(asked, stored) != 0)
        return dt_fail(DT_ERR_USAGE,
                       "--%s %.40s: the run to resume was started with %.40s, and a resumed run "
                       "keeps its settings: leave the flag out or start a new run",
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
                           "--level-weights: the run to resume was started with others (%g at %s), "
                           "and a resumed run keeps its settings: leave the flag out or start a "
                           "new run",
                           dt_level_weight(&run->settings, r), run->taxonomy.rank[r].name);
    return DT_OK;
}

/* How the input is read, which the run knows by what came of it. */
static dt_status check_resumed_input(const dt_train_options *o, const dt_run *run)
{
    const dt_run_settings *s = &run->settings;
    if (run->config.encoding == DT_ENCODING_ONEHOT && o->tokenizer_file)
        return dt_fail(DT_ERR_USAGE, "--tokenizer-file: the run to resume was started with "
                                     "--encoding onehot, which needs none: leave the flag out");
    DT_TRY(check_given_name(o, "orientation",
                            o->orientation == DT_ORIENTATION_AUTO ? "auto" : "forward",
                            run->strand.sorted ? "auto" : "forward"));
    DT_TRY(check_given_name(o, "stream-data", o->stream_data ? "true" : "false",
                            s->shards_at_a_time > 0 ? "true" : "false"));
    return check_given_name(o, "no-normalize", o->no_normalize ? "true" : "false",
                            s->normalize ? "false" : "true");
}

/* More epochs, or a schedule that begins anew. */
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
                       "--epochs %d: the run to resume was started with %d, and a resumed run "
                       "keeps its settings: leave the flag out or start a new run",
                       asked, s->epochs);
    if (given && asked > s->epochs)
        dt_training_extend(run, asked);
    return DT_OK;
}

/* A flag that contradicts the checkpoint is refused, not overridden in silence. */
static dt_status apply_flags(dt_run *run, const dt_train_options *o)
{
    DT_TRY(dt_settings_resume(run, &o->parsed, &o->asked, o->reset_lr_on_resume));
    DT_TRY(check_resumed_input(o, run));
    DT_TRY(check_resumed_weights(o, run));
    return change_epochs(run, o);
}

/* The first label that one of two ranks has and the other lacks; both are sorted. */
static const char *odd_label(const dt_tax_rank *of, const dt_tax_rank *other)
{
    for (int32_t c = 0; c < of->classes; ++c)
        if (dt_strmap_find(other->index, of->label[c], strlen(of->label[c])) < 0)
            return of->label[c];
    return NULL;
}

/* The sequences may have their labels, and the table others besides, which count as classes. */
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
                           "%s: the run was trained with other taxonomic labels than the input "
                           "has: at rank %s '%.100s' is %s: resume with the same files",
                           path, then->name, gone ? gone : added, gone ? "missing" : "new");
    }
    return dt_fail(DT_ERR_INPUT,
                   "%s: the run was trained with other taxonomic labels than the input has: "
                   "resume with the same files",
                   path);
}

/* How the sequences were made. */
static dt_status check_resumed_making(const dt_run *run, const dt_dataset *dataset,
                                      const char *path)
{
    if (run->config.encoding != dataset->encoding)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with --encoding %s, and the shards of --data were "
                       "prepared with %s: resume with the same --data",
                       path, dt_encoding_name(run->config.encoding),
                       dt_encoding_name(dataset->encoding));
    if (run->tokenizer_json && strcmp(run->tokenizer_json, dataset->tokenizer_json) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with another tokenizer than the input is given "
                       "with: leave --tokenizer-file out, or resume with the same --data",
                       path);
    if (run->settings.normalize != dataset->normalized)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained on sequences that were %snormalised, and those of "
                       "the input %s: resume with the same files",
                       path, run->settings.normalize ? "" : "not ",
                       dataset->normalized ? "were" : "were not");
    if (run->strand.sorted != dataset->strand.sorted)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained with --orientation %s, and the shards of the input "
                       "were prepared with the other: resume with the same --data",
                       path, run->strand.sorted ? "auto" : "forward");
    return DT_OK;
}

/* "; 3 have other labels, the first of them 'x'" */
static dt_status add_found(dt_text *out, const dt_found_sequences *found, const char *one,
                           const char *many, const dt_dataset *dataset)
{
    if (found->count == 0)
        return DT_OK;
    DT_TRY(dt_text_addf(out, "; %lld %s", (long long)found->count, found->count == 1 ? one : many));
    if (!dataset)
        return dt_text_addf(out, " (the first was number %lld of the file)",
                            (long long)found->first + 1);
    return dt_text_addf(out, " (%s'%.100s')", found->count == 1 ? "" : "the first is ",
                        dt_dataset_id(dataset, found->first));
}

/* What changed, in one line. */
static dt_status refuse_changed(const dt_run *run, const dt_dataset *dataset,
                                const dt_fingerprint_match *match, const char *path)
{
    dt_text what = {0};
    dt_status status;
    DT_TRY_OR(done, add_found(&what, &match->relabelled, "has other labels", "have other labels",
                              dataset));
    DT_TRY_OR(done, add_found(&what, &match->changed, "is another sequence of the same id",
                              "are other sequences of the same id", dataset));
    DT_TRY_OR(done, add_found(&what, &match->missing, "is missing", "are missing", NULL));
    DT_TRY_OR(done, add_found(&what, &match->added, "is new", "are new", dataset));
    status = dt_fail(DT_ERR_INPUT,
                     "%s: the run was trained on %lld sequences, the input has %lld%s: resume with "
                     "the same data, or start a new run with --init-weights",
                     path, (long long)run->sequences.count, (long long)dataset->count, what.data);
done:
    dt_text_free(&what);
    return status;
}

/* place[i]: where sequence i of the split stands now. */
static dt_status move_split(const dt_split *split, const int64_t *place, int64_t count,
                            const char *path)
{
    for (int64_t i = 0; i < split->training_count + split->validation_count; ++i) {
        int64_t *item = i < split->training_count ? &split->training[i]
                                                  : &split->validation[i - split->training_count];
        if (*item < 0 || *item >= count)
            return dt_fail(DT_ERR_INPUT, "%s: damaged: a split of other sequences", path);
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
                       "%s: the input has the run's sequences in another order, and the order of a "
                       "run with --stream-data follows the shards: resume with the same --data",
                       path);
    dt_notice("the input has the run's sequences in another order than before: each was found by "
              "its id, and the run goes on as with the old one");
    return move_split(&run->split, match->place, run->sequences.count, path);
}

/* By what the checkpoint keeps of each sequence. */
static dt_status check_resumed_sequences(dt_run *run, const dt_dataset *dataset, const char *path)
{
    dt_fingerprints now;
    dt_fingerprint_match match = {0};
    DT_TRY(dt_fingerprints_of(&now, dataset));
    if (!now.tokens || !run->sequences.tokens)
        dt_notice("%s: shards of an older version do not tell whether their sequences are the "
                  "run's: ids and labels alone are compared",
                  path);
    dt_status status = dt_fingerprints_match(&match, &run->sequences, &now);
    if (status == DT_OK)
        status = follow_match(run, dataset, &match, path);
    dt_fingerprint_match_free(&match);
    dt_fingerprints_free(&run->sequences);
    run->sequences = now;
    return status;
}

/* As far as a checkpoint of an older version allows. */
static dt_status check_resumed_number(dt_run *run, const dt_dataset *dataset, const char *path)
{
    if (dataset->count != run->settings.total_sequences)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run was trained on %lld sequences, the input has %lld: resume with "
                       "the same files",
                       path, (long long)run->settings.total_sequences, (long long)dataset->count);
    dt_notice("%s: an older version wrote it, without what tells the sequences of the run: whether "
              "the input is the same, in the same order, cannot be checked",
              path);
    return dt_fingerprints_of(&run->sequences, dataset);
}

dt_status dt_match_resumed_data(dt_run *run, const dt_dataset *dataset, int64_t sequences_per_shard,
                                const char *path)
{
    DT_TRY(check_resumed_making(run, dataset, path));
    if (run->settings.sequences_per_shard != sequences_per_shard)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the run streams shards of %lld sequences, on which its order depends, "
                       "and the input has others: resume with the same --data",
                       path, (long long)run->settings.sequences_per_shard);
    if (run->sequences.count > 0)
        DT_TRY(check_resumed_sequences(run, dataset, path));
    else
        DT_TRY(check_resumed_number(run, dataset, path));
    return check_resumed_labels(run, dataset, path);
}

dt_status dt_read_resumed(dt_run *run, const dt_train_options *o, const char *path)
{
    DT_TRY(dt_checkpoint_read(path, run));
    if (!run->has_optimizer)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: holds weights only, and a run goes on with its optimizer's state: resume "
            "from a checkpoint of the run itself, or start a new run with "
            "--init-weights %s",
            path, path);
    DT_TRY(apply_flags(run, o));
    if (run->progress.epoch >= run->settings.epochs && !run->progress.evaluation_due)
        dt_notice("%s: all %d epochs are done", path, run->settings.epochs);
    return DT_OK;
}
