/* deeptaxa predict: predicts a FASTA or FASTQ file and writes the results. */
#include "cli/predict_neighbours.h"
#include "cli/predict_options.h"
#include "cli/predict_report.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/device.h"
#include "cli/invocation.h"
#include "cli/model_tokenizer.h"
#include "predict/loaded_model.h"
#include "cli/profiling.h"
#include "cli/shared_options.h"
#include "cli/stop_signal.h"
#include "cli/threads.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/output_folder.h"
#include "core/shell.h"
#include "core/stop.h"
#include "core/version.h"
#include "data/dataset_build.h"
#include "io/fasta.h"
#include "core/memory.h"
#include "predict/ensemble.h"
#include "predict/predictor.h"
#include "predict/region_use.h"
#include "predict/results.h"
#include "predict/truth_use.h"
#include "profile/profiled_backend.h"
#include "run/checkpoint_path.h"
#include "train/progress.h"

_Static_assert(DT_MAX_MEMBERS >= DT_OPTION_VALUES,
               "--checkpoint takes no more models than an ensemble");

/* Everything that is open while a prediction runs. */
typedef struct {
    const dt_predict_options *options;
    dt_loaded_model *model; /* (models) that vote; the first one's labels are used */
    int32_t models;
    const char *other_path[DT_MAX_MEMBERS];   /* (models - 1) */
    dt_ensemble_member other[DT_MAX_MEMBERS]; /* likewise */
    dt_tokenizer *tokenizer;
    char tokenizer_path[PATH_MAX]; /* "": in the checkpoint, or none */
    dt_fasta *input;
    dt_unique_ids *ids; /* of the input, where it can be read only once; NULL: they may repeat, or
                           have been checked */
    dt_truth truth;
    dt_truth_use truth_use;
    dt_profile *profile; /* NULL: none */
    int threads;
    char thread_note[DT_THREAD_NOTE];
    char host[256];
    dt_invocation invocation;
    int32_t batch_size;
    dt_lineage_choice lineage;
    dt_predict_neighbours neighbours;
    double temperature[DT_MAX_MEMBERS][DT_MAX_TAX_RANKS]; /* (models) of summed lineages */
    const dt_strand_profile *strand;                      /* to turn sequences by; NULL: all stay */
    dt_primer_search *search; /* for the model's primers; NULL: it has none */
    dt_cut cut;
    dt_region_use region_use;
    const char *precision; /* in use */
    dt_results results;
    double started, last_progress; /* dt_seconds() */
} session;

/* ---- what is read before anything is computed ------------------------------------------------ */

static dt_status check_temperatures(const session *s)
{
    const int count = s->options->level_temperatures.count;
    if (count && count != s->model[0].checkpoint.config.tax_ranks)
        return dt_fail(DT_ERR_USAGE,
                       "--level-temperatures: %d values for %d taxonomic ranks: give one per rank",
                       count, s->model[0].checkpoint.config.tax_ranks);
    return DT_OK;
}

/* Those of the command line, else those that model m was calibrated with. */
static const double *temperatures(const session *s, int32_t m)
{
    const dt_run *checkpoint = &s->model[m].checkpoint;
    if (s->options->level_temperatures.count)
        return s->options->level_temperatures.value;
    return checkpoint->temperatures ? checkpoint->temperature : NULL;
}

/* Returns the temperature of the lineages of model m, a factor of those of its ranks. */
static double lineage_temperature(const session *s, int32_t m)
{
    const double found = s->model[m].checkpoint.lineage_temperature;
    if (s->neighbours.use.count > 0)
        return s->neighbours.temperature;
    return s->lineage == DT_LINEAGE_SUMMED && !s->options->level_temperatures.count && found > 0.0
               ? found
               : 1.0;
}

/* The temperatures with which lineages are predicted. */
static const double *temperatures_in_use(session *s, int32_t m)
{
    const dt_run *run = &s->model[m].checkpoint;
    const bool of_layer = s->lineage == DT_LINEAGE_SUMMED && dt_run_has_lineage_layer(run) &&
                          !s->options->level_temperatures.count;
    const double *given = of_layer ? NULL : temperatures(s, m);
    const double factor = lineage_temperature(s, m);
    if (factor == 1.0)
        return given;
    for (int32_t r = 0; r < run->config.tax_ranks; ++r)
        s->temperature[m][r] = factor * (given ? given[r] : 1.0);
    return s->temperature[m];
}

