/* How fast are the nearest references found, and how much memory does it take?
 *
 *     bench_neighbours --references FASTA --taxonomy FILE --queries FASTA [--k N] [--repeats N]
 *                      [--threads N] [--check N] [--json FILE]
 *
 * Reads both files into memory, builds the index, and searches the k nearest (default: 20) of all
 * queries with one thread and with N (default: all processors), medians of several runs. With
 * --check, those of N queries are compared with what is found by comparing with every reference.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/pool.h"
#include "io/fasta.h"
#include "neighbours/index.h"
#include "neighbours/packed_kmers.h"
#include "report.h"
#include "taxonomy/taxonomy_table.h"

enum { MAX_THREADS = 256, MAX_REPEATS = 101, PIECE = 16 };

typedef struct {
    const char *references, *taxonomy, *queries, *json;
    int k, repeats, threads, check;
} options;

typedef struct {
    options o;
    dt_taxonomy_table table;
    int32_t *leaf; /* (rows of the table) */
    dt_references references;
    dt_neighbour_index *index;
    dt_text text;    /* all queries */
    size_t *offsets; /* (count + 1) */
    size_t count, capacity;
    dt_neighbour_search *search[MAX_THREADS];
    dt_neighbour *found; /* (count, k) */
    int32_t *found_count;
} bench;

/* ---- Reading --------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b, void *table)
{
    const dt_taxonomy_table *t = table;
    const int32_t ranks = t->taxonomy.tax_ranks;
    for (int32_t r = 0; r < ranks; ++r) {
        const int32_t x = t->labels[*(const int64_t *)a * ranks + r];
        const int32_t y = t->labels[*(const int64_t *)b * ranks + r];
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* Numbers the different lineages as dt_lineage_tree does. */
static dt_status number_leaves(bench *b)
{
    int64_t *rows;
    int32_t leaf = 0;
    DT_TRY(dt_taxonomy_table_read(&b->table, b->o.taxonomy));
    DT_TRY(DT_NEW(rows, (size_t)b->table.rows));
    const dt_status status = DT_NEW(b->leaf, (size_t)b->table.rows);
    for (int64_t i = 0; i < b->table.rows; ++i)
        rows[i] = i;
    if (status == DT_OK)
        qsort_r(rows, (size_t)b->table.rows, sizeof *rows, compare_rows, &b->table);
    for (int64_t i = 0; status == DT_OK && i < b->table.rows; ++i) {
        leaf += i && compare_rows(&rows[i - 1], &rows[i], &b->table) != 0;
        b->leaf[rows[i]] = leaf;
    }
    free(rows);
    return status;
}

/* What to do with a record. */
typedef dt_status (*take)(void *context, const dt_fasta_record *record);

static dt_status read_fasta(const char *path, take taker, void *context)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    DT_TRY(dt_fasta_open(&fasta, path));
    dt_status status = DT_OK;
    while (status == DT_OK && found) {
        status = dt_fasta_next(fasta, &record, &found);
        if (status == DT_OK && found)
            status = taker(context, &record);
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    return status;
}

typedef struct {
    const bench *bench;
    dt_reference_builder *builder;
} collecting;

static dt_status take_reference(void *context, const dt_fasta_record *record)
{
    const collecting *c = context;
    const dt_taxonomy_table *table = &c->bench->table;
    const int64_t row = dt_taxonomy_table_find(table, record->id.data, record->id.length);
    if (row < 0)
        return dt_fail(DT_ERR_INPUT, "%s: sequence '%s' is not in the taxonomy",
                       c->bench->o.references, record->id.data);
    return dt_reference_builder_add(c->builder, record->id.data, record->sequence.data,
                                    record->sequence.length, c->bench->leaf[row]);
}

static dt_status read_references(bench *b)
{
    collecting c = {.bench = b};
    DT_TRY(dt_reference_builder_create(&c.builder));
    dt_status status = read_fasta(b->o.references, take_reference, &c);
    if (status == DT_OK)
        status = dt_reference_builder_finish(c.builder, &b->references);
    dt_reference_builder_destroy(c.builder);
    return status;
}

static dt_status take_query(void *context, const dt_fasta_record *record)
{
    bench *b = context;
    DT_TRY(DT_GROW(b->offsets, b->capacity, b->count + 2));
    b->offsets[b->count] = b->text.length;
    DT_TRY(dt_text_add(&b->text, record->sequence.data, record->sequence.length));
    b->offsets[++b->count] = b->text.length;
    return DT_OK;
}

/* ---- Searching ------------------------------------------------------------------------------- */

