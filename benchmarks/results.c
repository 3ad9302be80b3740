/* How fast are the files of a prediction written?
 *
 *     bench_results [--sequences N] [--folder DIR] [--repeats N] [--json FILE]
 *
 * Passes synthetic predictions for N sequences, seven ranks with Greengenes2's number of labels, to
 * the writers of `deeptaxa predict` in batches of 64: once with only the JSON, once also with the
 * table and QIIME 2's. The times include everything: counting, the temporary file of the results,
 * the final sync. The files are written to DIR (default: the current folder) and removed. Reports
 * the best of the repeats, since others may use the disk.
 */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/philox.h"
#include "layers.h"
#include "predict/results.h"
#include "report.h"

#define BATCH 64
#define SAMPLES 8192 /* different predictions */

typedef struct {
    const char *folder, *json;
    int sequences, repeats;
    char into[PATH_MAX];
    dt_run content;
    dt_fasta_record record[BATCH];
    dt_prediction *prediction; /* (SAMPLES + BATCH, tax_ranks) */
} bench;

/* The results of one run of the writers. */
typedef struct {
    double adding, finishing; /* seconds */
    double json, tables;      /* bytes */
} figures;

static dt_status add_ranks(dt_run *content)
{
    static const char *const ranks[] = {"domain", "phylum", "class",  "order",
                                        "family", "genus",  "species"};
    static const int32_t classes[] = {2, 129, 349, 997, 2250, 7287, 16909};
    content->config.tax_ranks = 7;
    for (int32_t r = 0; r < 7; ++r) {
        char(*text)[32];
        const char **label;
        content->config.classes[r] = classes[r];
        DT_TRY(DT_NEW(text, (size_t)classes[r]));
        DT_TRY(DT_NEW(label, (size_t)classes[r]));
        for (int32_t c = 0; c < classes[r]; ++c) {
            snprintf(text[c], sizeof text[c], "%c__Made taxon %05d", ranks[r][0], c);
            label[c] = text[c];
        }
        DT_TRY(dt_taxonomy_add_rank(&content->taxonomy, ranks[r], classes[r], label));
        free(text);
        free(label);
    }
    return DT_OK;
}

/* Draws confidences like those of trained models: most near 1, some anywhere. */
static void draw_prediction(dt_prediction *out, uint32_t index, int32_t classes)
{
    uint32_t bits[4];
    dt_philox(1, 7, index, 0, 0, 0, bits);
    const float u = 0x1p-24f * (float)(bits[0] >> 8);
    out->label = (int32_t)(bits[1] % (uint32_t)classes);
    out->better = -1;
    out->confidence = bits[2] % 4 ? 1.0f - 0.01f * u * u : 0.001f + 0.998f * u;
    out->entropy = (1.0f - out->confidence) * 7.3f * (0.1f + u);
}

static dt_status make(bench *b)
{
    const dt_model_config *config = &b->content.config;
    DT_TRY(add_ranks(&b->content));
    DT_TRY(DT_NEW(b->prediction, (size_t)(SAMPLES + BATCH) * 7));
    for (uint32_t i = 0; i < (SAMPLES + BATCH) * 7; ++i)
        draw_prediction(&b->prediction[i], i, config->classes[i % 7]);
    if ((size_t)snprintf(b->into, sizeof b->into, "%s/bench_results.%ld", b->folder,
                         (long)getpid()) >= sizeof b->into)
        return dt_fail(DT_ERR_USAGE, "--folder: too long");
    return dt_make_folder(b->into);
}

static dt_status add_all(bench *b, dt_results *results)
{
    for (int64_t first = 0; first < b->sequences; first += BATCH) {
        const int64_t left = b->sequences - first;
        const dt_predicted predicted = {.sequences = left < BATCH ? (int32_t)left : BATCH,
                                        .tax_ranks = 7,
                                        .record = b->record,
                                        .prediction = b->prediction + first % SAMPLES * 7};
        for (int32_t i = 0; i < predicted.sequences; ++i) {
            dt_text_clear(&b->record[i].id);
            DT_TRY(dt_text_addf(&b->record[i].id, "MJ%06lld-1-%010lld",
                                (long long)(first + i) % 1000003, (long long)(first + i)));
            b->record[i].sequence.length = (size_t)(1350 + (first + i) % 150);
        }
        DT_TRY(dt_results_add(results, &predicted));
    }
    return DT_OK;
}

