/* deeptaxa calibrate: fits the temperatures of a trained model on held-out sequences. */
#include "cli/calibrate_neighbours.h"
#include "cli/calibrate_options.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/device.h"
#include "cli/model_tokenizer.h"
#include "cli/references.h"
#include "predict/loaded_model.h"
#include "cli/threads.h"
#include "cli/stop_signal.h"
#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "core/shell.h"
#include "data/dataset_build.h"
#include "io/fasta.h"
#include "layers.h"
#include "predict/logit_store.h"
#include "predict/predictor.h"
#include "predict/read_lengths.h"
#include "predict/temperature.h"
#include "predict/truth_use.h"
#include "predict/unique_ids.h"
#include "run/checkpoint_path.h"
#include "run/references_file.h"
#include "run/torch_write.h"

/* The state of the command. */
typedef struct {
    const dt_calibrate_options *options;
    dt_loaded_model model;
    dt_tokenizer *tokenizer;
    dt_fasta *input;
    dt_unique_ids *ids; /* as in training files, no id twice */
    dt_truth truth;
    dt_truth_use truth_use;
    dt_logit_store store;     /* the heads' outputs */
    dt_logit_store marginals; /* logarithms of the lineage layer's probabilities, if there is one */
    dt_decision decision;     /* makes them; this and the next two only then */
    dt_decision_memory memory;
    float *row; /* (C) */
    dt_reference_set references;
    dt_asked asked; /* them */
    dt_pool *pool;
    dt_judgement judgement;
    dt_read_lengths lengths;
    int threads;
    char thread_note[DT_THREAD_NOTE];
    int64_t without_row;
    int32_t batch_size;
    char output[PATH_MAX];
} session;

/* ---- files ----------------------------------------------------------------------------------- */

static dt_status choose_output(session *s)
{
    const char *path = s->model.path;
    const char *asked = s->options->output_file;
    struct stat info;
    dt_run written = s->model.checkpoint; /* owns nothing */
    written.has_optimizer = false;
    DT_TRY(asked ? dt_path(s->output, sizeof s->output, "%s", asked)
                 : dt_calibrated_path(path, s->output));
    if (stat(s->output, &info) == 0 && S_ISDIR(info.st_mode))
        return dt_fail(DT_ERR_USAGE, "--output-file %s: is a directory: name a file", s->output);
    if (dt_written_in_place(s->output))
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: is a pipe or a device: a checkpoint can only be written "
                       "to a disk",
                       s->output);
    if (dt_same_file(path, s->output))
        return dt_fail(DT_ERR_USAGE,
                       "--output-file %s: is the checkpoint itself, which would lose its optimizer "
                       "state: name another file",
                       s->output);
    return dt_is_torch_name(s->output) ? dt_torch_check(s->output, &written) : DT_OK;
}

static dt_status open_inputs(session *s)
{
    const dt_calibrate_options *o = s->options;
    DT_TRY(dt_check_standard_input(o->fasta_file, o->taxonomy_file, NULL));
    char folder[PATH_MAX];
    char tokenizer[PATH_MAX];
    DT_TRY(dt_loaded_model_read(&s->model, o->checkpoint, o->expect_sha256));
    DT_TRY(choose_output(s));
    DT_TRY(dt_take_tokenizer(&s->model.checkpoint, s->model.path, o->tokenizer_file, tokenizer));
    dt_notice_unused_tokenizer(&s->model.checkpoint, o->tokenizer_file, tokenizer);
    dt_folder_of(s->output, folder, sizeof folder);
    if (access(folder, W_OK | X_OK) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot write to this directory: %s%s", folder,
                       strerror(errno),
                       o->output_file ? "" : "; choose another one with --output-file");
    dt_remove_unfinished(folder);
    DT_TRY(dt_fasta_open(&s->input, o->fasta_file));
    DT_TRY(dt_unique_ids_create(&s->ids, NULL));
    DT_TRY(dt_truth_read(&s->truth, &s->model.checkpoint.taxonomy, o->taxonomy_file));
    DT_TRY(dt_truth_use_create(&s->truth_use, &s->truth));
    DT_TRY(dt_loaded_model_tokenizer(&s->model, &s->tokenizer));
    const dt_model_config *config = &s->model.checkpoint.config;
    int32_t classes = 0;
    for (int32_t r = 0; r < config->tax_ranks; ++r)
        classes += config->classes[r];
    return dt_logit_store_create(&s->store, folder, config->tax_ranks, classes);
}

