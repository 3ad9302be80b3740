/* How fast are sequences tokenised, compared with Hugging Face's `tokenizers`?
 *
 *     bench_tokenize --tokenizer FILE [--fasta FILE] [--repeats N] [--threads N] [--beside COMMAND]
 *                    [--json FILE]
 *
 * Reads the FASTA file (default: microbiomeutil's full-length 16S) into memory, then normalises and
 * encodes all of it with one thread and with N (default: all processors), medians of several runs.
 * COMMAND is a program that times the same work on request (tokenize_hf.py, for which tokenize.sh
 * installs the library); both run alternately, and the tokens must be equal.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "arguments.h"
#include "beside.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/pool.h"
#include "io/fasta.h"
#include "sequence/tokenizer_json.h"
#include "report.h"
#include "sequence/normalize.h"
#include "sequence/tokenizer.h"

#define GOLD "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta"

enum { MAX_THREADS = 256, MAX_REPEATS = 101, PIECE = 32 };

typedef struct {
    const char *tokenizer, *fasta, *beside, *json;
    int repeats, threads;
} options;

typedef struct {
    dt_encoder *encoder;
    dt_text copy; /* of the normalised sequence */
    int64_t tokens;
} worker_state;

typedef struct {
    options o;
    dt_tokenizer *tokenizer;
    dt_text text;    /* all sequences as the file has them */
    size_t *offsets; /* (count + 1) */
    size_t count, capacity;
    worker_state workers[MAX_THREADS];
    uint32_t *check; /* receives a CRC-32 of all tokens; NULL: not computed */
} bench;

static dt_status read_sequences(bench *b)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    DT_TRY(dt_fasta_open(&fasta, b->o.fasta));
    dt_status status = DT_OK;
    while (status == DT_OK && found) {
        status = dt_fasta_next(fasta, &record, &found);
        if (status == DT_OK)
            status = DT_GROW(b->offsets, b->capacity, b->count + 2);
        if (status != DT_OK || !found)
            break;
        b->offsets[b->count] = b->text.length;
        status = dt_text_add(&b->text, record.sequence.data, record.sequence.length);
        b->offsets[++b->count] = b->text.length;
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    return status;
}

static dt_status make(bench *b)
{
    char *json;
    DT_TRY(dt_tokenizer_read(b->o.tokenizer, &b->tokenizer, &json));
    free(json);
    for (int w = 0; w < b->o.threads; ++w)
        DT_TRY(dt_encoder_create(&b->workers[w].encoder, b->tokenizer));
    return read_sequences(b);
}

static void unmake(bench *b)
{
    for (int w = 0; w < b->o.threads; ++w) {
        dt_encoder_destroy(b->workers[w].encoder);
        dt_text_free(&b->workers[w].copy);
    }
    dt_tokenizer_destroy(b->tokenizer);
    dt_text_free(&b->text);
    free(b->offsets);
}

static dt_status encode_some(void *context, int64_t piece, int worker)
{
    bench *b = context;
    worker_state *w = &b->workers[worker];
    const size_t first = (size_t)piece * PIECE;
    for (size_t i = first; i < first + PIECE && i < b->count; ++i) {
        const uint16_t *tokens;
        int32_t count;
        dt_text_clear(&w->copy);
        DT_TRY(
            dt_text_add(&w->copy, b->text.data + b->offsets[i], b->offsets[i + 1] - b->offsets[i]));
        w->copy.length = dt_normalize(w->copy.data, w->copy.length);
        DT_TRY(dt_encoder_encode(w->encoder, w->copy.data, w->copy.length, 0, &tokens, &count));
        w->tokens += count;
        if (b->check)
            *b->check = (uint32_t)crc32(*b->check, (const unsigned char *)tokens,
                                        (uInt)((size_t)count * sizeof *tokens));
    }
    return DT_OK;
}

static dt_status encode_all(bench *b, dt_pool *pool, double *seconds)
{
    const double began = dt_seconds();
    DT_TRY(dt_pool_run(pool, encode_some, b, (int64_t)((b->count + PIECE - 1) / PIECE)));
    *seconds = dt_seconds() - began;
    return DT_OK;
}

/* Counts the tokens of a run and computes their CRC-32. Also serves as warm-up. */
static dt_status count_tokens(bench *b, dt_pool *pool, int64_t *tokens, uint32_t *check)
{
    double seconds;
    *check = 0;
    b->check = check;
    b->workers[0].tokens = 0;
    const dt_status status = encode_all(b, pool, &seconds);
    *tokens = b->workers[0].tokens;
    b->check = NULL;
    return status;
}

static void add_rate(const bench *b, dt_report *report, const char *who, double seconds)
{
    char name[64];
    snprintf(name, sizeof name, "%s: sequences", who);
    dt_report_add(report, name, (double)b->count / seconds, "sequences/s");
    snprintf(name, sizeof name, "%s: bases", who);
    dt_report_add(report, name, (double)b->text.length / seconds * 1e-6, "MB/s");
}

