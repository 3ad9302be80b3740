/* Writes a synthetic data set with the size and shape of the Greengenes2 set (release 2024.09) that
 * DeepTaxa is trained on, for benchmarks on machines that cannot download it.
 *
 *     gg2_scale --output-dir DIR [--scale S] [--seed N] [--gold FILE]
 *
 * 277,336 sequences for training and 69,335 for testing in 2, 129, 349, 997, 2,250, 7,287 and
 * 16,909 classes from domain to species, as training.fna.gz, training.tsv.gz, testing.fna.gz and
 * testing.tsv.gz (gzip level 6, one line per sequence, records in random order). Sequences descend
 * from real ones by mutation (made_sequences.h) in a random taxonomy (made_taxonomy.h); seed and
 * scale determine every byte. --scale 0.01 writes a hundredth of the records and classes. The names
 * of taxa are invented: the set is meaningful for timing, not for taxonomy.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/pool.h"
#include "made_sequences.h"
#include "made_taxonomy.h"

#define GOLD "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta"

enum { TRAINING = 277336, TESTING = 69335, GZIP_BUFFER = 1 << 20 };

typedef struct {
    const char *output_dir;
    const char *gold;
    double scale;
    uint32_t seed;
} options;

/* The training or the testing set. */
typedef struct {
    const char *name;
    int32_t *species; /* (count) of each record */
    int32_t count;
    uint32_t first; /* number of the first record */
    int64_t bases;  /* written */
} part;

typedef struct {
    options o;
    dt_made_taxonomy taxonomy;
    dt_made_sequences sequences;
    part parts[2];
} maker;

/* ---- gzip files ---- */

/* A file that gets its final name when it is complete. */
typedef struct {
    dt_new_file file;
    gzFile stream;
    bool failed;
} gzip_output;

static dt_status gzip_begin(gzip_output *out, const char *folder, const char *name, const char *end)
{
    char path[PATH_MAX];
    *out = (gzip_output){0};
    if (snprintf(path, sizeof path, "%s/%s%s", folder, name, end) >= (int)sizeof path)
        return dt_fail(DT_ERR_USAGE, "%s: the path is too long", folder);
    DT_TRY(dt_new_file_begin(&out->file, path));
    out->stream = gzopen(out->file.temporary, "wb6");
    if (!out->stream) {
        dt_new_file_discard(&out->file);
        return dt_fail(DT_ERR_IO, "%s: cannot write", path);
    }
    gzbuffer(out->stream, GZIP_BUFFER);
    return DT_OK;
}

static void gzip_put(gzip_output *out, const dt_text *text)
{
    out->failed = out->failed ||
                  gzwrite(out->stream, text->data, (unsigned)text->length) != (int)text->length;
}

/* Closes the file: gives it its final name if `status` is DT_OK, else removes it. */
static dt_status gzip_end(gzip_output *out, dt_status status)
{
    out->failed = gzclose_w(out->stream) != Z_OK || out->failed;
    if (status == DT_OK && !out->failed)
        return dt_new_file_commit(&out->file);
    dt_new_file_discard(&out->file);
    return status != DT_OK
               ? status
               : dt_fail(DT_ERR_IO, "%s: cannot write: is the disk full?", out->file.path);
}

/* ---- records ---- */

static dt_status add_id(const part *p, int32_t i, dt_text *line)
{
    return dt_text_addf(line, "GS%09u", (unsigned)(p->first + (uint32_t)i + 1));
}

static dt_status write_sequences(const maker *m, part *p, gzip_output *out, dt_text *sequence,
                                 dt_text *line)
{
    for (int32_t i = 0; i < p->count; ++i) {
        DT_TRY(dt_made_record(&m->sequences, p->species[i], p->first + (uint32_t)i, sequence));
        dt_text_clear(line);
        DT_TRY(dt_text_add(line, ">", 1));
        DT_TRY(add_id(p, i, line));
        DT_TRY(dt_text_add(line, "\n", 1));
        DT_TRY(dt_text_add(line, sequence->data, sequence->length));
        DT_TRY(dt_text_add(line, "\n", 1));
        gzip_put(out, line);
        p->bases += (int64_t)sequence->length;
    }
    return DT_OK;
}

static dt_status write_rows(const maker *m, const part *p, gzip_output *out, dt_text *line)
{
    DT_TRY(dt_text_add(line, "sequence_id", 11));
    for (int32_t r = 0; r < DT_MADE_RANKS; ++r)
        DT_TRY(dt_text_addf(line, "\t%s", dt_made_rank_name(r)));
    for (int32_t i = 0; i < p->count; ++i) {
        int32_t taxon[DT_MADE_RANKS];
        taxon[DT_MADE_SPECIES] = p->species[i];
        for (int32_t r = DT_MADE_SPECIES; r > 0; --r)
            taxon[r - 1] = m->taxonomy.parent[r][taxon[r]];
        DT_TRY(dt_text_add(line, "\n", 1));
        gzip_put(out, line);
        dt_text_clear(line);
        DT_TRY(add_id(p, i, line));
        for (int32_t r = 0; r < DT_MADE_RANKS; ++r) {
            DT_TRY(dt_text_add(line, "\t", 1));
            DT_TRY(dt_made_label(&m->taxonomy, r, taxon[r], line));
        }
    }
    DT_TRY(dt_text_add(line, "\n", 1));
    gzip_put(out, line);
    return DT_OK;
}

