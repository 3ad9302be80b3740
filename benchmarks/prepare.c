/* How long does `deeptaxa prepare` take, and how much memory?
 *
 *     bench_prepare --program build/bin/deeptaxa --data DIR --tokenizer FILE --scratch DIR
 *                   [--repeats N] [--threads N] [--json FILE]
 *
 * DIR is the output of gg2_scale. Runs the program on its training.fna.gz and training.tsv.gz and
 * reports medians of several runs from start to exit; for comparison also times the sequential
 * work, in this process and on one thread: reading the compressed lines, splitting them into
 * records, reading the table. prepare.sh creates the data and runs this program.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arguments.h"
#include "core/clock.h"
#include "io/fasta.h"
#include "io/line_reader.h"
#include "taxonomy/taxonomy_table.h"
#include "report.h"

enum { MAX_REPEATS = 101 };

typedef struct {
    const char *program, *data, *tokenizer, *scratch, *json, *threads;
    int repeats;
} options;

typedef struct {
    options o;
    char fasta[PATH_MAX], table[PATH_MAX], shards[PATH_MAX];
    int64_t sequences, bases, lines_bytes, file_bytes;
} bench;

static dt_status set_paths(bench *b)
{
    const options *o = &b->o;
    struct stat info;
    snprintf(b->fasta, sizeof b->fasta, "%s/training.fna.gz", o->data);
    snprintf(b->table, sizeof b->table, "%s/training.tsv.gz", o->data);
    snprintf(b->shards, sizeof b->shards, "%s/shards", o->scratch);
    if (stat(b->fasta, &info) != 0)
        return dt_fail(DT_ERR_USAGE, "%s: no such file; gg2_scale writes it", b->fasta);
    b->file_bytes = info.st_size;
    return DT_OK;
}

/* ---- the program, from start to exit ---- */

typedef struct {
    double seconds[MAX_REPEATS];
    double processor[MAX_REPEATS]; /* seconds of all threads */
    double memory[MAX_REPEATS];    /* the largest resident set, bytes */
} runs;

static void become(const bench *b)
{
    if (!freopen("/dev/null", "w", stderr))
        _exit(126);
    execl(b->o.program, b->o.program, "prepare", "--fasta-file", b->fasta, "--taxonomy-file",
          b->table, "--tokenizer-file", b->o.tokenizer, "--output-dir", b->shards, "--threads",
          b->o.threads, (char *)NULL);
    _exit(127);
}

static dt_status run_once(const bench *b, runs *r, int i)
{
    struct rusage usage;
    int status = 0;
    const double began = dt_seconds();
    const pid_t pid = fork();
    if (pid == 0)
        become(b);
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0)
        return dt_fail(DT_ERR_IO, "%s prepare failed (status %d)", b->o.program, status);
    r->seconds[i] = dt_seconds() - began;
    r->processor[i] = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    r->memory[i] = 1024.0 * (double)usage.ru_maxrss;
    return DT_OK;
}

/* ---- the sequential work, on one thread ---- */

static dt_status read_lines(bench *b, double *seconds)
{
    dt_line_reader *reader;
    const char *line = "";
    size_t length = 0;
    const double began = dt_seconds();
    DT_TRY(dt_line_reader_open(&reader, b->fasta, &dt_fasta_text));
    dt_status status = DT_OK;
    b->lines_bytes = 0;
    while (status == DT_OK && line) {
        status = dt_line_reader_next(reader, &line, &length);
        b->lines_bytes += (int64_t)length + 1;
    }
    dt_line_reader_close(reader);
    *seconds = dt_seconds() - began;
    return status;
}

static dt_status read_records(bench *b, double *seconds)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    const double began = dt_seconds();
    DT_TRY(dt_fasta_open(&fasta, b->fasta));
    dt_status status = DT_OK;
    b->sequences = b->bases = 0;
    while (status == DT_OK && found) {
        status = dt_fasta_next(fasta, &record, &found);
        b->sequences += found;
        b->bases += found ? (int64_t)record.sequence.length : 0;
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    *seconds = dt_seconds() - began;
    return status;
}

static dt_status read_table(const bench *b, double *seconds)
{
    dt_taxonomy_table table;
    const double began = dt_seconds();
    DT_TRY(dt_taxonomy_table_read(&table, b->table));
    dt_taxonomy_table_free(&table);
    *seconds = dt_seconds() - began;
    return DT_OK;
}

static dt_status measure(bench *b, dt_report *report)
{
    static runs r;
    double lines, records, table;
    DT_TRY(set_paths(b));
    DT_TRY(run_once(b, &r, 0)); /* warm up: the files are in the page cache */
    for (int i = 0; i < b->o.repeats; ++i)
        DT_TRY(run_once(b, &r, i));
    DT_TRY(read_lines(b, &lines));
    DT_TRY(read_records(b, &records));
    DT_TRY(read_table(b, &table));
    const double seconds = dt_median(r.seconds, b->o.repeats);
    dt_report_add(report, "sequences", (double)b->sequences, "");
    dt_report_add(report, "bases", (double)b->bases * 1e-6, "million");
    dt_report_add(report, "compressed", (double)b->file_bytes * 1e-6, "MB");
    dt_report_add(report, "deeptaxa prepare, start to exit", seconds, "s");
    if (b->sequences == 277336)
        dt_report_aim(report, DT_AIM_AT_MOST, 10);
    dt_report_add(report, "processor time", dt_median(r.processor, b->o.repeats), "s");
    dt_report_add(report, "largest resident set", dt_median(r.memory, b->o.repeats) * 1e-6, "MB");
    dt_report_add(report, "rate", (double)b->sequences / seconds, "sequences/s");
    dt_report_add(report, "rate", (double)b->bases / seconds * 1e-6, "MB/s");
    dt_report_add(report, "one thread: lines of the FASTA file, gzip included", lines, "s");
    dt_report_add(report, "one thread: its records", records, "s");
    dt_report_add(report, "one thread: the table", table, "s");
    return DT_OK;
}

static bool parse(options *o, int argc, char **argv)
{
    *o = (options){.repeats = 3, .threads = "0"};
    const dt_argument known[] = {
        {"--program", &o->program, NULL, 0},     {"--data", &o->data, NULL, 0},
        {"--tokenizer", &o->tokenizer, NULL, 0}, {"--scratch", &o->scratch, NULL, 0},
        {"--threads", &o->threads, NULL, 0},     {"--json", &o->json, NULL, 0},
        {"--repeats", NULL, &o->repeats, 1},
    };
    if (!dt_arguments_read(known, (int)(sizeof known / sizeof *known), argc, argv))
        return false;
    if (o->program && o->data && o->tokenizer && o->scratch && o->repeats <= MAX_REPEATS)
        return true;
    fprintf(stderr,
            "usage: %s --program FILE --data DIR --tokenizer FILE --scratch DIR [--repeats N] "
            "[--threads N] [--json FILE]\n",
            argv[0]);
    return false;
}

int main(int argc, char **argv)
{
    static bench b;
    static dt_report report = {.benchmark = "preparing"};
    if (!parse(&b.o, argc, argv))
        return 2;
    dt_status status = measure(&b, &report);
    if (status == DT_OK)
        status = dt_report_publish(&report, b.o.json);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    return dt_exit_status(status);
}