/* Fails: a model has not `what` of its training set, which `flag` needs. */
static dt_status lacks_training(const char *path, const char *what, const char *flag)
{
    char word[DT_PASTED_SIZE];
    return dt_fail(DT_ERR_INPUT,
                   "%s: has no %s, which %s needs: write a file that has it, from the files of the "
                   "training set, with deeptaxa convert --checkpoint %s --output-file NEW.h5 "
                   "--fasta-file FASTA --taxonomy-file TABLE, or omit the flag",
                   path, what, flag, dt_pasted(path, word));
}

/* Models of DeepTaxa have no tokenizer of their own. */
static dt_status take_tokenizers(session *s)
{
    const char *file = s->options->tokenizer_file;
    char path[PATH_MAX];
    for (int32_t m = 0; m < s->models; ++m) {
        DT_TRY(dt_take_tokenizer(&s->model[m].checkpoint, s->model[m].path, file, path));
        if (path[0])
            snprintf(s->tokenizer_path, sizeof s->tokenizer_path, "%s", path);
    }
    return DT_OK;
}

/* The formats of other programs are of lineages: unless --lineage says otherwise, a lineage
 * of the training set is predicted where that is possible. */
static bool format_decides(const dt_predict_options *o)
{
    bool others = false;
    for (int i = 0; i < o->format.count; ++i)
        others = others || o->format.value[i] != DT_FORMAT_DEEPTAXA;
    return others && !dt_option_given(&o->parsed, "lineage");
}

/* Returns the first model that has not the lineages of all; NULL: there is none. */
static const dt_loaded_model *without_lineages(const session *s)
{
    const dt_lineage_tree *first = &s->model[0].checkpoint.lineages;
    for (int32_t m = 0; m < s->models; ++m) {
        const dt_lineage_tree *tree = &s->model[m].checkpoint.lineages;
        if (tree->tax_ranks == 0 || !dt_lineage_tree_equal(first, tree))
            return &s->model[m];
    }
    return NULL;
}

/* Sums of whole lineages are far too sure of themselves, unless the loss of the training or `calibrate`
 * was of them: the lineage of a format is consistent, then. */
static dt_lineage_choice lineage_of_formats(const session *s)
{
    if (without_lineages(s))
        return DT_LINEAGE_INDEPENDENT;
    for (int32_t m = 0; m < s->models; ++m) {
        const dt_run *run = &s->model[m].checkpoint;
        if (!dt_run_has_lineage_layer(run) && !(run->lineage_temperature > 0.0))
            return DT_LINEAGE_CONSISTENT;
    }
    return DT_LINEAGE_SUMMED;
}

static dt_status choose_lineages(session *s)
{
    if (dt_predict_asked_neighbours(s->options) != 0) { /* which references of lineages imply */
        s->lineage = DT_LINEAGE_SUMMED;
        return DT_OK;
    }
    if (format_decides(s->options)) {
        s->lineage = lineage_of_formats(s);
        return DT_OK;
    }
    s->lineage = (dt_lineage_choice)s->options->lineage;
    for (int32_t m = 0; s->lineage != DT_LINEAGE_INDEPENDENT && m < s->models; ++m)
        if (s->model[m].checkpoint.lineages.tax_ranks == 0)
            return lacks_training(s->model[m].path, "vocabulary of lineages",
                                  s->lineage == DT_LINEAGE_SUMMED ? "--lineage summed"
                                                                  : "--lineage consistent");
    return DT_OK;
}

/* Where a format would have had lineages of the training set. Of a .pt file, tell_of_deeptaxa()
 * says it. */
static void tell_of_lineages(const session *s)
{
    const dt_loaded_model *model = format_decides(s->options) ? without_lineages(s) : NULL;
    if (model && !model->checkpoint.of_deeptaxa)
        dt_notice("%s: %s: ranks are predicted independently, so that a lineage may combine labels "
                  "of different lineages",
                  model->path,
                  model->checkpoint.lineages.tax_ranks == 0
                      ? "has no vocabulary of lineages"
                      : "was trained on other lineages than the first model");
}