static dt_status open_model(session *s)
{
    const dt_calibrate_options *o = s->options;
    char device[DT_DEVICE_NAME];
    const dt_device_wish wish = {
        .command = &dt_calibrate_command, .choice = o->device, .threads = o->threads};
    DT_TRY(dt_choose_device(&wish, NULL, NULL, device));
    DT_TRY(dt_plan_threads(&(dt_thread_wish){.asked = o->threads, .ranks = {1, 1}}, &s->threads,
                           s->thread_note));
    const dt_backend_options backend = {.threads = s->threads,
                                        .precision = (dt_precision)o->precision,
                                        .attention = (dt_attention_method)o->attention};
    s->batch_size = (int32_t)o->batch_size;
    DT_TRY(dt_loaded_model_open(&s->model, device, &backend, &s->batch_size, NULL));
    return dt_pool_create(&s->pool, s->threads);
}

/* A lineage layer is between the heads and the ranks' probabilities. */
static dt_status open_marginals(session *s)
{
    const dt_run *run = &s->model.checkpoint;
    const dt_class_layout *layout = dt_model_classes(s->model.model);
    const int32_t classes = layout->first[layout->tax_ranks];
    if (!dt_run_has_lineage_layer(run))
        return DT_OK;
    s->decision = (dt_decision){.layout = layout,
                                .statistic_size = s->model.backend->statistic_size,
                                .members = 1,
                                .lineage = DT_LINEAGE_SUMMED,
                                .lineages = &run->lineages};
    DT_TRY(DT_NEW(s->row, (size_t)classes));
    DT_TRY(dt_decision_memory_create(&s->memory, &s->decision));
    return dt_logit_store_create(&s->marginals, s->store.folder, layout->tax_ranks, classes);
}

/* Takes the references of the model or those to be added; none if there are neither. */
static dt_status open_references(session *s)
{
    dt_run *run = &s->model.checkpoint;
    const char *fasta = s->options->add_references;
    const char *taxonomy = s->options->reference_taxonomy;
    const bool has = run->references.sequences > 0;
    if (has && fasta)
        return dt_fail(DT_ERR_USAGE,
                       "--add-references: %s has references: omit the flag, or replace them in a "
                       "copy made by deeptaxa export --no-references",
                       s->model.path);
    if (!has && !fasta)
        return DT_OK;
    DT_TRY(has ? dt_references_read(s->model.path, run, &s->references)
               : dt_add_references(run, fasta, taxonomy, s->threads, &s->references));
    run->references.set = &s->references;
    return dt_asked_open(&s->asked, run, &s->references, s->pool);
}

/* ---- held-out logits ------------------------------------------------------------------------- */

/* Sets the labels that the model knows, -1 for the others. */
static void known_labels(const session *s, const dt_predicted *predicted, int32_t *labels)
{
    const int32_t ranks = predicted->tax_ranks;
    for (int32_t c = 0; c < predicted->sequences * ranks; ++c) {
        const int32_t truth = predicted->truth[c];
        const bool known =
            truth >= 0 && truth < s->model.checkpoint.taxonomy.rank[c % ranks].classes;
        labels[c] = known ? truth : -1;
    }
}

static dt_status add_marginals(session *s, const dt_prediction *predicted, const void *logits,
                               const int32_t *labels)
{
    dt_prediction prediction[DT_MAX_TAX_RANKS];
    if (!s->row)
        return DT_OK;
    memcpy(prediction, predicted, (size_t)s->store.tax_ranks * sizeof *prediction);
    dt_decide(prediction, NULL, &s->decision, &s->memory, &logits, NULL, NULL);
    for (int32_t c = 0; c < s->store.classes; ++c)
        s->row[c] = logf(fmaxf((float)s->memory.probability[c], FLT_MIN));
    return dt_logit_store_add(&s->marginals, s->row, sizeof *s->row, labels);
}

