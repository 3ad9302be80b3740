#include "data/sequence_reader.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/memory.h"
#include "core/pool.h"
#include "data/token_shares.h"
#include "sequence/normalize.h"

enum {
    BLOCK_BASES = 1 << 24, /* ends a block, however few its sequences */
    MOST_AT_A_TIME = 32,   /* sequences per thread at a time */
    SHARES = 4             /* of a block for each thread, at least */
};

/* Working memory of a thread. */
typedef struct {
    dt_encoder *encoder; /* NULL without a tokenizer */
    int64_t *kmers;      /* (DT_STRAND_KMERS); NULL: not counted */
    dt_reading_counts counts;
} worker_state;

typedef struct {
    dt_fasta *input;
    const dt_reading *options;
    dt_pool *pool;
    worker_state *workers; /* (threads of the pool) */
    dt_sequence_block current, next;
    int64_t read;             /* sequences so far */
    int64_t records;          /* with those left out */
    dt_reading_counts counts; /* of what is done when a block is read */
    int32_t at_a_time;        /* sequences of `current` per thread at a time */
} reader;

/* ---- blocks -------------------------------------------------------------------------------------
 */

static dt_status create_block(dt_sequence_block *block, int32_t block_size)
{
    const size_t size = (size_t)block_size;
    DT_TRY(DT_NEW(block->record, size));
    DT_TRY(DT_NEW(block->reversed, size));
    DT_TRY(DT_NEW(block->amplicon, size));
    DT_TRY(DT_NEW(block->judged, size));
    DT_TRY(DT_NEW(block->letters, size));
    DT_TRY(DT_NEW(block->token_count, size));
    return DT_NEW(block->token_begin, size);
}

void dt_sequence_block_free(dt_sequence_block *block, int32_t block_size)
{
    for (int32_t i = 0; block->record && i < block_size; ++i)
        dt_fasta_record_free(&block->record[i]);
    free(block->record);
    free(block->reversed);
    free(block->amplicon);
    free(block->judged);
    free(block->letters);
    free(block->token_count);
    free(block->token_begin);
    free(block->tokens);
    *block = (dt_sequence_block){0};
}

/* ---- reading ------------------------------------------------------------------------------------
 */

static bool is_too_short(const dt_reading *options, const dt_text *sequence)
{
    if (options->min_length <= 0)
        return false;
    const size_t gaps = options->normalize ? dt_count_gaps(sequence->data, sequence->length) : 0;
    return (int64_t)(sequence->length - gaps) < options->min_length;
}

/* Replaces a sequence by its amplicon. Returns whether it has one. `mine`: its gaps are counted. */
static bool cut_out(reader *r, dt_text *sequence, bool mine)
{
    const size_t length = sequence->length;
    if (r->options->normalize)
        sequence->length = dt_normalize(sequence->data, length);
    const size_t gaps = length - sequence->length;
    const dt_amplicon amplicon =
        dt_cut_amplicon(r->options->amplicons, sequence->data, &sequence->length);
    sequence->data[sequence->length] = '\0';
    r->counts.amplicons[amplicon.result]++;
    if (amplicon.result != DT_AMPLICON_FOUND)
        return false;
    r->counts.gaps += mine ? (int64_t)gaps : 0;
    r->counts.gapped_sequences += mine && gaps > 0;
    return true;
}

/* Returns the largest number of tokens of a sequence: one per byte, and the special tokens. */
static int64_t most_tokens(const dt_reading *options, const dt_text *sequence)
{
    const int64_t most = (int64_t)sequence->length + 2 * (int64_t)DT_MAX_AFFIX;
    return options->max_length > 0 && options->max_length < most ? options->max_length : most;
}