/* All models must read and name alike. */
static dt_status read_checkpoints(session *s)
{
    const dt_texts *arguments = &s->options->checkpoint;
    const dt_texts *expected = &s->options->expect_sha256;
    DT_TRY(DT_NEW(s->model, (size_t)arguments->count));
    for (; s->models < arguments->count; ++s->models)
        DT_TRY(dt_loaded_model_read(&s->model[s->models], arguments->value[s->models],
                                    expected->count ? expected->value[s->models] : NULL));
    DT_TRY(choose_lineages(s));
    DT_TRY(take_tokenizers(s));
    for (int32_t m = 1; m < s->models; ++m)
        DT_TRY(dt_ensemble_check(&s->model[0].checkpoint, s->model[0].path, &s->model[m].checkpoint,
                                 s->model[m].path, s->lineage != DT_LINEAGE_INDEPENDENT));
    return DT_OK;
}

/* Without --orientation as the first model was trained. */
static dt_status choose_strand(session *s)
{
    const dt_predict_options *o = s->options;
    const dt_strand_info *trained = &s->model[0].checkpoint.strand;
    const bool turns = dt_option_given(&o->parsed, "orientation")
                           ? o->orientation == DT_ORIENTATION_AUTO
                           : trained->sorted;
    if (turns && !trained->profile)
        return lacks_training(s->model[0].path, "strand profile", "--orientation auto");
    s->strand = turns ? trained->profile : NULL;
    return DT_OK;
}

static dt_status find_region(session *s)
{
    const dt_primers *primers = &s->model[0].checkpoint.primers;
    const bool cuts = s->options->extract == DT_EXTRACT_AUTO;
    if (cuts && !primers->forward[0])
        return dt_fail(DT_ERR_INPUT,
                       "%s: has no primers, which --extract auto needs: train it with --region, or "
                       "cut the sequences with deeptaxa extract",
                       s->model[0].path);
    if (!primers->forward[0])
        return DT_OK;
    DT_TRY(dt_primers_search(primers, &s->search));
    s->cut =
        (dt_cut){.search = s->search, .find_only = !cuts, .min_length = DT_AMPLICON_MIN_LENGTH};
    s->region_use = (dt_region_use){.trained = primers, .cuts = cuts};
    return DT_OK;
}

/* QIIME 2 imports a table with duplicate ids, but fails on it later. */
static dt_status check_ids(session *s)
{
    const dt_predict_options *o = s->options;
    const char *reader = NULL;
    for (int i = 0; i < o->format.count && !reader; ++i)
        reader = dt_formats[o->format.value[i]].reader;
    if (!reader)
        return DT_OK;
    if (!dt_read_only_once(o->fasta_file))
        return dt_unique_ids_check(o->fasta_file, reader, s->model[0].checkpoint.settings.normalize,
                                   o->min_length);
    return dt_unique_ids_create(&s->ids, reader);
}

static dt_status open_inputs(session *s)
{
    const dt_predict_options *o = s->options;
    if (o->taxonomy_file)
        DT_TRY(dt_check_standard_input(o->fasta_file, o->taxonomy_file, NULL));
    DT_TRY(read_checkpoints(s));
    DT_TRY(choose_strand(s));
    DT_TRY(find_region(s));
    DT_TRY(check_temperatures(s));
    DT_TRY(dt_fasta_open_reads(&s->input, o->fasta_file));
    if (o->taxonomy_file) {
        DT_TRY(dt_truth_read(&s->truth, &s->model[0].checkpoint.taxonomy, o->taxonomy_file));
        DT_TRY(dt_truth_use_create(&s->truth_use, &s->truth));
    }
    DT_TRY(check_ids(s));
    if (o->use_raw_labels_for_true)
        dt_notice("--use-raw-labels-for-true has no effect: true labels are always those in the "
                  "taxonomy file");
    return dt_loaded_model_tokenizer(&s->model[0], &s->tokenizer);
}

/* Several models stand in memory together, each on a backend of its own: a model that only predicts
 * takes little, and every sequence is read once. */
