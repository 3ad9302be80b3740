#include "predict/results.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "layers.h"
#include "options/value.h"
#include "sequence/strand.h"

static bool cut_extension(const char *name, size_t *length, const char *extension)
{
    const size_t cut = strlen(extension);
    if (*length <= cut || strncasecmp(name + *length - cut, extension, cut) != 0)
        return false;
    *length -= cut;
    return true;
}

/* Returns the name of the FASTA file without folder and extensions, and its length. */
static const char *input_name(const dt_results_options *options, size_t *length)
{
    static const char *const packed[] = {".gz", ".bz2", ".xz", ".zst", ".zip", ".qza"};
    static const char *const extensions[] = {".fasta", ".fna", ".fas", ".fa", ".fastq", ".fq"};
    const char *slash = strrchr(options->fasta_file, '/');
    const char *name = slash ? slash + 1 : options->fasta_file;
    if (strcmp(options->fasta_file, "-") == 0)
        name = "stdin";
    *length = strlen(name);
    for (size_t i = 0; i < sizeof packed / sizeof *packed; ++i)
        if (cut_extension(name, length, packed[i]))
            break;
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; ++i)
        if (cut_extension(name, length, extensions[i]))
            break;
    return name;
}

/* `<folder>/<name>_deeptaxa_<kind>` */
static dt_status file_path(const dt_results_options *options, const char *kind, char *out)
{
    size_t length;
    const char *name = input_name(options, &length);
    return dt_path(out, PATH_MAX, "%s/%.*s_deeptaxa_%s", options->output_folder, (int)length, name,
                   kind);
}

dt_status dt_results_path(const dt_results_options *options, const char *suffix, char *out)
{
    char kind[64];
    snprintf(kind, sizeof kind, "predictions.%s", suffix);
    return file_path(options, kind, out);
}

static bool is_of_sequence(dt_column column)
{
    return column == DT_COLUMN_NEAREST || column == DT_COLUMN_SIMILARITY;
}

static void write_table_header(dt_results *results)
{
    char name[32];
    dt_output *out = &results->table;
    dt_output_text(out, "sequence_id");
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        for (int32_t c = 0; c < results->options.columns; ++c) {
            if (is_of_sequence(results->options.column[c]))
                continue;
            dt_output_char(out, '\t');
            dt_output_text(out, results->taxonomy->rank[r].name);
            dt_output_char(out, '_');
            dt_choice_name(DT_COLUMN_NAMES, results->options.column[c], name, sizeof name);
            dt_output_text(out, name);
        }
    }
    for (int32_t c = 0; c < results->options.columns; ++c) {
        if (!is_of_sequence(results->options.column[c]))
            continue;
        dt_choice_name(DT_COLUMN_NAMES, results->options.column[c], name, sizeof name);
        dt_output_char(out, '\t');
        dt_output_text(out, name);
    }
    dt_output_text(out, "\tsequence_length\n");
}

static dt_status open_formats(dt_results *results)
{
    char path[PATH_MAX];
    bool numbers = false;
    for (int f = 0; f < DT_FORMATS; ++f) {
        const dt_format *format = &dt_formats[f];
        if (!results->options.format[f] || !format->suffix)
            continue;
        DT_TRY(dt_results_path(&results->options, format->suffix, path));
        DT_TRY(dt_output_begin(&results->format[f], path));
        results->format_open[f] = true;
        numbers = numbers || format->numbers;
        results->keep_sequences = results->keep_sequences || format->sequences;
    }
    return numbers ? dt_identical_create(&results->identical, NULL) : DT_OK;
}