static dt_status write_part(void *context, int64_t number, int worker)
{
    (void)worker;
    maker *m = context;
    part *p = &m->parts[number];
    gzip_output out;
    dt_text sequence = {0};
    dt_text line = {0};
    DT_TRY(gzip_begin(&out, m->o.output_dir, p->name, ".fna.gz"));
    dt_status status = gzip_end(&out, write_sequences(m, p, &out, &sequence, &line));
    dt_text_clear(&line);
    if (status == DT_OK)
        status = gzip_begin(&out, m->o.output_dir, p->name, ".tsv.gz");
    if (status == DT_OK)
        status = gzip_end(&out, write_rows(m, p, &out, &line));
    dt_text_free(&sequence);
    dt_text_free(&line);
    return status;
}

/* ---- all of it ---- */

static int32_t scaled(double scale, int32_t number, int32_t least)
{
    const int32_t count = (int32_t)(scale * number + 0.5);
    return count > least ? count : least;
}

static dt_status make(maker *m)
{
    static const int32_t classes[DT_MADE_RANKS] = {2, 129, 349, 997, 2250, 7287, 16909};
    int32_t taxa[DT_MADE_RANKS] = {2};
    for (int32_t r = 1; r < DT_MADE_RANKS; ++r)
        taxa[r] = scaled(m->o.scale, classes[r], taxa[r - 1]);
    const int32_t training = scaled(m->o.scale, TRAINING, taxa[DT_MADE_SPECIES]);
    const int32_t testing = scaled(m->o.scale, TESTING, 1);
    DT_TRY(dt_make_folder(m->o.output_dir));
    DT_TRY(dt_made_taxonomy_create(&m->taxonomy, taxa, m->o.seed));
    m->parts[0] = (part){.name = "training", .count = training};
    m->parts[1] = (part){.name = "testing", .count = testing, .first = (uint32_t)training};
    DT_TRY(dt_made_records(&m->taxonomy, training, testing, m->o.seed, &m->parts[0].species,
                           &m->parts[1].species));
    DT_TRY(dt_made_sequences_create(&m->sequences, &m->taxonomy, m->o.gold, m->o.seed));
    dt_pool *pool;
    DT_TRY(dt_pool_create(&pool, 2));
    const dt_status status = dt_pool_run(pool, write_part, m, 2);
    dt_pool_destroy(pool);
    return status;
}

static void print_summary(const maker *m, double seconds)
{
    for (int i = 0; i < 2; ++i)
        printf("%-10s %9d sequences %12lld bases\n", m->parts[i].name, (int)m->parts[i].count,
               (long long)m->parts[i].bases);
    for (int32_t r = 0; r < DT_MADE_RANKS; ++r)
        printf("%-10s %9d classes\n", dt_made_rank_name(r), (int)m->taxonomy.taxa[r]);
    printf("%-10s %9.1f s\n", "written in", seconds);
}

static void unmake(maker *m)
{
    for (int i = 0; i < 2; ++i)
        free(m->parts[i].species);
    dt_made_sequences_free(&m->sequences);
    dt_made_taxonomy_free(&m->taxonomy);
}

static bool parse(options *o, int argc, char **argv)
{
    *o = (options){.gold = getenv("DEEPTAXA_GOLD_FASTA"), .scale = 1.0, .seed = 1};
    if (!o->gold)
        o->gold = GOLD;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--output-dir") == 0)
            o->output_dir = value;
        else if (strcmp(argv[i], "--gold") == 0)
            o->gold = value;
        else if (strcmp(argv[i], "--scale") == 0)
            o->scale = strtod(value, NULL);
        else if (strcmp(argv[i], "--seed") == 0)
            o->seed = (uint32_t)strtoul(value, NULL, 10);
        else
            return false;
    }
    return o->output_dir && *o->output_dir && o->scale > 0.0 && o->scale <= 10.0;
}

int main(int argc, char **argv)
{
    maker m = {0};
    if (!parse(&m.o, argc, argv)) {
        fprintf(stderr,
                "usage: %s --output-dir DIR [--scale S (above 0, up to 10)] [--seed N] "
                "[--gold FILE]\n",
                argv[0]);
        return 2;
    }
    const double began = dt_seconds();
    const dt_status status = make(&m);
    if (status == DT_OK)
        print_summary(&m, dt_seconds() - began);
    else
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    unmake(&m);
    return dt_exit_status(status);
}
