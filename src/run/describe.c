#include "run/describe.h"

#include <math.h>
#include <string.h>

#include "io/json_writer.h"
#include "model/model.h"
#include "run/run_json.h"
#include "run/settings.h"

static const char thick[] =
    "======================================================================";
static const char thin[] = "--------------------------------------------------";

/* The text and the first error (out of memory); nothing is added after an error. */
typedef struct {
    dt_text *out;
    dt_status status;
} page;

static void add(page *p, const char *text)
{
    if (p->status == DT_OK)
        p->status = dt_text_add(p->out, text, strlen(text));
}

static void block(page *p, const char *title)
{
    add(p, "\n");
    add(p, title);
    add(p, ":\n");
    add(p, thin);
    add(p, "\n");
}

static void item_text(page *p, const char *key, const char *value)
{
    add(p, "  ");
    add(p, key);
    add(p, ": ");
    add(p, value && *value ? value : "unknown");
    add(p, "\n");
}

/* Formats 76365205 as "76,365,205". */
static void item_int(page *p, const char *key, int64_t number)
{
    char text[DT_NUMBER_SIZE];
    item_text(p, key, dt_with_commas(number, text));
}

static void item_double(page *p, const char *key, double number)
{
    char text[DT_NUMBER_SIZE];
    dt_format_double(text, number);
    item_text(p, key, text);
}

static void item_seconds(page *p, const char *key, double seconds)
{
    char text[64];
    snprintf(text, sizeof text, "%.6f seconds", seconds);
    item_text(p, key, isfinite(seconds) ? text : NULL);
}

static void add_double(page *p, double number)
{
    char text[DT_NUMBER_SIZE];
    dt_format_double(text, number);
    add(p, text);
}

static void settings(page *p, const dt_run *run, dt_run_section section)
{
    if (p->status == DT_OK)
        p->status = dt_settings_text(p->out, run, section);
}

/* What calibrate found. */
static void neighbours(page *p, const dt_run *run)
{
    const dt_run_neighbours *n = &run->neighbours;
    if (run->lineage_temperature > 0.0)
        item_double(p, "lineage-temperature", run->lineage_temperature);
    if (n->count > 0) {
        item_int(p, "neighbours", n->count);
        item_double(p, "neighbour-weight", n->weight);
        item_double(p, "neighbour-exponent", n->exponent);
        item_double(p, "neighbour-temperature", n->temperature);
    }
    if (n->similarities == 0)
        return;
    add(p, "  min-similarity: [");
    for (int32_t r = 0; r < n->similarities; ++r) {
        add(p, r ? ", " : "");
        add_double(p, n->similarity[r]);
    }
    add(p, "]\n");
}

static void model_details(page *p, const dt_run *checkpoint)
{
    block(p, "Model Details");
    item_text(p, "run-uuid", checkpoint->settings.run_uuid);
    item_text(p, "model-type", dt_model_type_name(checkpoint->config.type));
    item_text(p, "tokenizer", checkpoint->settings.tokenizer_name);
    item_text(p, "encoding", dt_encoding_name(checkpoint->config.encoding));
    item_int(p, "epoch", checkpoint->progress.epoch);
    if (checkpoint->loss_sums.world_size > 0)
        item_int(p, "unfinished-epoch", checkpoint->progress.epoch + 1);
    item_int(p, "total-parameters", checkpoint->parameters);
    item_text(p, "optimizer-state", checkpoint->has_optimizer ? "yes" : "none, weights only");
    settings(p, checkpoint, DT_SECTION_MODEL);
    if (dt_model_has_encoder(&checkpoint->config))
        item_int(p, "output-attentions", 0);
    if (checkpoint->temperatures) {
        add(p, "  temperatures: [");
        for (int32_t r = 0; r < checkpoint->temperatures; ++r) {
            add(p, r ? ", " : "");
            add_double(p, checkpoint->temperature[r]);
        }
        add(p, "]\n");
    }
    neighbours(p, checkpoint);
}

static void training_hyperparameters(page *p, const dt_run *checkpoint)
{
    const dt_run_settings *s = &checkpoint->settings;
    block(p, "Training Hyperparameters");
    settings(p, checkpoint, DT_SECTION_TRAINING);
    add(p, "  optimizer: {'lr': ");
    add_double(p, s->rule.learning_rate);
    add(p, ", 'betas': [");
    add_double(p, s->rule.beta1);
    add(p, ", ");
    add_double(p, s->rule.beta2);
    add(p, "], 'eps': ");
    add_double(p, s->rule.eps);
    add(p, ", 'weight_decay': ");
    add_double(p, s->rule.weight_decay);
    add(p, "}\n");
    item_int(p, "scheduler-steps", s->rule.total_steps);
    if (checkpoint->progress.best_epoch > 0)
        item_int(p, "best-epoch", checkpoint->progress.best_epoch);
}

