/* deeptaxa train: sets up and runs a training from the checked command line. */
#include "cli/train_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/device.h"
#include "cli/input.h"
#include "cli/invocation.h"
#include "cli/model_tokenizer.h"
#include "cli/new_run.h"
#include "cli/profiling.h"
#include "cli/resumed_run.h"
#include "cli/shared_options.h"
#include "cli/stop_signal.h"
#include "cli/threads.h"
#include "comm.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/pool.h"
#include "core/stop.h"
#include "data/dataset_build.h"
#include "data/same_data.h"
#include "data/shards.h"
#include "data/survey.h"
#include "options/unused.h"
#include "run/checkpoint.h"
#include "profile/profiled_backend.h"
#include "profile/profiled_comm.h"
#include "ranks/ranks.h"
#include "run/checkpoint_path.h"
#include "train/trainer.h"
#include "launch/bind.h"
#include "launch/start_ranks.h"

/* The state of the command. */
typedef struct {
    dt_run run;
    dt_dataset dataset;
    dt_dataset index; /* of the shards, for a streamed run of an older version; otherwise empty */
    dt_backend *backend;
    dt_comm *comm;
    dt_profile *profile; /* may be NULL */
    dt_pool *pool;
    dt_ranks_sharing sharing;
    dt_rank_info *ranks; /* (world_size) */
    char device[DT_DEVICE_NAME];
    int threads; /* of this rank */
    char thread_note[DT_THREAD_NOTE];
    dt_invocation invocation;
    dt_text settings; /* all of them, to print */
    const atomic_int *stop;
    bool resumes;
    char resume_path[PATH_MAX];
    dt_run init; /* checkpoint of --init-weights, without its tensors; empty: none */
    char init_path[PATH_MAX];
    bool agreed;                 /* the ranks have the same failure (dt_agree) */
    int64_t sequences_per_shard; /* of a streamed dataset; otherwise 0 */
} train_command;

/* Streamed shards that are shuffled as one group: enough to mix well, at little memory, even though
 * as many are read ahead. */
#define SHARDS_AT_A_TIME 4

/* A batch must not be larger than a shard, so that it needs no more shards than fit in memory. */
static dt_status stream_shards(train_command *t, const dt_train_options *o)
{
    const int64_t batch = t->resumes ? t->run.settings.batch_size : o->asked.settings.batch_size;
    DT_TRY(dt_shards_stream(o->data, (int64_t)2 * SHARDS_AT_A_TIME, &t->dataset,
                            &t->sequences_per_shard));
    if (batch > t->sequences_per_shard)
        return dt_fail(DT_ERR_USAGE,
                       "--stream-data: a batch of %lld sequences is larger than a shard of %lld: "
                       "prepare larger shards (--sequences-per-shard)",
                       (long long)batch, (long long)t->sequences_per_shard);
    if (t->resumes && t->run.settings.data_checksum[0] == '\0')
        return dt_shards_read_index(o->data, &t->index);
    return DT_OK;
}

static dt_status read_shards(train_command *t, const dt_train_options *o)
{
    const bool streams = t->resumes ? t->run.settings.shards_at_a_time > 0 : o->stream_data;
    return streams ? stream_shards(t, o) : dt_shards_read(o->data, &t->dataset);
}

/* Shards are read by every rank; the tokenisation of a FASTA file is divided among the ranks.
 * Collective. */