static dt_status open_models(session *s)
{
    const dt_predict_options *o = s->options;
    char device[DT_DEVICE_NAME];
    const dt_device_wish wish = {
        .command = &dt_predict_command, .choice = o->device, .threads = o->threads};
    DT_TRY(dt_choose_device(&wish, NULL, NULL, device));
    DT_TRY(dt_plan_threads(&(dt_thread_wish){.asked = o->threads, .ranks = {1, 1}}, &s->threads,
                           s->thread_note));
    const dt_backend_options backend = {.threads = s->threads,
                                        .precision = (dt_precision)o->precision,
                                        .attention = (dt_attention_method)o->attention};
    s->batch_size = (int32_t)o->batch_size;
    for (int32_t m = 0; m < s->models; ++m)
        DT_TRY(dt_loaded_model_open(&s->model[m], device, &backend, &s->batch_size, s->profile));
    s->precision = dt_precision_name(s->model[0].backend->precision);
    return dt_open_neighbours(&s->neighbours, o, &s->model[0], s->threads);
}

/* ---- results --------------------------------------------------------------------------------- */

static dt_status open_results(session *s)
{
    const dt_predict_options *o = s->options;
    for (int32_t m = 1; m < s->models; ++m)
        s->other_path[m - 1] = s->model[m].path;
    dt_results_options options = {
        .output_folder = o->output_dir,
        .fasta_file = o->fasta_file,
        .taxonomy_file = o->taxonomy_file,
        .checkpoint_path = s->model[0].path,
        .checkpoint = &s->model[0].checkpoint,
        .others = s->models - 1,
        .other_path = s->other_path,
        .lineage = s->lineage,
        .neighbours = s->neighbours.use.count ? &s->neighbours.use : NULL,
        .lineage_temperature = lineage_temperature(s, 0),
        .min_similarity = s->neighbours.limits ? s->neighbours.min_similarity : NULL,
        .oriented = s->strand != NULL,
        .truth = o->taxonomy_file ? &s->truth : NULL,
        .tabular = o->tabular,
        .features =
            o->export_sequence_embeddings ? dt_model_features(&s->model[0].checkpoint.config) : 0,
        .columns = o->tabular_fields.count,
        .min_length = o->min_length,
        .threshold = o->confidence_threshold,
        .lineage_threshold = dt_option_given(&o->parsed, "confidence-threshold")
                                 ? o->confidence_threshold
                                 : DT_LINEAGE_CONFIDENCE,
        .top_k = (int32_t)o->top_k,
        .batch_size = s->batch_size,
        .device = s->model[0].backend->description,
        .precision = s->precision,
        .gpu = strcmp(s->model[0].backend->name, "cuda") == 0,
        .version = dt_version(),
        .invocation = &s->invocation,
    };
    for (int32_t m = 0; m < s->models; ++m)
        options.temperature[m] = temperatures(s, m);
    for (int i = 0; i < o->format.count; ++i)
        options.format[o->format.value[i]] = true;
    for (int c = 0; c < options.columns; ++c)
        options.column[c] = (dt_column)o->tabular_fields.value[c];
    return dt_results_begin(&s->results, &options);
}

/* share: of the input that is done, -1 where that is not known */
static void show_progress(session *s, double share)
{
    const double now = dt_seconds();
    const bool terminal = dt_log_is_terminal();
    if (now - s->last_progress < (terminal ? 0.2 : 30.0))
        return;
    char line[160];
    char left[32];
    const double count = (double)s->results.tally.sequences;
    const double elapsed = now - s->started;
    s->last_progress = now;
    int used = snprintf(line, sizeof line, "predicting: ");
    if (share > 0.0) {
        dt_duration(elapsed / share - elapsed, left);
        used += snprintf(line + used, sizeof line - (size_t)used, "%.0f%%, %s left, ",
                         100.0 * share, left);
    }
    snprintf(line + used, sizeof line - (size_t)used, "%.0f sequences, %.1f sequences/s", count,
             count / elapsed);
    if (terminal)
        dt_log_status_line(line);
    else
        dt_info("%s", line);
}

static dt_status take_results(void *context, const dt_predicted *predicted)
{
    session *s = context;
    if (atomic_load(&dt_stop_signal))
        return dt_fail(DT_STOPPED, "stopped by a signal");
    DT_TRY(dt_results_add(&s->results, predicted));
    dt_truth_use_add(&s->truth_use, predicted);
    dt_region_use_add(&s->region_use, predicted);
    show_progress(s, predicted->sequences > 0 ? predicted->record[predicted->sequences - 1].share
                                              : -1.0);
    return DT_OK;
}

static void show_model(const session *s, int32_t m)
{
    const dt_loaded_model *model = &s->model[m];
    const bool calibrated = model->checkpoint.temperatures && !s->options->level_temperatures.count;
    dt_info("Model: run %s, epoch %d%s, in %s on %s", model->checkpoint.settings.run_uuid,
            model->checkpoint.progress.epoch, calibrated ? ", calibrated" : "", s->precision,
            model->backend->description);
}