/* The answers of the other program, measured alternately with ours. */
typedef struct {
    dt_beside program;
    double seconds[MAX_REPEATS];
} other;

/* Compares with the number of tokens and the CRC-32 that the other program reports: "..., 1234
 * tokens, crc32 ab". */
static dt_status compare_tokens(const other *o, int64_t tokens, uint32_t check)
{
    char expected[64];
    snprintf(expected, sizeof expected, ", %lld tokens, crc32 %08x", (long long)tokens,
             (unsigned)check);
    if (strstr(o->program.description, expected))
        return DT_OK;
    return dt_fail(DT_ERR_INTERNAL, "the tokens differ: '%s', here%s", o->program.description,
                   expected + 1);
}

static dt_status measure(bench *b, other *o, dt_report *report)
{
    double alone[MAX_REPEATS];
    double together[MAX_REPEATS];
    int64_t tokens;
    uint32_t check;
    dt_pool *one = NULL;
    dt_pool *all = NULL;
    dt_status status;
    DT_TRY_OR(done, dt_pool_create(&one, 1));
    DT_TRY_OR(done, dt_pool_create(&all, b->o.threads));
    DT_TRY_OR(done, count_tokens(b, one, &tokens, &check));
    if (b->o.beside)
        DT_TRY_OR(done, compare_tokens(o, tokens, check));
    for (int i = 0; i < b->o.repeats; ++i) {
        DT_TRY_OR(done, encode_all(b, one, &alone[i]));
        DT_TRY_OR(done, encode_all(b, all, &together[i]));
        if (b->o.beside)
            DT_TRY_OR(done, dt_beside_step(&o->program, 1, &o->seconds[i]));
    }
    const double seconds = dt_median(alone, b->o.repeats);
    char who[32];
    snprintf(who, sizeof who, "%d threads", b->o.threads);
    dt_report_add(report, "sequences", (double)b->count, "");
    dt_report_add(report, "bases a sequence", (double)b->text.length / (double)b->count, "");
    dt_report_add(report, "tokens a sequence", (double)tokens / (double)b->count, "");
    dt_report_add(report, "one thread: sequences", (double)b->count / seconds, "sequences/s");
    dt_report_aim(report, DT_AIM_AT_LEAST, 20000);
    dt_report_add(report, "one thread: bases", (double)b->text.length / seconds * 1e-6, "MB/s");
    dt_report_add(report, "one thread: tokens", (double)tokens / seconds * 1e-6, "million/s");
    if (b->o.threads > 1)
        add_rate(b, report, who, dt_median(together, b->o.repeats));
    if (b->o.beside) {
        const double theirs = dt_median(o->seconds, b->o.repeats);
        add_rate(b, report, "beside, one thread", theirs);
        dt_report_add(report, "ratio", theirs / seconds, "times as fast");
        dt_report_note(report, "beside: %s; the tokens are the same", o->program.description);
    }
done:
    dt_pool_destroy(one);
    dt_pool_destroy(all);
    return status;
}

static dt_status run(bench *b, dt_report *report)
{
    static other o;
    DT_TRY(make(b));
    if (b->count == 0)
        return dt_fail(DT_ERR_INPUT, "%s: no sequences", b->o.fasta);
    dt_status status = b->o.beside ? dt_beside_start(&o.program, b->o.beside) : DT_OK;
    if (status == DT_OK)
        status = measure(b, &o, report);
    dt_beside_stop(&o.program);
    return status;
}

static bool parse(options *o, int argc, char **argv)
{
    cpu_set_t processors;
    *o = (options){.fasta = getenv("DEEPTAXA_GOLD_FASTA"), .repeats = 11};
    if (sched_getaffinity(0, sizeof processors, &processors) == 0)
        o->threads = CPU_COUNT(&processors);
    if (!o->fasta)
        o->fasta = GOLD;
    const dt_argument known[] = {
        {"--tokenizer", &o->tokenizer, NULL, 0}, {"--fasta", &o->fasta, NULL, 0},
        {"--beside", &o->beside, NULL, 0},       {"--json", &o->json, NULL, 0},
        {"--repeats", NULL, &o->repeats, 1},     {"--threads", NULL, &o->threads, 1},
    };
    if (!dt_arguments_read(known, (int)(sizeof known / sizeof *known), argc, argv))
        return false;
    if (o->tokenizer && o->repeats <= MAX_REPEATS && o->threads > 0 && o->threads <= MAX_THREADS)
        return true;
    fprintf(stderr,
            "usage: %s --tokenizer FILE [--fasta FILE] [--repeats N] [--threads N] "
            "[--beside COMMAND] [--json FILE]\n",
            argv[0]);
    return false;
}

int main(int argc, char **argv)
{
    static bench b;
    static dt_report report = {.benchmark = "tokenizing"};
    if (!parse(&b.o, argc, argv))
        return 2;
    dt_status status = run(&b, &report);
    if (status == DT_OK)
        status = dt_report_publish(&report, b.o.json);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    unmake(&b);
    return dt_exit_status(status);
}