static dt_status read_input(train_command *t, const dt_train_options *o)
{
    if (o->data)
        return dt_agree(t->comm, read_shards(t, o), &t->agreed);
    /* if a tokenizer is named nevertheless, it is read, and dt_match_resumed_data() compares it */
    const dt_run *from = t->resumes ? &t->run : &t->init;
    dt_primers primers = t->run.primers;
    if (!t->resumes)
        DT_TRY(dt_primers_choose(&primers, o->region, o->forward_primer, o->reverse_primer));
    const bool stored_tokenizer = from->tokenizer_json && !o->tokenizer_file;
    const dt_input input = {
        .fasta_file = o->fasta_file,
        .taxonomy_file = o->taxonomy_file,
        .encoding = t->resumes ? t->run.config.encoding : o->asked.config.encoding,
        .tokenizer_file = o->tokenizer_file,
        .tokenizer_name = o->tokenizer_name,
        .tokenizer_json = stored_tokenizer ? from->tokenizer_json : NULL,
        .tokenizer_json_name = stored_tokenizer ? from->settings.tokenizer_name : NULL,
        .normalize = t->resumes ? t->run.settings.normalize : !o->no_normalize,
        .orient = t->resumes ? t->run.strand.sorted : o->orientation == DT_ORIENTATION_AUTO,
        .primers = primers,
        .strand = from->strand.profile,
        .threads = o->num_workers > 0 ? (int)o->num_workers : t->threads,
        .comm = t->comm,
        .everywhere = true,
        .agreed = &t->agreed,
    };
    return dt_read_input(&input, &t->dataset);
}

static dt_status read_dataset(train_command *t, const dt_train_options *o)
{
    dt_profile_begin(t->profile, DT_TRACK_MAIN, DT_CATEGORY_INPUT);
    const dt_status status = read_input(t, o);
    dt_profile_end(t->profile, DT_TRACK_MAIN);
    return status;
}

/* Checks, before anything else that is collective, that the ranks are of one run: otherwise they might
 * wait for each other in different places. `began`: as in dt_ranks_started(). Collective. */
static dt_status check_ranks(train_command *t, const dt_train_options *o, double began)
{
    dt_text common = {0};
    DT_TRY(dt_ranks_same_program(t->comm, &t->agreed));
    dt_status status = dt_options_in_common(o, &common);
    if (status == DT_OK)
        status =
            dt_agree_on(t->comm, common.data, "start all ranks with the same options", &t->agreed);
    dt_text_free(&common);
    return status == DT_OK ? dt_ranks_started(t->comm, began) : status;
}

/* Says which options have no effect without other processes. */
static void notice_alone(const dt_comm *comm, const dt_train_options *o)
{
    const struct {
        const char *option;
        bool given;
    } for_several[] = {{"--comm", o->comm != DT_COMM_AUTO},
                       {"--grad-dtype bf16", o->grad_dtype == DT_GRAD_BF16},
                       {"--validate-on rank0", o->validate_on == DT_VALIDATE_ON_RANK0}};
    for (size_t i = 0; i < sizeof for_several / sizeof *for_several; ++i)
        if (for_several[i].given && comm->world_size == 1)
            dt_notice("%s has no effect: the run has one process", for_several[i].option);
    if (o->shard_optimizer && comm->local_size == 1)
        dt_notice("--shard-optimizer has no effect: no other process of the run is on this host");
}

/* Opens the communicator first: then only world_rank 0 prints, and errors are shared. */
static dt_status open_comm(train_command *t, const dt_train_options *o)
{
    const dt_comm_options options = {.kind = (dt_comm_kind)o->comm,
                                     .grad_dtype = (dt_grad_dtype)o->grad_dtype,
                                     .collective_timeout = o->collective_timeout,
                                     .shares = o->shard_optimizer};
    const double began = dt_seconds();
    DT_TRY(dt_comm_open(&options, &t->comm));
    dt_log_quiet(t->comm->world_rank != 0);
    DT_TRY(check_ranks(t, o, began));
    notice_alone(t->comm, o);
    if (o->dry_run || o->preflight_only)
        return DT_OK; /* no profile */
    DT_TRY(dt_agree(t->comm, dt_profiling_begin(&t->profile, o->profile, o->profile_trace),
                    &t->agreed));
    return dt_profiled_comm(&t->comm, t->profile);
}

static dt_device_wish wish_for(const dt_train_options *o, const char *asked_by)
{
    return (dt_device_wish){.command = &dt_train_command,
                            .choice = o->device,
                            .threads = o->threads,
                            .asked_by = asked_by};
}

