/* How fast are checkpoints written and read?
 *
 *     bench_checkpoint [--device cpu] [--folder DIR] [--repeats N] [--json FILE]
 *
 * Writes the default model, with Greengenes2's classes and labels, and its optimizer's moments to a
 * file in DIR (default: the current folder) as training does, with sync and checksums, and reads
 * them back as resuming and prediction do. The file is in the system's cache when it is read, so
 * that decoding and checking are measured. The lower bound is a plain file of the same size,
 * written and synced in the same folder. Prints medians; removes the files.
 */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tests/gpu/real_model.h"
#include "arguments.h"
#include "core/clock.h"
#include "run/checkpoint.h"
#include "report.h"

#define MAX_REPEATS 21

typedef struct {
    const char *device, *folder, *json;
    int repeats;
    char path[PATH_MAX];
    real_subject subject;
    dt_run content;
    float *copy;
} bench;

typedef enum { PLAIN, COPY, WRITE, READ, READ_ALL, READ_WEIGHTS, VERIFY, KINDS } kind;

static const char *const title[KINDS] = {
    "a plain file of that size, written and synced",
    "copying the tensors: training stands still",
    "writing, synced, beside the training",
    "reading all but the tensors",
    "reading all, as for resuming",
    "reading without moments, as for prediction",
    "checking every byte",
};

static dt_status add_ranks(dt_run *content)
{
    static const char *const ranks[] = {"domain", "phylum", "class",  "order",
                                        "family", "genus",  "species"};
    for (int32_t r = 0; r < content->config.tax_ranks; ++r) {
        const int32_t classes = content->config.classes[r];
        char(*text)[32];
        const char **label;
        DT_TRY(DT_NEW(text, (size_t)classes));
        DT_TRY(DT_NEW(label, (size_t)classes));
        for (int32_t c = 0; c < classes; ++c) {
            snprintf(text[c], sizeof text[c], "%c__Made taxon %05d", ranks[r][0], c);
            label[c] = text[c];
        }
        DT_TRY(dt_taxonomy_add_rank(&content->taxonomy, ranks[r], classes, label));
        free(text);
        free(label);
    }
    return DT_OK;
}

static dt_status make(bench *b)
{
    b->content.config = real_config();
    DT_TRY(add_ranks(&b->content));
    DT_TRY(DT_NEW(b->content.tokenizer_json, 3));
    memcpy(b->content.tokenizer_json, "{}", 3);
    snprintf(b->content.settings.run_uuid, sizeof b->content.settings.run_uuid, "benchmark");
    if ((size_t)snprintf(b->path, sizeof b->path, "%s/bench_checkpoint.%ld.h5", b->folder,
                         (long)getpid()) >= sizeof b->path)
        return dt_fail(DT_ERR_USAGE, "--folder: too long");
    DT_TRY(real_open(&b->subject, b->device, &(dt_backend_options){0}, &b->content.config, 1, 64));
    return DT_NEW(b->copy, (size_t)dt_checkpoint_copy_elements(dt_model_params(b->subject.model)));
}

static void unmake(bench *b)
{
    unlink(b->path);
    free(b->copy);
    dt_run_free(&b->content);
    if (b->subject.backend)
        real_close(&b->subject);
}

/* Writes a plain file with as many bytes as the checkpoint, then removes it. */
static dt_status write_plainly(const bench *b)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s.plain", b->path);
    FILE *file = fopen(path, "wb");
    if (!file)
        return dt_fail(DT_ERR_IO, "%s: cannot write", path);
    const size_t bytes =
        sizeof *b->copy * (size_t)dt_checkpoint_copy_elements(dt_model_params(b->subject.model));
    bool good = fwrite(b->copy, 1, bytes, file) == bytes;
    good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
    fclose(file);
    unlink(path);
    return good ? DT_OK : dt_fail(DT_ERR_IO, "%s: cannot write", path);
}

static dt_status work(bench *b, kind what)
{
    dt_run read = {0};
    dt_tensor_source source = dt_tensors_of_model(b->subject.model);
    switch (what) {
    case PLAIN:
        return write_plainly(b);
    case COPY:
        return dt_checkpoint_copy(b->copy, &source);
    case WRITE:
        source = (dt_tensor_source){.table = source.table, .copy = b->copy};
        return dt_checkpoint_write_from(b->path, &b->content, &source);
    case READ:
        DT_TRY(dt_checkpoint_read(b->path, &read));
        dt_run_free(&read);
        return DT_OK;
    case VERIFY:
        return dt_checkpoint_verify(b->path);
    case READ_ALL:
    case READ_WEIGHTS:
    default:
        return dt_checkpoint_read_tensors(b->path, b->subject.model, what == READ_ALL);
    }
}

static dt_status measure(bench *b)
{
    static double seconds[KINDS][MAX_REPEATS];
    dt_report report = {.benchmark = "checkpoint"};
    struct stat info;
    b->content.has_optimizer = true;
    DT_TRY(work(b, COPY));
    DT_TRY(work(b, WRITE)); /* warm up */
    for (int i = 0; i < b->repeats; ++i) {
        for (kind what = 0; what < KINDS; ++what) {
            const double began = dt_seconds();
            DT_TRY(work(b, what));
            seconds[what][i] = dt_seconds() - began;
        }
    }
    if (stat(b->path, &info) != 0)
        return dt_fail(DT_ERR_IO, "%s: is not there", b->path);
    const double all = 1e-6 * (double)info.st_size;
    const double weights = 4e-6 * (double)dt_model_params(b->subject.model)->parameters;
    dt_report_add(&report, "checkpoint of the default model, with moments", all, "MB");
    for (kind what = 0; what < KINDS; ++what) {
        const double took = dt_median(seconds[what], b->repeats);
        dt_report_add(&report, title[what], took, "s");
        if (what != READ)
            dt_report_add(&report, title[what], (what == READ_WEIGHTS ? weights : all) / took,
                          "MB/s");
    }
    return dt_report_publish(&report, b->json);
}

int main(int argc, char **argv)
{
    bench b = {.device = "cpu", .folder = ".", .repeats = 3};
    const dt_argument arguments[] = {
        {"--device", &b.device, NULL, 0},
        {"--folder", &b.folder, NULL, 0},
        {"--repeats", NULL, &b.repeats, 1},
        {"--json", &b.json, NULL, 0},
    };
    if (!dt_arguments_read(arguments, sizeof arguments / sizeof *arguments, argc, argv))
        return 2;
    b.repeats = b.repeats < MAX_REPEATS ? b.repeats : MAX_REPEATS;
    dt_status status = make(&b);
    if (status == DT_OK)
        status = measure(&b);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    unmake(&b);
    return dt_exit_status(status);
}