static void training_lengths(page *p, const dt_length_quantiles *lengths)
{
    char text[3][DT_NUMBER_SIZE];
    if (!lengths->known || p->status != DT_OK)
        return;
    p->status = dt_text_addf(p->out, "  training-lengths: %s to %s bases, median %s\n",
                             dt_with_commas(lengths->bases[0], text[0]),
                             dt_with_commas(lengths->bases[DT_LENGTH_QUANTILES - 1], text[1]),
                             dt_with_commas(lengths->bases[DT_LENGTH_QUANTILES / 2], text[2]));
}

static void region(page *p, const dt_primers *primers)
{
    if (primers->forward[0] && p->status == DT_OK)
        p->status =
            dt_text_addf(p->out, "  region: %s%sprimers %s and %s\n", primers->region,
                         primers->region[0] ? ", " : "", primers->forward, primers->reverse);
}

static void references(page *p, const dt_run_references *references)
{
    char text[2][DT_NUMBER_SIZE];
    if (references->sequences > 0 && p->status == DT_OK)
        p->status = dt_text_addf(
            p->out,
            "  references: %s sequences (%s different), %s: a shared model publishes them\n",
            dt_with_commas(references->total, text[0]),
            dt_with_commas(references->sequences, text[1]),
            references->inside ? "in this file" : "in a file beside this one");
}

static void dataset_info(page *p, const dt_run *checkpoint)
{
    const dt_run_settings *settings = &checkpoint->settings;
    block(p, "Dataset Info");
    item_int(p, "total-sequences", settings->total_sequences);
    item_int(p, "training", settings->training_sequences);
    item_int(p, "validation", settings->validation_sequences);
    item_text(p, "fasta-file", settings->fasta_file);
    item_text(p, "taxonomy-file", settings->taxonomy_file);
    region(p, &checkpoint->primers);
    training_lengths(p, &checkpoint->lengths);
    references(p, &checkpoint->references);
    item_text(p, "strand-profile", checkpoint->strand.profile ? "yes" : "none");
    if (checkpoint->strand.sorted) {
        item_text(p, "orientation", "auto");
        item_int(p, "turned-sequences", checkpoint->strand.reoriented);
    }
}

static void taxonomic_levels(page *p, const dt_run *checkpoint)
{
    const dt_taxonomy *taxonomy = &checkpoint->taxonomy;
    block(p, "Taxonomic Levels");
    for (int32_t r = 0; r < taxonomy->tax_ranks && p->status == DT_OK; ++r)
        p->status = dt_text_addf(p->out, "  Level %d - %s: %d labels\n", r, taxonomy->rank[r].name,
                                 taxonomy->rank[r].classes);
    if (checkpoint->lineages.tax_ranks)
        item_int(p, "lineages", dt_lineage_tree_lineages(&checkpoint->lineages));
}

/* The loss of the last epoch and the results of the last evaluation, if any. */
static void performance_metrics(page *p, const dt_run *checkpoint)
{
    const dt_run_progress *progress = &checkpoint->progress;
    const dt_taxonomy *taxonomy = &checkpoint->taxonomy;
    const bool evaluated = progress->evaluated_epoch > 0;
    if (!evaluated && !isfinite(progress->training_loss))
        return;
    block(p, "Performance Metrics");
    if (evaluated)
        item_int(p, "evaluated-epoch", progress->evaluated_epoch);
    item_double(p, "training-loss", progress->training_loss);
    if (!evaluated)
        return;
    item_double(p, "validation-loss", progress->validation_loss);
    for (int32_t r = 0; r < taxonomy->tax_ranks && p->status == DT_OK; ++r) {
        const dt_metrics *m = &progress->metrics[r];
        p->status = dt_text_addf(
            p->out, "  Level %d - %s: accuracy %.4f, precision %.4f, recall %.4f, F1 %.4f\n", r,
            taxonomy->rank[r].name, m->accuracy, m->precision, m->recall, m->f1);
    }
}

/* Returns whether the machine of the training is known, which a .pt file does not say. */
static bool knows_machine(const dt_run_settings *settings)
{
    return settings->device[0] != '\0';
}

static void system_info(page *p, const dt_run_settings *settings)
{
    const bool known = knows_machine(settings);
    block(p, "System Info");
    item_text(p, "cuda", !known ? NULL : settings->gpu ? "Available" : "Not Available");
    item_text(p, "gpu", !known || settings->gpu ? settings->device : "None");
    item_text(p, "device", settings->device);
    item_text(p, "precision", known ? settings->precision : NULL);
    if (known)
        item_int(p, "world-size", settings->world_size);
    else
        item_text(p, "world-size", NULL);
}