/* Stores the logits of the sequences that have a row in the taxonomy. */
static dt_status add_logits(session *s, const dt_predicted *predicted, const int32_t *labels)
{
    const dt_class_layout *layout = dt_model_classes(s->model.model);
    const int32_t size = s->model.backend->statistic_size;
    for (int32_t i = 0; i < predicted->sequences; ++i) {
        dt_judgement_add(&s->judgement, &predicted->judged[i], s->judgement.sequences,
                         predicted->record[i].id.data);
        dt_read_lengths_add(&s->lengths, predicted, i);
        if (!predicted->has_row[i]) {
            s->without_row++;
            continue;
        }
        const int64_t row = (int64_t)i * predicted->tax_ranks;
        const void *logits =
            (const char *)predicted->logits + (int64_t)i * layout->first[layout->tax_ranks] * size;
        DT_TRY(dt_logit_store_add(&s->store, logits, size, labels + row));
        DT_TRY(add_marginals(s, predicted->prediction + row, logits, labels + row));
    }
    return DT_OK;
}

static dt_status keep_results(void *context, const dt_predicted *predicted)
{
    session *s = context;
    int32_t *labels;
    dt_truth_use_add(&s->truth_use, predicted);
    DT_TRY(DT_NEW(labels, (size_t)predicted->sequences * (size_t)predicted->tax_ranks));
    known_labels(s, predicted, labels);
    dt_status status = add_logits(s, predicted, labels);
    if (status == DT_OK)
        status = dt_asked_add(&s->asked, predicted, labels);
    free(labels);
    return status;
}

static dt_status compute_logits(session *s)
{
    const dt_calibrate_options *o = s->options;
    const dt_predictor predictor = {
        .model = s->model.model,
        .tokenizer = s->tokenizer,
        .truth = &s->truth,
        .lineage = s->row ? DT_LINEAGE_SUMMED : DT_LINEAGE_INDEPENDENT,
        .lineages = s->row ? &s->model.checkpoint.lineages : NULL,
        .ids = s->ids,
        .logits = true,
        .normalize = s->model.checkpoint.settings.normalize,
        .strand = s->model.checkpoint.strand.sorted ? s->model.checkpoint.strand.profile : NULL,
        .batch_size = s->batch_size,
        .threads = o->num_workers ? (int)o->num_workers : s->threads,
        .sink = keep_results,
        .context = s,
    };
    dt_info("Model: run %s, epoch %d, in %s on %s", s->model.checkpoint.settings.run_uuid,
            s->model.checkpoint.progress.epoch, dt_precision_name(s->model.backend->precision),
            s->model.backend->description);
    s->lengths = dt_read_lengths_of(&s->model.checkpoint);
    if (s->thread_note[0])
        dt_notice("%s", s->thread_note);
    DT_TRY(dt_predictor_run(&predictor, s->input, NULL));
    DT_TRY(dt_truth_use_report(&s->truth_use, dt_fasta_name(s->input)));
    dt_judgement_report(&s->judgement, s->tokenizer, dt_fasta_name(s->input), predictor.normalize,
                        "remove them");
    dt_read_lengths_report(&s->lengths, dt_fasta_name(s->input));
    if (s->without_row)
        dt_warn("%s: no row for %lld sequence%s, which %s ignored", o->taxonomy_file,
                (long long)s->without_row, s->without_row == 1 ? "" : "s",
                s->without_row == 1 ? "is" : "are");
    if (s->store.count == 0)
        return dt_fail(DT_ERR_INPUT, "%s: no row matches a sequence of %s: give their taxonomy",
                       o->taxonomy_file, o->fasta_file);
    if (s->row)
        DT_TRY(dt_logit_store_map(&s->marginals));
    return dt_logit_store_map(&s->store);
}

/* ---- the fit --------------------------------------------------------------------------------- */