/* The directory of a run stands for the newest checkpoint of its training, though there may be a
 * calibrated copy of it. */
static dt_status tell_of_calibrated(const session *s, int32_t m)
{
    const char *path = s->model[m].path;
    char copy[PATH_MAX];
    char word[DT_PASTED_SIZE];
    if (strcmp(path, s->options->checkpoint.value[m]) == 0)
        return DT_OK;
    DT_TRY(dt_calibrated_path(path, copy));
    if (access(copy, F_OK) == 0)
        dt_notice("%s: its calibrated copy is not used: for that, give --checkpoint %s", path,
                  dt_pasted(copy, word));
    return DT_OK;
}

/* What a model of DeepTaxa lacks. */
static void tell_of_deeptaxa(const session *s)
{
    if (s->tokenizer_path[0])
        dt_info("Tokenizer: %s", s->tokenizer_path);
    dt_notice_unused_tokenizer(&s->model[0].checkpoint, s->options->tokenizer_file,
                               s->tokenizer_path);
    if (s->model[0].checkpoint.of_deeptaxa)
        dt_notice("%s: is in DeepTaxa's format (.pt), which has no place for lineages and strand: "
                  "ranks are predicted independently and sequences as they are (deeptaxa convert "
                  "can write a .h5 file with both)",
                  s->model[0].path);
}

static dt_status finish_results(session *s)
{
    dt_profile_begin(s->profile, DT_TRACK_MAIN, DT_CATEGORY_WRITING);
    const dt_status status = dt_results_finish(&s->results);
    dt_profile_end(s->profile, DT_TRACK_MAIN);
    return status;
}

/* What a reader of the results should know of the sequences. */
static void tell_doubts(const session *s)
{
    const char *file = dt_fasta_name(s->input);
    const long long left_out = (long long)s->results.left_out;
    const long long min_length = (long long)s->options->min_length;
    if (dt_fasta_is_fastq(s->input))
        dt_notice("%s: FASTQ: the quality of the bases is not used", file);
    if (left_out && s->results.tally.sequences == 0)
        dt_warn("%s: all %lld sequences have fewer than %lld bases (--min-length); there are no "
                "predictions",
                file, left_out, min_length);
    else if (left_out)
        dt_info("%s: %lld of %lld sequences are excluded, with fewer than %lld bases "
                "(--min-length)",
                file, left_out, left_out + (long long)s->results.tally.sequences, min_length);
    dt_judgement_report(&s->results.tally.judgement, s->tokenizer, file,
                        s->model[0].checkpoint.settings.normalize,
                        "exclude them with --min-length");
    if (!s->search || !dt_region_use_report(&s->region_use, file))
        dt_read_lengths_report(&s->results.tally.lengths, file);
}