/* A resumed run keeps its number format if the device supports it and --precision is not given. */
static dt_status open_backend(train_command *t, const dt_train_options *o)
{
    const bool keeps = t->resumes && t->run.settings.gpu;
    DT_TRY(dt_plan_threads(&(dt_thread_wish){.asked = o->threads, .ranks = t->sharing}, &t->threads,
                           t->thread_note));
    const dt_backend_options options = {
        .threads = t->threads,
        .device = t->comm->local_rank,
        .round_robin = true,
        .training = true,
        .precision = (dt_precision)o->precision,
        .gpu_default = keeps ? dt_precision_named(t->run.settings.precision) : DT_PRECISION_AUTO,
        .attention = (dt_attention_method)o->attention,
    };
    DT_TRY(dt_backend_open(t->device, &options, &t->backend));
    DT_TRY(dt_profiled_backend(t->backend, t->profile));
    if (!t->resumes &&
        dt_model_has_encoder(
            &o->asked.config)) /* early, before the input is read; dt_model_create() checks again */
        DT_TRY(t->backend->ops->attention_check(
            t->backend, o->asked.config.hidden / o->asked.config.heads, true));
    return dt_pool_create(&t->pool, t->threads);
}

/* The options, for what depends on whether a run is resumed: --resume auto that finds none resumes
 * none. */
static dt_train_options in_effect(const train_command *t, const dt_train_options *o)
{
    dt_train_options options = *o;
    if (!t->resumes)
        options.resume = NULL;
    return options;
}

/* Chooses the checkpoint to resume from; with --resume auto, rank 0 finds it. Collective. */
static dt_status choose_resumed(train_command *t, const dt_train_options *o)
{
    if (!o->resume)
        return DT_OK;
    if (strcmp(o->resume, "auto") != 0) {
        t->resumes = true;
        return dt_checkpoint_path(o->resume, o->expect_sha256, t->resume_path);
    }
    dt_status status = DT_OK;
    if (t->comm->world_rank == 0)
        status = dt_newest_checkpoint(o->output_dir, t->resume_path);
    DT_TRY(dt_agree(t->comm, status, &t->agreed));
    DT_TRY(t->comm->ops->broadcast(t->comm, t->resume_path, sizeof t->resume_path, 0));
    t->resumes = t->resume_path[0] != '\0';
    if (t->resumes) {
        dt_info("--resume auto: resuming from %s", t->resume_path);
        return DT_OK;
    }
    const dt_train_options options = in_effect(t, o);
    dt_notice("--resume auto: no checkpoint in %s; starting a new run", o->output_dir);
    return dt_agree(t->comm, dt_train_command.check(&options), &t->agreed);
}

static dt_status check_world(const train_command *t, const dt_train_options *o)
{
    const int32_t ranks = t->comm->world_size;
    const int64_t batch = t->resumes ? t->run.settings.batch_size : o->asked.settings.batch_size;
    if (ranks > batch)
        return dt_fail(DT_ERR_USAGE,
                       "%d ranks are more than the %lld sequences of a batch: start at most %lld "
                       "ranks, or raise --batch-size",
                       ranks, (long long)batch, (long long)batch);
    const int32_t optimizer = t->resumes ? t->run.settings.optimizer : o->asked.settings.optimizer;
    if (o->shard_optimizer && optimizer == DT_OPTIMIZER_LAMB)
        return dt_fail(DT_ERR_USAGE,
                       "--shard-optimizer cannot be combined with --optimizer-type lamb, which "
                       "needs whole tensors on each rank: leave --shard-optimizer out");
    return o->data ? DT_OK : dt_check_standard_input(o->fasta_file, o->taxonomy_file, t->comm);
}

/* Sets the settings that depend on the machine. A resumed run keeps its micro-batch size if the
 * number of ranks and the kind of device are the same, so that rounding does not change. */