static dt_status search_some(void *context, int64_t piece, int worker)
{
    bench *b = context;
    const size_t k = (size_t)b->o.k;
    const size_t first = (size_t)piece * PIECE;
    for (size_t i = first; i < first + PIECE && i < b->count; ++i)
        b->found_count[i] =
            dt_neighbours_find(b->search[worker], b->text.data + b->offsets[i],
                               b->offsets[i + 1] - b->offsets[i], b->o.k, -1, b->found + i * k);
    return DT_OK;
}

/* *seconds: the median of all runs. */
static dt_status search_all(bench *b, int threads, double *seconds)
{
    double times[MAX_REPEATS];
    dt_pool *pool;
    DT_TRY(dt_pool_create(&pool, threads));
    dt_status status = DT_OK;
    for (int i = 0; status == DT_OK && i < b->o.repeats; ++i) {
        const double began = dt_seconds();
        status = dt_pool_run(pool, search_some, b, (int64_t)((b->count + PIECE - 1) / PIECE));
        times[i] = dt_seconds() - began;
    }
    dt_pool_destroy(pool);
    *seconds = dt_median(times, b->o.repeats);
    return status;
}

/* ---- Comparing with every reference ---------------------------------------------------------- */

static int32_t make_set(uint8_t *set, const uint16_t *kmers, int32_t count)
{
    int32_t different = 0;
    memset(set, 0, DT_NEIGHBOUR_KMERS);
    for (int32_t i = 0; i < count; ++i) {
        different += !set[kmers[i]];
        set[kmers[i]] = 1;
    }
    return different;
}

static int nearer(const void *a, const void *b)
{
    return dt_nearer(a, b) ? -1 : dt_nearer(b, a);
}

/* A query as the only reference of a set: its packed 8-mers. */
static dt_status query_kmers(const bench *b, size_t query, uint16_t *kmers, int32_t *count)
{
    dt_reference_builder *builder;
    dt_references alone = {0};
    DT_TRY(dt_reference_builder_create(&builder));
    dt_status status = dt_reference_builder_add(builder, "", b->text.data + b->offsets[query],
                                                b->offsets[query + 1] - b->offsets[query], 0);
    if (status == DT_OK)
        status = dt_reference_builder_finish(builder, &alone);
    if (status == DT_OK)
        *count = dt_reference_kmers(&alone, 0, kmers);
    dt_reference_builder_destroy(builder);
    dt_references_free(&alone);
    return status;
}

static void compare_with_all(const bench *b, const uint8_t *query, int32_t of_query, uint8_t *set,
                             uint16_t *kmers, dt_neighbour *all)
{
    for (int32_t r = 0; r < b->references.count; ++r) {
        const int32_t count = dt_reference_kmers(&b->references, r, kmers);
        const int32_t different = make_set(set, kmers, count);
        int32_t shared = 0;
        for (int32_t i = 0; i < count; ++i) {
            shared += query[kmers[i]] && set[kmers[i]];
            set[kmers[i]] = 0;
        }
        all[r] = (dt_neighbour){r, b->references.copies[r],
                                (double)shared / (double)(of_query + different - shared)};
    }
    qsort(all, (size_t)b->references.count, sizeof *all, nearer);
}

static dt_status check_query(const bench *b, size_t query, const dt_neighbour *all)
{
    const dt_neighbour *found = b->found + query * (size_t)b->o.k;
    int64_t copies = 0;
    for (int32_t i = 0; i < b->found_count[query]; ++i) {
        if (found[i].reference != all[i].reference || found[i].similarity != all[i].similarity)
            return dt_fail(DT_ERR_INTERNAL, "query %zu: neighbour %d is wrong", query, (int)i);
        copies += found[i].copies;
    }
    return copies == b->o.k
               ? DT_OK
               : dt_fail(DT_ERR_INTERNAL, "query %zu: %d neighbours", query, (int)copies);
}

static dt_status check(const bench *b)
{
    uint8_t *sets;
    uint16_t *kmers;
    dt_neighbour *all;
    int32_t longest = 0;
    for (int32_t r = 0; r < b->references.count; ++r)
        longest = b->references.length[r] > longest ? b->references.length[r] : longest;
    DT_TRY(DT_NEW(sets, 2 * (size_t)DT_NEIGHBOUR_KMERS));
    DT_TRY(DT_NEW(kmers, (size_t)longest + b->text.length));
    DT_TRY(DT_NEW(all, (size_t)b->references.count));
    dt_status status = DT_OK;
    for (int i = 0; status == DT_OK && i < b->o.check; ++i) {
        const size_t query = (size_t)i * b->count / (size_t)b->o.check;
        int32_t count = 0;
        status = query_kmers(b, query, kmers, &count);
        const int32_t of_query = make_set(sets, kmers, count);
        compare_with_all(b, sets, of_query, sets + DT_NEIGHBOUR_KMERS, kmers, all);
        if (status == DT_OK)
            status = check_query(b, query, all);
    }
    free(sets);
    free(kmers);
    free(all);
    return status;
}