dt_status dt_describe_text(dt_text *out, const dt_run *checkpoint, const char *path,
                           const char *version)
{
    page p = {.out = out, .status = DT_OK};
    add(&p, thick);
    add(&p, "\n  DeepTaxa-MPI Model Description (v");
    add(&p, version);
    add(&p, ")\n");
    add(&p, thin);
    add(&p, "\n");
    item_text(&p, "Checkpoint", path);
    item_text(&p, "Timestamp", checkpoint->timestamp);
    if (checkpoint->of_deeptaxa)
        item_text(&p, "Format", "DeepTaxa's (.pt)");
    else
        item_text(&p, "Written by", checkpoint->version);
    add(&p, thick);
    add(&p, "\n");
    model_details(&p, checkpoint);
    training_hyperparameters(&p, checkpoint);
    dataset_info(&p, checkpoint);
    taxonomic_levels(&p, checkpoint);
    block(&p, "Timing");
    item_seconds(&p, "training-time", checkpoint->progress.training_time);
    item_seconds(&p, "evaluation-time", checkpoint->progress.evaluation_time);
    performance_metrics(&p, checkpoint);
    system_info(&p, &checkpoint->settings);
    return p.status;
}

dt_status dt_describe_tensors(dt_text *out, const dt_run *checkpoint)
{
    page p = {.out = out, .status = DT_OK};
    dt_param_table table = {0};
    DT_TRY(dt_model_layout(&checkpoint->config, &table));
    block(&p, "Tensors");
    for (int32_t i = 0; i < table.count && p.status == DT_OK; ++i) {
        const dt_param_spec *tensor = &table.spec[i];
        p.status = dt_text_addf(out, "  %s: [", tensor->name);
        for (int32_t d = 0; d < tensor->dims && p.status == DT_OK; ++d)
            p.status = dt_text_addf(out, "%s%lld", d ? ", " : "", (long long)tensor->shape[d]);
        add(&p, "]\n");
    }
    dt_params_free(&table);
    return p.status;
}

static void json_timing(dt_json *json, const dt_run *checkpoint)
{
    const dt_run_progress *progress = &checkpoint->progress;
    dt_json_key(json, "timing");
    dt_json_object(json);
    dt_json_put_double(json, "training_time_seconds", progress->training_time);
    dt_json_put_double(json, "evaluation_time_seconds", progress->evaluation_time);
    dt_json_put_double(json, "training_time", progress->training_time);
    dt_json_put_double(json, "evaluation_time", progress->evaluation_time);
    dt_json_end(json);
    dt_json_key(json, "performance_metrics");
    dt_json_object(json);
    dt_json_put_double(json, "training_loss", progress->training_loss);
    dt_json_put_double(json, "validation_loss", progress->validation_loss);
    dt_run_json_tax_metrics(json, checkpoint);
    if (progress->evaluated_epoch > 0)
        dt_json_put_int(json, "evaluated_epoch", progress->evaluated_epoch);
    else
        dt_json_put_null(json, "evaluated_epoch");
    dt_json_end(json);
}

static void json_references(dt_json *json, const dt_run_references *references)
{
    if (references->sequences == 0)
        return;
    dt_json_key(json, "references");
    dt_json_object(json);
    dt_json_put_int(json, "sequences", references->total);
    dt_json_put_int(json, "different", references->sequences);
    dt_json_put_string(json, "checksum", references->checksum);
    dt_json_put_bool(json, "in_this_file", references->inside);
    dt_json_end(json);
}

static void json_system(dt_json *json, const dt_run_settings *settings)
{
    static const char *const keys[] = {"cuda_available", "gpu",        "device",
                                       "precision",      "world_size", "cuda"};
    if (!knows_machine(settings)) {
        dt_json_key(json, "system_info");
        dt_json_object(json);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i)
            dt_json_put_null(json, keys[i]);
        dt_json_end(json);
        return;
    }
    dt_run_json_system(json, settings->gpu, settings->device, settings->precision);
    dt_json_put_int(json, "world_size", settings->world_size);
    dt_json_put_string(json, "cuda", settings->gpu ? "Available" : "Not Available");
    dt_json_end(json);
}

dt_status dt_describe_json(dt_output *out, const dt_run *checkpoint, const char *path,
                           const char *version)
{
    dt_json json;
    dt_json_begin(&json, out, 2, 4);
    dt_json_object(&json);
    dt_json_put_string(&json, "version", version);
    dt_json_put_string(&json, "run_uuid", checkpoint->settings.run_uuid);
    dt_json_put_string(&json, "checkpoint_path", path);
    dt_json_put_string(&json, "timestamp", checkpoint->timestamp);
    dt_run_json(&json, checkpoint, DT_RUN_JSON_DESCRIPTION);
    json_references(&json, &checkpoint->references);
    json_timing(&json, checkpoint);
    json_system(&json, &checkpoint->settings);
    dt_json_end(&json);
    return dt_output_flush(out);
}