static void set_machine(train_command *t, const dt_train_options *o)
{
    dt_run_settings *settings = &t->run.settings;
    const bool gpu = !t->backend->host_memory;
    const int32_t before = settings->micro_batch;
    if (o->micro_batch_size > 0)
        settings->micro_batch = (int32_t)o->micro_batch_size;
    else if (settings->gpu != gpu || settings->world_size != t->comm->world_size)
        settings->micro_batch = 0; /* choose again */
    if (settings->micro_batch != before || settings->world_size != t->comm->world_size) {
        free(t->run.choices); /* were made for products of other sizes */
        t->run.choices = NULL;
    }
    snprintf(settings->device, sizeof settings->device, "%s", t->backend->description);
    settings->world_size = t->comm->world_size;
    settings->gpu = gpu;
}

static dt_status stopped_while_reading(const train_command *t)
{
    const int signal_number = atomic_load(t->stop);
    if (signal_number == 0)
        return DT_OK;
    return dt_fail(DT_STOPPED,
                   "stopped by %s while reading the input: start again with the same command",
                   dt_signal_name(signal_number));
}

/* Weights are only meaningful for the same encoding. */
static dt_status check_init(const train_command *t, dt_encoding encoding)
{
    const dt_encoding stored = t->init.config.encoding;
    if (stored == encoding)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "--init-weights %s: trained with --encoding %s, but this run uses %s: use the "
                   "same encoding",
                   t->init_path, dt_encoding_name(stored), dt_encoding_name(encoding));
}

static dt_status read_init(train_command *t, const dt_train_options *o)
{
    if (!o->init_weights || t->resumes)
        return DT_OK;
    DT_TRY(dt_checkpoint_path(o->init_weights, o->expect_sha256, t->init_path));
    DT_TRY(dt_checkpoint_read(t->init_path, &t->init));
    if (o->data) /* which has its tokenizer */
        return DT_OK;
    DT_TRY(check_init(t, o->asked.config.encoding));
    return dt_take_tokenizer(&t->init, t->init_path, o->tokenizer_file, NULL);
}

/* A resumed run, perhaps on another number of ranks, keeps its batch. */
static void notice_kept_batch(const train_command *t, const dt_train_options *o)
{
    const int32_t batch = t->run.settings.batch_size;
    if (t->resumes && o->batch_size_per_rank > 0 && batch != o->asked.settings.batch_size)
        dt_notice("--batch-size-per-rank %lld has no effect: the resumed run keeps its batches of "
                  "%d sequences, %.4g per rank",
                  (long long)o->batch_size_per_rank, batch, (double)batch / t->comm->world_size);
}

/* Checks everything that can be checked before the input is read. */
static dt_status prepare_machine(train_command *t, const dt_train_options *o)
{
    if (t->resumes)
        DT_TRY(dt_read_resumed(&t->run, o, t->resume_path));
    if (t->resumes && !o->data)
        DT_TRY(dt_take_tokenizer(&t->run, t->resume_path, o->tokenizer_file, NULL));
    notice_kept_batch(t, o);
    DT_TRY(read_init(t, o));
    DT_TRY(check_world(t, o));
    return open_backend(t, o);
}

/* Compares where and with what the ranks compute, before they read the input. Collective. */
static dt_status compare_ranks(train_command *t)
{
    const int32_t ranks = t->comm->world_size;
    DT_TRY(dt_ranks_gather(&t->ranks, t->comm, t->backend));
    const dt_status status = dt_ranks_check(t->ranks, ranks);
    t->agreed = status != DT_OK;
    DT_TRY(status);
    dt_ranks_notice_shared(t->ranks, ranks);
    dt_ranks_notice_unlike(t->ranks, ranks);
    return DT_OK;
}