static dt_status open_files(dt_results *results)
{
    char path[PATH_MAX];
    DT_TRY(dt_results_path(&results->options, "json", path));
    DT_TRY(dt_output_begin(&results->json, path));
    results->json_open = true;
    if (results->options.tabular) {
        DT_TRY(dt_results_path(&results->options, "tsv", path));
        DT_TRY(dt_output_begin(&results->table, path));
        results->table_open = true;
        write_table_header(results);
    }
    DT_TRY(open_formats(results));
    if (results->options.features) {
        DT_TRY(file_path(&results->options, "sequence_embeddings.h5", path));
        DT_TRY(dt_embeddings_begin(&results->embeddings, path, results->options.features));
    }
    return dt_spool_create(&results->spool, results->options.output_folder,
                           results->taxonomy->tax_ranks);
}

dt_status dt_results_begin(dt_results *results, const dt_results_options *options)
{
    memset(results, 0, sizeof *results);
    results->options = *options;
    results->taxonomy = &options->checkpoint->taxonomy;
    results->started = dt_seconds();
    results->began = (int64_t)time(NULL);
    dt_status status = dt_uuid(results->run_id);
    if (status == DT_OK)
        status = dt_tally_create(&results->tally, results->taxonomy, options->truth,
                                 options->threshold, options->top_k);
    results->tally.lengths = dt_read_lengths_of(options->checkpoint);
    if (status == DT_OK)
        status = open_files(results);
    if (status != DT_OK)
        dt_results_free(results);
    return status;
}

bool dt_is_assigned(const dt_results *results, const dt_spool_row *row, int32_t r)
{
    return r < results->taxonomy->tax_ranks - row->unassigned;
}

const char *dt_nearest_name(const dt_results *results, const dt_spool_row *row)
{
    const dt_neighbour_use *use = results->options.neighbours;
    return use && row->nearest >= 0 ? dt_reference_name(&use->set->sequences, row->nearest) : NULL;
}

static void write_text_cell(dt_output *out, const char *text)
{
    dt_output_cell(out, text, strlen(text));
}

static void write_cell(dt_results *results, dt_column column, int32_t r, const dt_spool_row *row)
{
    const dt_spool_cell *cell = &row->cell[r];
    dt_output *out = &results->table;
    const char *label = results->taxonomy->rank[r].label[cell->label];
    const char *true_label =
        results->options.truth ? dt_truth_label(results->options.truth, r, cell->truth) : NULL;
    switch (column) {
    case DT_COLUMN_RAW_SCORE:
        dt_output_float(out, cell->confidence);
        break;
    case DT_COLUMN_ENTROPY:
        dt_output_float(out, cell->entropy);
        break;
    case DT_COLUMN_TRUE:
        write_text_cell(out, true_label ? true_label : "");
        break;
    case DT_COLUMN_AGREEMENT: /* as Python writes it; empty if there is nothing to compare */
        if (true_label)
            dt_output_text(out,
                           dt_labels_agree(true_label, label, dt_is_species(results->taxonomy, r))
                               ? "True"
                               : "False");
        break;
    case DT_COLUMN_ASSIGNED:
        dt_output_text(out, dt_is_assigned(results, row, r) ? "True" : "False");
        break;
    case DT_COLUMN_PREDICTED:
    default:
        write_text_cell(out, label);
        break;
    }
}

/* Name of the nearest reference, or similarity to it; empty without one. */
static void write_nearest(dt_results *results, dt_column column, const dt_spool_row *row)
{
    dt_output *out = &results->table;
    const char *name = dt_nearest_name(results, row);
    if (name && column == DT_COLUMN_NEAREST)
        write_text_cell(out, name);
    else if (name)
        dt_output_float(out, row->similarity);
}

static void write_table_row(dt_results *results, const dt_spool_row *row)
{
    const dt_results_options *options = &results->options;
    dt_output *out = &results->table;
    dt_output_cell(out, row->id.data, row->id.length);
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r) {
        for (int32_t c = 0; c < options->columns; ++c) {
            if (is_of_sequence(options->column[c]))
                continue;
            dt_output_char(out, '\t');
            write_cell(results, options->column[c], r, row);
        }
    }
    for (int32_t c = 0; c < options->columns; ++c) {
        if (!is_of_sequence(options->column[c]))
            continue;
        dt_output_char(out, '\t');
        write_nearest(results, options->column[c], row);
    }
    dt_output_char(out, '\t');
    dt_output_int(out, row->length);
    dt_output_char(out, '\n');
}