/* Reads the next block into `next`; its count is 0 at the end of the file. */
static dt_status read_block(reader *r)
{
    dt_sequence_block *block = &r->next;
    size_t bases = 0;
    int64_t tokens = 0;
    if (!block->record)
        DT_TRY(create_block(block, r->options->block_size));
    block->first = r->read;
    for (block->count = 0; block->count < r->options->block_size && bases < BLOCK_BASES;) {
        dt_fasta_record *record = &block->record[block->count];
        bool found;
        DT_TRY(dt_fasta_next(r->input, record, &found));
        if (!found)
            break;
        const bool mine = dt_owns_tokens(r->options->comm, block->first + block->count);
        r->records++;
        if (r->options->headers)
            DT_TRY(dt_header_set_id(r->options->headers, record, r->records));
        if (is_too_short(r->options, &record->sequence)) {
            r->counts.left_out++;
            continue;
        }
        if (r->options->amplicons && !cut_out(r, &record->sequence, mine))
            continue;
        bases += record->sequence.length;
        block->token_begin[block->count] = tokens;
        if (r->options->tokenizer && mine)
            tokens += most_tokens(r->options, &record->sequence);
        block->count++;
    }
    r->read += block->count;
    return DT_GROW(block->tokens, block->token_capacity, (size_t)tokens);
}

/* ---- processing a block -------------------------------------------------------------------------
 */

static dt_status normalize(const reader *r, worker_state *worker, dt_fasta_record *record)
{
    dt_text *sequence = &record->sequence;
    const size_t length = dt_normalize(sequence->data, sequence->length);
    worker->counts.gaps += (int64_t)(sequence->length - length);
    worker->counts.gapped_sequences += length < sequence->length;
    sequence->length = length;
    sequence->data[length] = '\0';
    if (length == 0 && worker->encoder)
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the sequence of '%.100s' consists of gap characters only: "
                       "complete or remove it",
                       dt_fasta_name(r->input), (long long)record->line, record->id.data);
    return DT_OK;
}

static dt_status encode(const reader *r, worker_state *worker, dt_sequence_block *block, int32_t i)
{
    const dt_text *sequence = &block->record[i].sequence;
    const uint16_t *tokens;
    DT_TRY(dt_encoder_encode(worker->encoder, sequence->data, sequence->length,
                             r->options->max_length, &tokens, &block->token_count[i]));
    for (int32_t t = 0; t < block->token_count[i]; ++t)
        block->tokens[block->token_begin[i] + t] = tokens[t];
    block->judged[i] = dt_judge(r->options->tokenizer, sequence->data, sequence->length, tokens,
                                block->token_count[i]);
    return DT_OK;
}

/* Of eight letters at a time: every process hashes all sequences. */
static uint32_t hash_letters(const dt_text *sequence)
{
    uint64_t hash = DT_HASH_START;
    uint64_t word;
    size_t i = 0;
    for (; i + sizeof word <= sequence->length; i += sizeof word) {
        memcpy(&word, sequence->data + i, sizeof word);
        hash = dt_hash_add(hash, word);
        hash ^= hash >> 32; /* the product carries only upwards */
    }
    return dt_hash_fold(dt_hash_bytes(dt_hash_add(hash, sequence->length), sequence->data + i,
                                      sequence->length - i));
}

static dt_status work_on(const reader *r, worker_state *worker, dt_sequence_block *block, int32_t i)
{
    const dt_reading *options = r->options;
    dt_text *sequence = &block->record[i].sequence;
    block->token_count[i] = 0;
    block->reversed[i] = false;
    if (options->comm && options->comm->world_size > 1)
        block->letters[i] = hash_letters(sequence);
    if (!dt_owns_tokens(options->comm, block->first + i))
        return DT_OK;
    if (options->normalize)
        DT_TRY(normalize(r, worker, &block->record[i]));
    if (options->cut) {
        block->amplicon[i] = dt_cut_amplicon(options->cut, sequence->data, &sequence->length);
        sequence->data[sequence->length] = '\0';
    }
    if (options->strand)
        block->reversed[i] = dt_strand_reorient(options->strand, sequence->data, sequence->length);
    worker->counts.reversed += block->reversed[i];
    if (worker->kmers)
        dt_strand_count(worker->kmers, sequence->data, sequence->length, false);
    return worker->encoder ? encode(r, worker, block, i) : DT_OK;
}

/* A task of the pool: number 0 reads the next block, the others process parts of the current one.
 */