/* Warns of parameters whose shapes match but whose meaning may differ. */
static void warn_of_init(const train_command *t)
{
    const dt_taxonomy *there = &t->init.taxonomy;
    const dt_taxonomy *here = &t->run.taxonomy;
    if (t->init.tokenizer_json && strcmp(t->init.tokenizer_json, t->dataset.tokenizer_json) != 0)
        dt_warn("%s was trained with a different tokenizer, so its embeddings belong to different "
                "tokens",
                t->init_path);
    for (int32_t r = 0; r < here->tax_ranks && r < there->tax_ranks; ++r) {
        const int32_t classes = here->rank[r].classes;
        int32_t c = 0;
        if (classes != there->rank[r].classes)
            continue; /* its head is initialised randomly */
        while (c < classes && strcmp(here->rank[r].label[c], there->rank[r].label[c]) == 0)
            ++c;
        if (c < classes)
            dt_warn("%s: the labels at rank %s differ ('%s' instead of '%s'), but their number is "
                    "the same: its head is used nevertheless",
                    t->init_path, here->rank[r].name, there->rank[r].label[c],
                    here->rank[r].label[c]);
    }
}

/* Reads the shards once, and takes from them what the run lacks. */
static dt_status survey(train_command *t)
{
    dt_survey *found;
    DT_TRY(dt_survey_create(&found, t->dataset.stream, &t->dataset.taxonomy, t->run.split.marks,
                            t->run.config.max_length));
    t->dataset.survey = found;
    if (t->run.lineages.tax_ranks == 0) {
        t->run.lineages = found->lineages;
        found->lineages = (dt_lineage_tree){0};
    }
    if (!t->run.lengths.known)
        t->run.lengths = found->lengths;
    return DT_OK;
}

static dt_status prepare_run(train_command *t, const dt_train_options *o)
{
    if (t->resumes)
        DT_TRY(dt_match_resumed_data(&t->run, t->index.count > 0 ? &t->index : &t->dataset,
                                     t->sequences_per_shard, t->resume_path));
    else
        DT_TRY(dt_new_run(&t->run, o, &t->dataset));
    if (t->init_path[0]) {
        DT_TRY(check_init(t, t->dataset.encoding));
        warn_of_init(t);
    }
    if (t->sequences_per_shard > 0) {
        t->run.settings.shards_at_a_time = SHARDS_AT_A_TIME;
        t->run.settings.sequences_per_shard = t->sequences_per_shard;
    }
    dt_dataset_free(&t->index);
    if (t->dataset.stream)
        DT_TRY(survey(t));
    if (t->run.lineages.tax_ranks == 0) /* a new run, or an older checkpoint without lineages */
        DT_TRY(dt_lineage_tree_build(&t->run.lineages, t->dataset.labels, t->dataset.count,
                                     t->dataset.taxonomy.tax_ranks));
    if (!t->run.lengths.known && !t->dataset.stream)
        DT_TRY(dt_length_quantiles_of(&t->run.lengths, &t->dataset, t->run.split.training,
                                      t->run.split.training_count));
    if (!t->run.strand.profile)
        DT_TRY(dt_strand_info_copy(&t->run.strand, &t->dataset.strand));
    set_machine(t, o);
    return stopped_while_reading(t);
}

static dt_status add_origin(dt_text *out, const char *what, const dt_run *from)
{
    return dt_text_addf(out, "%s of run %s, written at %s after %lld batches\n", what,
                        from->settings.run_uuid, from->timestamp,
                        (long long)from->progress.micro_steps);
}

/* Compares what the ranks have read. Collective. */
static dt_status compare_runs(train_command *t, const dt_train_options *o)
{
    dt_text origin = {0};
    dt_status status = dt_text_addf(&origin, "a run\n");
    if (status == DT_OK && t->resumes)
        status = add_origin(&origin, "a checkpoint", &t->run);
    if (status == DT_OK && t->init_path[0])
        status = add_origin(&origin, "initial weights", &t->init);
    if (status == DT_OK)
        status = dt_agree_on(t->comm, origin.data, "give all ranks the same file", &t->agreed);
    dt_text_free(&origin);
    if (status == DT_OK && o->data)
        status = dt_same_data(t->comm, &t->dataset, &t->run.sequences, t->run.sequences.tokens,
                              &t->agreed);
    return status;
}