/* Sets what the nearest reference says, and counts it. */
static void add_nearest(dt_results *results, const dt_nearest_reference *nearest, dt_spool_row *row)
{
    const int32_t ranks = results->taxonomy->tax_ranks;
    const double *least = results->options.min_similarity;
    int32_t assigned = 0;
    row->nearest = nearest->reference;
    row->similarity = nearest->similarity;
    results->nearest.identical += nearest->identical;
    results->nearest.none += nearest->reference < 0;
    while (assigned < ranks && (!least || (double)nearest->similarity >= least[assigned]))
        ++assigned;
    row->unassigned = ranks - assigned;
    for (int32_t r = assigned; r < ranks; ++r)
        results->nearest.unassigned[r]++;
}

/* Sets what the formats need of sequence i beside its predictions. */
static dt_status add_sequence(dt_results *results, const dt_predicted *predicted, int32_t i,
                              dt_spool_row *row)
{
    const dt_text *sequence = &predicted->record[i].sequence;
    dt_identity identity;
    row->reversed = predicted->reoriented && predicted->reoriented[i];
    if (!results->identical)
        return DT_OK;
    dt_text_clear(&results->as_given);
    DT_TRY(dt_text_add(&results->as_given, sequence->data, sequence->length));
    if (row->reversed)
        dt_reverse_complement(results->as_given.data, results->as_given.length);
    DT_TRY(dt_identical_add(results->identical, results->as_given.data, results->as_given.length,
                            -1, &identity));
    row->number = identity.number;
    if (results->keep_sequences && identity.new_sequence)
        row->sequence = results->as_given;
    return DT_OK;
}

dt_status dt_results_add(void *context, const dt_predicted *predicted)
{
    dt_results *results = context;
    const int32_t tax_ranks = predicted->tax_ranks;
    DT_TRY(dt_tally_add(&results->tally, predicted));
    for (int32_t i = 0; i < predicted->sequences; ++i) {
        const dt_fasta_record *record = &predicted->record[i];
        dt_spool_row row = {.id = record->id, .length = (int64_t)record->sequence.length};
        for (int32_t r = 0; r < tax_ranks; ++r) {
            const dt_prediction *prediction = &predicted->prediction[i * tax_ranks + r];
            row.cell[r] = (dt_spool_cell){
                .label = prediction->label,
                .truth = predicted->truth ? predicted->truth[i * tax_ranks + r] : DT_NO_TRUTH,
                .confidence = prediction->confidence,
                .entropy = prediction->entropy};
        }
        if (predicted->nearest)
            add_nearest(results, &predicted->nearest[i], &row);
        DT_TRY(add_sequence(results, predicted, i, &row));
        DT_TRY(dt_spool_add(&results->spool, &row));
        if (results->table_open)
            write_table_row(results, &row);
    }
    if (results->embeddings)
        DT_TRY(dt_embeddings_add(results->embeddings, predicted->embedding, predicted->sequences));
    /* report a full disk now, not after hours of computing */
    return results->table_open && results->table.error ? dt_output_flush(&results->table) : DT_OK;
}

/* Writes the run id, but keeps that of a training run, by which --resume auto finds its
 * checkpoints; the prediction's own id is in its files. */
static dt_status write_run_id(const dt_results *results)
{
    const char *folder = results->options.output_folder;
    char checkpoints[PATH_MAX];
    DT_TRY(dt_path(checkpoints, sizeof checkpoints, "%s/checkpoints", folder));
    if (access(checkpoints, F_OK) != 0)
        return dt_run_id_write(folder, results->run_id);
    dt_notice("%s: the folder of a training run: its deeptaxa_uuid.txt is kept", folder);
    return DT_OK;
}