/* Adds the size of the file with that suffix, and removes it. */
static void weigh(const dt_results_options *options, const char *suffix, double *bytes)
{
    char path[PATH_MAX];
    struct stat info;
    if (dt_results_path(options, suffix, path) == DT_OK && stat(path, &info) == 0) {
        *bytes += (double)info.st_size;
        unlink(path);
    }
}

static dt_status write_results(bench *b, bool tables, figures *f)
{
    static dt_results results;
    const dt_results_options options = {
        .output_folder = b->into,
        .fasta_file = "made.fasta",
        .checkpoint_path = "made.h5",
        .checkpoint = &b->content,
        .tabular = tables,
        .format = {[DT_FORMAT_QIIME2] = tables},
        .columns = DT_COLUMNS,
        .column = {DT_COLUMN_PREDICTED, DT_COLUMN_RAW_SCORE, DT_COLUMN_ENTROPY, DT_COLUMN_TRUE,
                   DT_COLUMN_AGREEMENT},
        .threshold = 0.95,
        .top_k = 3,
        .batch_size = BATCH,
        .version = "benchmark",
    };
    *f = (figures){0};
    DT_TRY(dt_results_begin(&results, &options));
    const double began = dt_seconds();
    dt_status status = add_all(b, &results);
    f->adding = dt_seconds() - began;
    if (status == DT_OK)
        status = dt_results_finish(&results);
    f->finishing = dt_seconds() - began - f->adding;
    dt_results_free(&results);
    weigh(&options, "json", &f->json);
    weigh(&options, "tsv", &f->tables);
    weigh(&options, "qiime2.tsv", &f->tables);
    return status;
}

static figures best(const figures *a, const figures *b)
{
    return a->adding + a->finishing < b->adding + b->finishing ? *a : *b;
}

static dt_status measure(bench *b)
{
    figures alone = {.adding = 1e30};
    figures all = alone;
    dt_report report = {.benchmark = "results"};
    for (int i = 0; i < b->repeats; ++i) {
        figures f;
        DT_TRY(write_results(b, false, &f));
        alone = best(&alone, &f);
        DT_TRY(write_results(b, true, &f));
        all = best(&all, &f);
    }
    const double bytes = all.json + all.tables;
    const double seconds = all.adding + all.finishing;
    dt_report_add(&report, "sequences", b->sequences, "");
    dt_report_add(&report, "JSON", 1e-6 * all.json, "MB");
    dt_report_add(&report, "tables: TSV and QIIME 2's", 1e-6 * all.tables, "MB");
    dt_report_add(&report, "taking results, beside the compute", alone.adding, "s");
    dt_report_add(&report, "the same with tables", all.adding, "s");
    dt_report_add(&report, "tables, taking results included", 1e-6 * all.tables / all.adding,
                  "MB/s");
    dt_report_aim(&report, DT_AIM_AT_LEAST, 200.0);
    dt_report_add(&report, "JSON and sync, at the end", alone.finishing, "s");
    dt_report_add(&report, "JSON and sync, at the end", 1e-6 * alone.json / alone.finishing,
                  "MB/s");
    dt_report_aim(&report, DT_AIM_AT_LEAST, 200.0);
    dt_report_add(&report, "all files, everything included", 1e-6 * bytes / seconds, "MB/s");
    dt_report_aim(&report, DT_AIM_AT_LEAST, 200.0);
    dt_report_add(&report, "all files, everything included", b->sequences / seconds, "sequences/s");
    return dt_report_publish(&report, b->json);
}

int main(int argc, char **argv)
{
    bench b = {.folder = ".", .sequences = 200000, .repeats = 3};
    const dt_argument arguments[] = {
        {"--sequences", NULL, &b.sequences, 1},
        {"--folder", &b.folder, NULL, 0},
        {"--repeats", NULL, &b.repeats, 1},
        {"--json", &b.json, NULL, 0},
    };
    if (!dt_arguments_read(arguments, sizeof arguments / sizeof *arguments, argc, argv))
        return 2;
    dt_status status = make(&b);
    if (status == DT_OK)
        status = measure(&b);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    char uuid[PATH_MAX + 32];
    snprintf(uuid, sizeof uuid, "%s/deeptaxa_uuid.txt", b.into);
    unlink(uuid);
    rmdir(b.into);
    for (int i = 0; i < BATCH; ++i)
        dt_fasta_record_free(&b.record[i]);
    free(b.prediction);
    dt_run_free(&b.content);
    return dt_exit_status(status);
}