/* Reports the profile after a completed or stopped run, but not after an error. */
static dt_status train_and_report(train_command *t, const dt_train_options *o,
                                  const dt_training *training)
{
    const dt_status status = dt_train(training);
    if (status == DT_OK && o->preflight_only) /* a script must not start the training now */
        return stopped_while_reading(t);
    if (!t->profile || (status != DT_OK && status != DT_STOPPED))
        return status;
    char stopped[2048];
    snprintf(stopped, sizeof stopped, "%s", status == DT_STOPPED ? dt_error_message() : "");
    bool agreed = false;
    DT_TRY(dt_agree(t->comm, dt_profiled_backend_collect(t->backend, t->profile), &agreed));
    DT_TRY(dt_profiling_end(t->profile, t->comm, o->profile_trace));
    return status == DT_STOPPED ? dt_fail(DT_STOPPED, "%s", stopped) : DT_OK;
}

/* Records the invocation for the log and the metrics; for a resumed run, only the options that were
 * given, since the checkpoint determines the others. */
static dt_status note_invocation(train_command *t, const dt_train_options *o)
{
    DT_TRY(dt_invocation_of(o, t->resumes, t->comm->host, &t->invocation));
    return dt_invocation_log(&t->invocation);
}

/* Makes the text of all settings in effect: a resumed run and prepared shards have their own. */
static dt_status settings_text(train_command *t, const dt_train_options *o)
{
    dt_train_options options = *o;
    options.asked = t->run;
    options.store_references = o->store_references || t->run.references.sequences > 0;
    options.stream_data = t->run.settings.shards_at_a_time > 0;
    options.no_normalize = !t->run.settings.normalize;
    options.orientation = t->run.strand.sorted ? DT_ORIENTATION_AUTO : DT_ORIENTATION_FORWARD;
    if (t->run.primers.forward[0]) {
        const bool named = t->run.primers.region[0];
        options.region = named ? t->run.primers.region : NULL;
        options.forward_primer = named ? NULL : t->run.primers.forward;
        options.reverse_primer = named ? NULL : t->run.primers.reverse;
    }
    DT_TRY(dt_text_addf(&t->settings, "Training Parameters:\n"));
    return dt_options_text(&options, &t->settings);
}

static dt_status tell_unused(const train_command *t, const dt_train_options *o)
{
    const dt_train_options options = in_effect(t, o);
    return dt_options_tell_unused(&options);
}

/* Collective. */
static dt_status run_training(train_command *t, const dt_train_options *o)
{
    DT_TRY(dt_agree(t->comm, dt_check_folder(o->output_dir), &t->agreed));
    DT_TRY(choose_resumed(t, o));
    DT_TRY(dt_agree(t->comm, note_invocation(t, o), &t->agreed));
    DT_TRY(dt_ranks_share(t->comm, &t->sharing));
    const dt_device_wish wish = wish_for(o, NULL);
    DT_TRY(dt_choose_device(&wish, t->comm, &t->agreed, t->device));
    DT_TRY(dt_agree(t->comm, prepare_machine(t, o), &t->agreed));
    DT_TRY(compare_ranks(t));
    DT_TRY(read_dataset(t, o));
    DT_TRY(dt_agree(t->comm, prepare_run(t, o), &t->agreed));
    DT_TRY(compare_runs(t, o));
    DT_TRY(dt_agree(t->comm, tell_unused(t, o), &t->agreed)); /* an error stands alone */
    DT_TRY(dt_agree(t->comm, settings_text(t, o), &t->agreed));
    const dt_training training = {.run = &t->run,
                                  .resumes_newest = t->resumes && strcmp(o->resume, "auto") == 0,
                                  .resume_path = t->resumes ? t->resume_path : NULL,
                                  .init_path = t->init_path[0] ? t->init_path : NULL,
                                  .dataset = &t->dataset,
                                  .backend = t->backend,
                                  .comm = t->comm,
                                  .ranks = t->ranks,
                                  .pool = t->pool,
                                  .invocation = &t->invocation,
                                  .settings = t->settings.data,
                                  .thread_note = t->thread_note[0] ? t->thread_note : NULL,
                                  .output_dir = o->output_dir,
                                  .fixed_micro_batch = o->micro_batch_size > 0,
                                  .stop = t->stop,
                                  .keep_checkpoints = (int32_t)o->keep_checkpoints,
                                  .save_best_only = o->save_best_only,
                                  .save_every_steps = o->save_every_steps,
                                  .save_every_minutes = o->save_every_minutes,
                                  .validate_on_rank0 = o->validate_on == DT_VALIDATE_ON_RANK0,
                                  .store_references = o->store_references,
                                  .export_embeddings = o->export_sequence_embeddings,
                                  .export_importance = o->export_permutation_importance,
                                  .report = !o->no_report,
                                  .tensorboard = o->tensorboard,
                                  .perm_region_size = (int32_t)o->perm_region_size,
                                  .deterministic = o->deterministic,
                                  .dry_run = o->dry_run,
                                  .preflight_only = o->preflight_only,
                                  .verbose = o->verbose,
                                  .profile = t->profile};
    t->agreed = true; /* dt_train() handles its own failures */
    return train_and_report(t, o, &training);
}