static dt_status write_formats(dt_results *results)
{
    const dt_results_options *options = &results->options;
    char sample[PATH_MAX];
    size_t length;
    const char *name = input_name(options, &length);
    snprintf(sample, sizeof sample, "%.*s", (int)length, name);
    const dt_format_source source = {.spool = &results->spool,
                                     .taxonomy = results->taxonomy,
                                     .lineages = &options->checkpoint->lineages,
                                     .threshold = options->lineage_threshold,
                                     .sample = sample,
                                     .folder = options->output_folder,
                                     .run_id = results->run_id,
                                     .version = options->version,
                                     .began = results->began,
                                     .ended = (int64_t)time(NULL)};
    for (int f = 0; f < DT_FORMATS; ++f) {
        if (!results->format_open[f])
            continue;
        DT_TRY(dt_formats[f].write(&source, &results->format[f]));
        DT_TRY(dt_output_flush(&results->format[f]));
    }
    return DT_OK;
}

/* Completes every file under its temporary name, so that only renaming can still fail, then renames
 * them one by one. */
static dt_status commit_all(dt_results *results)
{
    char path[PATH_MAX];
    dt_output metrics;
    DT_TRY(dt_results_write_json(results));
    if (results->embeddings)
        DT_TRY(dt_embeddings_finish(results->embeddings, &results->spool, results->run_id,
                                    results->options.checkpoint_path));
    if (results->table_open)
        DT_TRY(dt_output_flush(&results->table));
    DT_TRY(write_formats(results));
    if (results->options.truth) {
        DT_TRY(dt_path(path, sizeof path, "%s/metrics.json", results->options.output_folder));
        DT_TRY(dt_output_begin(&metrics, path));
        const dt_status status = dt_results_write_metrics(results, &metrics);
        if (status != DT_OK) {
            dt_output_discard(&metrics);
            return status;
        }
        DT_TRY(dt_output_commit(&metrics));
    }
    if (results->embeddings) {
        dt_container *embeddings = results->embeddings;
        results->embeddings = NULL;
        DT_TRY(dt_container_commit(embeddings));
    }
    DT_TRY(write_run_id(results));
    if (results->table_open) {
        results->table_open = false;
        DT_TRY(dt_output_commit(&results->table));
    }
    for (int f = 0; f < DT_FORMATS; ++f)
        if (results->format_open[f]) {
            results->format_open[f] = false;
            DT_TRY(dt_output_commit(&results->format[f]));
        }
    results->json_open = false;
    return dt_output_commit(&results->json);
}

dt_status dt_results_finish(dt_results *results)
{
    results->prediction_time = dt_seconds() - results->started;
    for (int32_t r = 0; r < results->taxonomy->tax_ranks; ++r)
        DT_TRY(dt_tally_auc(&results->tally, r, &results->auc[r]));
    if (results->tally.without_row && results->tally.without_row == results->tally.sequences)
        dt_warn(
            "%s: no row for any of the %lld sequences (wrong file?); all true labels count as %s",
            results->options.taxonomy_file, (long long)results->tally.sequences, DT_UNCLASSIFIED);
    else if (results->tally.without_row)
        dt_warn("%s: no row for %lld of %lld sequences, whose true labels count as %s",
                results->options.taxonomy_file, (long long)results->tally.without_row,
                (long long)results->tally.sequences, DT_UNCLASSIFIED);
    return commit_all(results);
}

void dt_results_free(dt_results *results)
{
    if (results->json_open)
        dt_output_discard(&results->json);
    if (results->table_open)
        dt_output_discard(&results->table);
    for (int f = 0; f < DT_FORMATS; ++f) {
        if (results->format_open[f])
            dt_output_discard(&results->format[f]);
        results->format_open[f] = false;
    }
    dt_container_discard(results->embeddings);
    results->embeddings = NULL;
    dt_spool_close(&results->spool);
    dt_tally_free(&results->tally);
    dt_identical_destroy(results->identical);
    results->identical = NULL;
    dt_text_free(&results->as_given);
    results->json_open = results->table_open = false;
}