/* ---- Report ---------------------------------------------------------------------------------- */

static dt_status prepare(bench *b, dt_report *report)
{
    DT_TRY(number_leaves(b));
    DT_TRY(read_references(b));
    DT_TRY(read_fasta(b->o.queries, take_query, b));
    dt_pool *pool;
    DT_TRY(dt_pool_create(&pool, b->o.threads));
    const double began = dt_seconds();
    const dt_status status = dt_neighbour_index_create(&b->index, &b->references, pool);
    const double built = dt_seconds() - began;
    dt_pool_destroy(pool);
    DT_TRY(status);
    for (int t = 0; t < b->o.threads; ++t)
        DT_TRY(dt_neighbour_search_create(&b->search[t], b->index, b->o.k));
    DT_TRY(DT_NEW(b->found, b->count * (size_t)b->o.k));
    DT_TRY(DT_NEW(b->found_count, b->count));
    const dt_references *r = &b->references;
    const double stored =
        (double)(r->base_bytes + r->name_bytes) + 4.0 * (double)(r->breaks + 4 * (int64_t)r->count);
    dt_report_add(report, "references", r->count, "");
    dt_report_add(report, "queries", (double)b->count, "");
    dt_report_add(report, "bases a query", (double)b->text.length / (double)b->count, "");
    dt_report_add(report, "references in a file", stored * 1e-6, "MB");
    dt_report_add(report, "index", (double)dt_neighbour_index_bytes(b->index) * 1e-6, "MB");
    dt_report_add(report, "building the index", built, "s");
    return DT_OK;
}

static dt_status measure(bench *b, dt_report *report)
{
    char name[32];
    double seconds;
    DT_TRY(prepare(b, report));
    DT_TRY(search_all(b, 1, &seconds));
    dt_report_add(report, "one thread", (double)b->count / seconds, "queries/s");
    if (b->o.threads > 1) {
        DT_TRY(search_all(b, b->o.threads, &seconds));
        snprintf(name, sizeof name, "%d threads", b->o.threads);
        dt_report_add(report, name, (double)b->count / seconds, "queries/s");
    }
    if (b->o.check) {
        DT_TRY(check(b));
        dt_report_note(report, "the neighbours of %d queries are those of all comparisons",
                       b->o.check);
    }
    return DT_OK;
}

static void release(bench *b)
{
    for (int t = 0; t < b->o.threads; ++t)
        dt_neighbour_search_destroy(b->search[t]);
    dt_neighbour_index_destroy(b->index);
    dt_references_free(&b->references);
    dt_taxonomy_table_free(&b->table);
    dt_text_free(&b->text);
    free(b->leaf);
    free(b->offsets);
    free(b->found);
    free(b->found_count);
}

static bool parse(options *o, int argc, char **argv)
{
    cpu_set_t processors;
    *o = (options){.k = 20, .repeats = 3};
    if (sched_getaffinity(0, sizeof processors, &processors) == 0)
        o->threads = CPU_COUNT(&processors);
    const dt_argument known[] = {
        {"--references", &o->references, NULL, 0},
        {"--taxonomy", &o->taxonomy, NULL, 0},
        {"--queries", &o->queries, NULL, 0},
        {"--json", &o->json, NULL, 0},
        {"--k", NULL, &o->k, 1},
        {"--repeats", NULL, &o->repeats, 1},
        {"--threads", NULL, &o->threads, 1},
        {"--check", NULL, &o->check, 0},
    };
    if (!dt_arguments_read(known, (int)(sizeof known / sizeof *known), argc, argv))
        return false;
    if (o->references && o->taxonomy && o->queries && o->repeats <= MAX_REPEATS && o->threads > 0 &&
        o->threads <= MAX_THREADS)
        return true;
    fprintf(stderr,
            "usage: %s --references FASTA --taxonomy FILE --queries FASTA [--k N] [--repeats N] "
            "[--threads N] [--check N] [--json FILE]\n",
            argv[0]);
    return false;
}

int main(int argc, char **argv)
{
    static bench b;
    static dt_report report = {.benchmark = "searching neighbours"};
    if (!parse(&b.o, argc, argv))
        return 2;
    dt_status status = measure(&b, &report);
    if (status == DT_OK)
        status = dt_report_publish(&report, b.o.json);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    release(&b);
    return dt_exit_status(status);
}