static dt_status predict(session *s)
{
    const dt_predict_options *o = s->options;
    for (int32_t m = 1; m < s->models; ++m)
        s->other[m - 1] = (dt_ensemble_member){.model = s->model[m].model,
                                               .temperature = temperatures_in_use(s, m)};
    const dt_predictor predictor = {
        .model = s->model[0].model,
        .others = s->models - 1,
        .other = s->other,
        .lineage = s->lineage,
        .lineages = s->lineage != DT_LINEAGE_INDEPENDENT ? &s->model[0].checkpoint.lineages : NULL,
        .neighbours = s->neighbours.use.count ? &s->neighbours.use : NULL,
        .tokenizer = s->tokenizer,
        .truth = o->taxonomy_file ? &s->truth : NULL,
        .temperature = temperatures_in_use(s, 0),
        .normalize = s->model[0].checkpoint.settings.normalize,
        .min_length = o->min_length,
        .ids = s->ids,
        .cut = s->search ? &s->cut : NULL,
        .strand = s->strand,
        .repeats_memory = o->leave_one_out ? 0 : DT_REPEATS_MEMORY, /* ids matter */
        .embeddings = o->export_sequence_embeddings,
        .batch_size = s->batch_size,
        .threads = o->num_workers ? (int)o->num_workers : s->threads,
        .sink = take_results,
        .context = s,
        .profile = s->profile,
    };
    for (int32_t m = 0; m < s->models; ++m) {
        show_model(s, m);
        DT_TRY(tell_of_calibrated(s, m));
    }
    tell_of_deeptaxa(s);
    tell_of_lineages(s);
    dt_show_neighbours(&s->neighbours);
    if (s->thread_note[0])
        dt_notice("%s", s->thread_note);
    if (o->verbose)
        dt_info("Batches of %d sequences, %d thread%s", s->batch_size, predictor.threads,
                predictor.threads == 1 ? " tokenises" : "s tokenise");
    s->started = s->last_progress = dt_seconds();
    dt_predictor_counts counts;
    const dt_status status = dt_predictor_run(&predictor, s->input, &counts);
    dt_log_status_line("");
    DT_TRY(status);
    s->results.left_out = counts.left_out;
    tell_doubts(s);
    DT_TRY(finish_results(s));
    const double seconds = dt_seconds() - s->started;
    dt_info("%lld sequences in %.2f seconds (%.1f sequences/s)",
            (long long)s->results.tally.sequences, seconds,
            (double)s->results.tally.sequences / seconds);
    if (counts.repeated)
        dt_info("Identical sequences: %lld of %lld repeat an earlier one and were not computed "
                "again",
                (long long)counts.repeated, (long long)counts.predicted);
    if (s->strand)
        dt_info("Orientation: %lld of %lld sequences were reverse-complemented",
                (long long)s->results.tally.reoriented, (long long)s->results.tally.sequences);
    DT_TRY(dt_truth_use_report(&s->truth_use, dt_fasta_name(s->input)));
    dt_report_nearest(&s->neighbours, &s->results, dt_fasta_name(s->input));
    return dt_show_predictions(&s->results);
}

static dt_status report_profile(session *s)
{
    for (int32_t m = 0; m < s->models; ++m)
        DT_TRY(dt_profiled_backend_collect(s->model[m].backend, s->profile));
    return dt_profiling_end(s->profile, NULL, s->options->profile_trace);
}

/* What is opened before the prediction, as one part of the profile. */
static dt_status open_session(session *s)
{
    dt_profile_begin(s->profile, DT_TRACK_MAIN, DT_CATEGORY_MODEL);
    dt_status status = open_inputs(s);
    if (status == DT_OK)
        status = open_models(s);
    dt_profile_end(s->profile, DT_TRACK_MAIN);
    return status;
}

static void close_session(session *s)
{
    dt_results_free(&s->results);
    dt_close_neighbours(&s->neighbours);
    dt_invocation_free(&s->invocation);
    dt_tokenizer_destroy(s->tokenizer);
    dt_truth_use_free(&s->truth_use);
    dt_unique_ids_destroy(s->ids);
    dt_primer_search_destroy(s->search);
    dt_truth_free(&s->truth);
    dt_fasta_close(s->input);
    for (int32_t m = 0; m < s->options->checkpoint.count && s->model; ++m)
        dt_loaded_model_free(&s->model[m]);
    free(s->model);
    dt_profile_destroy(s->profile);
    free(s);
}

static dt_status run(const void *parsed)
{
    const dt_predict_options *options = parsed;
    session *s;
    dt_outlive_log_reader();
    DT_TRY(DT_NEW(s, 1));
    s->options = options;
    gethostname(s->host, sizeof s->host - 1);
    dt_output_folder folder = {.lock = -1};
    dt_status status = dt_check_folder(options->output_dir);
    if (status == DT_OK)
        status = dt_profiling_begin(&s->profile, options->profile, options->profile_trace);
    if (status == DT_OK)
        status = dt_invocation_of(options, false, s->host, &s->invocation);
    if (status == DT_OK)
        status = open_session(s);
    dt_stop_signal_watch(); /* the folder goes, too */
    if (status == DT_OK)
        status = dt_output_folder_make(&folder, options->output_dir);
    dt_remove_unfinished(options->output_dir);
    if (status == DT_OK)
        status = open_results(s);
    if (status == DT_OK)
        status = predict(s);
    if (status == DT_OK)
        status = report_profile(s);
    close_session(s);
    dt_output_folder_close(&folder, status);
    return status == DT_STOPPED ? dt_stopped_for_good() : status;
}

int main(int argc, char **argv)
{
    dt_predict_options options;
    return dt_command_main(&dt_predict_command, argc, argv, &options, run);
}