static dt_status work(void *context, int64_t number, int thread)
{
    reader *r = context;
    if (number == 0)
        return read_block(r);
    const int64_t begin = (number - 1) * r->at_a_time;
    for (int64_t i = begin; i < begin + r->at_a_time && i < r->current.count; ++i)
        DT_TRY(work_on(r, &r->workers[thread], &r->current, (int32_t)i));
    return DT_OK;
}

static dt_status work_on_block(reader *r)
{
    const int32_t count = r->current.count;
    const int32_t share = count / (SHARES * dt_pool_threads(r->pool));
    r->at_a_time = share < 1 ? 1 : share < MOST_AT_A_TIME ? share : MOST_AT_A_TIME;
    return dt_pool_run(r->pool, work, r, 1 + (count + r->at_a_time - 1) / r->at_a_time);
}

/* ---- interface ----------------------------------------------------------------------------------
 */

static dt_status create_workers(reader *r)
{
    DT_TRY(dt_pool_create(&r->pool, r->options->threads));
    const int threads = dt_pool_threads(r->pool);
    DT_TRY(DT_NEW(r->workers, (size_t)threads));
    for (int t = 0; t < threads; ++t) {
        if (r->options->tokenizer)
            DT_TRY(dt_encoder_create(&r->workers[t].encoder, r->options->tokenizer));
        if (r->options->kmers)
            DT_TRY(DT_NEW(r->workers[t].kmers, DT_STRAND_KMERS));
    }
    return DT_OK;
}

static dt_status check_amplicons(const reader *r)
{
    const int64_t *results = r->counts.amplicons;
    if (!r->options->amplicons || results[DT_AMPLICON_FOUND] > 0)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: no sequence has both primers, one behind the other: %lld lack the forward "
                   "primer, %lld the reverse one, %lld both; check the primers (both 5' to 3') "
                   "with deeptaxa extract",
                   dt_fasta_name(r->input), (long long)results[DT_AMPLICON_NO_FORWARD],
                   (long long)results[DT_AMPLICON_NO_REVERSE],
                   (long long)results[DT_AMPLICON_NO_PRIMER]);
}

static dt_status read_all(reader *r, dt_block_sink sink, void *context)
{
    DT_TRY(create_workers(r));
    DT_TRY(read_block(r));
    while (r->next.count > 0) {
        const dt_sequence_block read = r->next;
        r->next = r->current;
        r->current = read;
        DT_TRY(work_on_block(r));
        DT_TRY(sink(context, &r->current));
    }
    return check_amplicons(r);
}

/* Adds up the counts of the threads. */
static void add_counts(const reader *r, dt_reading_counts *counts)
{
    *counts = r->counts;
    for (int t = 0; r->workers && t < dt_pool_threads(r->pool); ++t) {
        const worker_state *worker = &r->workers[t];
        counts->gaps += worker->counts.gaps;
        counts->gapped_sequences += worker->counts.gapped_sequences;
        counts->reversed += worker->counts.reversed;
        for (int32_t x = 0; worker->kmers && x < DT_STRAND_KMERS; ++x)
            r->options->kmers[x] += worker->kmers[x];
    }
}

dt_status dt_read_sequences(dt_fasta *input, const dt_reading *reading, dt_reading_counts *counts,
                            dt_block_sink sink, void *context)
{
    reader r = {.input = input, .options = reading};
    dt_reading_counts unused;
    const dt_status status = read_all(&r, sink, context);
    add_counts(&r, counts ? counts : &unused);
    for (int t = 0; r.workers && t < dt_pool_threads(r.pool); ++t) {
        dt_encoder_destroy(r.workers[t].encoder);
        free(r.workers[t].kmers);
    }
    free(r.workers);
    dt_pool_destroy(r.pool);
    dt_sequence_block_free(&r.current, reading->block_size);
    dt_sequence_block_free(&r.next, reading->block_size);
    return status;
}

dt_status dt_read_sequence_file(const char *path, const dt_reading *reading, dt_block_sink sink,
                                void *context)
{
    dt_fasta *input;
    DT_TRY(dt_fasta_open(&input, path));
    const dt_status status = dt_read_sequences(input, reading, NULL, sink, context);
    dt_fasta_close(input);
    return status;
}