/* Binds this rank and connects it. A rank that cannot be bound says so once all are connected: MPICH's
 * mpiexec does not end those that wait for a rank that ended before. */
static dt_status join(train_command *t, const dt_train_options *o)
{
    char message[512];
    const dt_status bound = dt_bind_rank();
    snprintf(message, sizeof message, "%s", dt_error_message());
    DT_TRY(open_comm(t, o));
    return dt_agree(t->comm, bound == DT_OK ? DT_OK : dt_fail(bound, "%s", message), &t->agreed);
}

static dt_status train(const dt_train_options *options)
{
    train_command t = {.stop = &dt_stop_signal};
    dt_train_options o = *options;
    dt_stop_signal_watch();
    dt_status status = join(&t, &o);
    if (status == DT_OK)
        status = dt_agree(t.comm, dt_train_batch_size(&o, t.comm->world_size), &t.agreed);
    if (status == DT_OK)
        status = run_training(&t, &o);
    if (status != DT_OK && t.comm && !t.agreed)
        t.comm->ops->abort(t.comm, status, dt_error_message());
    if (status != DT_OK && t.comm && t.comm->world_size > 1)
        dt_command_report_error(options);
    dt_pool_destroy(t.pool);
    if (t.comm)
        t.comm->ops->destroy(t.comm);
    if (t.backend)
        t.backend->ops->destroy(t.backend);
    dt_profile_destroy(t.profile);
    dt_dataset_free(&t.dataset);
    dt_dataset_free(&t.index);
    dt_run_free(&t.run);
    dt_run_free(&t.init);
    dt_invocation_free(&t.invocation);
    dt_text_free(&t.settings);
    free(t.ranks);
    return status;
}

/* Tests a GPU before --gpus starts ranks, which then take theirs without a test. */
static dt_status check_gpus(const void *options)
{
    char device[DT_DEVICE_NAME];
    const dt_device_wish wish = wish_for(options, "--gpus");
    return dt_choose_device(&wish, NULL, NULL, device);
}

/* With --gpus, --ranks or --hosts, this process only starts the ranks. */
static dt_status run(const void *options)
{
    const dt_train_options *o = options;
    const dt_start start = {.parsed = &o->parsed,
                            .gpus = (int32_t)o->gpus,
                            .ranks = (int32_t)o->ranks,
                            .hosts = dt_train_hosts(o),
                            .device_given = o->device != DT_DEVICE_AUTO,
                            .check = check_gpus,
                            .options = o};
    dt_outlive_log_reader();
    if (start.gpus > 0 || start.ranks > 0 || start.hosts)
        return dt_start_ranks(&start);
    return train(o);
}

int main(int argc, char **argv)
{
    dt_train_options options;
    return dt_command_main(&dt_train_command, argc, argv, &options, run);
}