static const char *remark(dt_fit_outcome outcome)
{
    switch (outcome) {
    case DT_FIT_NO_TRUTH:
        return "no true label is known: kept at 1";
    case DT_FIT_ALL_RIGHT:
        return "all predictions are correct: kept at 1";
    case DT_FIT_NO_MINIMUM:
        return "no minimum: kept at 1";
    case DT_FIT_FOUND:
    default:
        return "";
    }
}

static void show_fit(const session *s, const dt_rank_fit *fit)
{
    dt_info("%-12s %10s %9s %12s %9s %9s %9s %9s", "Rank", "Sequences", "Accuracy", "Temperature",
            "NLL", "after", "ECE", "after");
    for (int32_t r = 0; r < s->model.checkpoint.taxonomy.tax_ranks; ++r)
        dt_info("%-12s %10lld %9.4f %12.6f %9.4f %9.4f %9.4f %9.4f%s%s",
                s->model.checkpoint.taxonomy.rank[r].name, (long long)fit[r].known,
                fit[r].known ? (double)fit[r].right / (double)fit[r].known : 0.0,
                fit[r].temperature, fit[r].loss_before, fit[r].loss_after, fit[r].error_before,
                fit[r].error_after, *remark(fit[r].outcome) ? "  " : "", remark(fit[r].outcome));
}

/* The directory of a run stands for the newest checkpoint of its training, never for this file. */
static void show_use(const session *s)
{
    const bool votes = s->model.checkpoint.neighbours.similarities > 0;
    char word[DT_PASTED_SIZE];
    dt_info("To use it: deeptaxa predict --checkpoint %s%s --fasta-file READS",
            dt_pasted(s->output, word), votes ? " --neighbours auto --min-similarity auto" : "");
}

static dt_status calibrate(session *s)
{
    dt_run *content = &s->model.checkpoint;
    dt_rank_fit fit[DT_MAX_TAX_RANKS];
    DT_TRY(compute_logits(s));
    const dt_heldout heldout = {.layout = dt_model_classes(s->model.model),
                                .logits = s->row ? s->marginals.logits : s->store.logits,
                                .labels = s->store.labels,
                                .count = s->store.count};
    DT_TRY(dt_fit_temperatures(fit, &heldout, s->pool));
    show_fit(s, fit);
    content->neighbours = (dt_run_neighbours){0};
    content->temperatures = content->taxonomy.tax_ranks;
    for (int32_t r = 0; r < content->temperatures; ++r)
        content->temperature[r] = fit[r].temperature;
    DT_TRY(dt_asked_fit(&s->asked, &s->store, heldout.layout, content, s->pool));
    DT_TRY(dt_checkpoint_write(s->output, content, s->model.model, true));
    dt_sha256_remove_beside(s->output);
    dt_info("Checkpoint: %s", s->output);
    show_use(s);
    return DT_OK;
}

static dt_status run(const void *parsed)
{
    const dt_calibrate_options *options = parsed;
    session s = {.options = options};
    dt_outlive_log_reader();
    dt_status status = open_inputs(&s);
    if (status == DT_OK)
        status = open_model(&s);
    if (status == DT_OK)
        status = open_marginals(&s);
    if (status == DT_OK)
        status = open_references(&s);
    if (status == DT_OK)
        status = calibrate(&s);
    dt_asked_free(&s.asked);
    dt_reference_set_free(&s.references);
    dt_pool_destroy(s.pool);
    dt_logit_store_close(&s.store);
    dt_logit_store_close(&s.marginals);
    dt_decision_memory_free(&s.memory);
    free(s.row);
    dt_truth_use_free(&s.truth_use);
    dt_truth_free(&s.truth);
    dt_unique_ids_destroy(s.ids);
    dt_fasta_close(s.input);
    dt_tokenizer_destroy(s.tokenizer);
    dt_loaded_model_free(&s.model);
    return status;
}

int main(int argc, char **argv)
{
    dt_calibrate_options options;
    return dt_command_main(&dt_calibrate_command, argc, argv, &options, run);
}
