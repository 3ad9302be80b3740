/* Reads a FASTA file as a model wants it: normalised, reverse-complemented where that is due, and
 * tokenised. Everything that reads sequences does it here.
 *
 * The sequences come in blocks, in the order of the file. One thread reads the next block while the
 * others work on the current one; the result does not depend on the number of threads.
 */
#ifndef DT_DATA_SEQUENCE_READER_H
#define DT_DATA_SEQUENCE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/status.h"
#include "io/fasta.h"
#include "sequence/judge.h"
#include "sequence/strand.h"
#include "sequence/tokenizer.h"

#define DT_BLOCK_SEQUENCES 1024 /* of a block, where its size does not matter */

/* Consecutive sequences. Of those that another process encodes (dt_reading.comm) only `record` is
 * set, as read, and token_count to 0. */
typedef struct {
    int32_t count;
    int64_t first;           /* number of the first one, counted from 0 without those left out */
    dt_fasta_record *record; /* (count) normalised and reoriented */
    bool *reversed;          /* (count) was reverse-complemented */
    dt_judged *judged;       /* (count) as sequence/judge.h says; only where it was encoded */
    int32_t *token_count;    /* (count) */
    int64_t *token_begin;    /* (count) place in `tokens` */
    uint16_t *tokens;
    size_t token_capacity;
} dt_sequence_block;

/* What is done to the sequences. */
typedef struct {
    bool normalize;                  /* sequence/normalize.h */
    int64_t min_length;              /* letters once normalised; shorter ones are left out */
    const dt_strand_profile *strand; /* sequences of the other strand are reverse-complemented;
                                        NULL: none are */
    const dt_tokenizer *tokenizer;   /* NULL: they are not encoded, token_count is 0 */
    int32_t max_length;              /* tokens, longer sequences are truncated; 0: any */
    int32_t block_size;              /* most sequences of a block, at least 1 */
    int threads;                     /* at least 1 */
    const dt_comm *comm; /* processes that share the encoding (data/token_shares.h); NULL: alone */
    int64_t *kmers;      /* (DT_STRAND_KMERS) to add those of the sequences to; NULL: not counted */
} dt_reading;

/* What was done to those that this process encodes; left_out: to all. */
typedef struct {
    int64_t gaps;             /* characters that were dropped */
    int64_t gapped_sequences; /* that had any */
    int64_t reversed;
    int64_t left_out;
} dt_reading_counts;

/* Called for each block, in the thread that reads. It may keep the block and leave another one of
 * the same reading, or a zeroed one, in its place. A failure ends the reading. */
typedef dt_status (*dt_block_sink)(void *context, dt_sequence_block *block);

/* Reads all of `input`; *counts may be NULL. DT_ERR_INPUT as io/fasta.h says, and for a sequence of
 * gap characters only that is to be encoded. */
dt_status dt_read_sequences(dt_fasta *input, const dt_reading *reading, dt_reading_counts *counts,
                            dt_block_sink sink, void *context);

/* The same for a file that is opened for it ("-": standard input), without counts. */
dt_status dt_read_sequence_file(const char *path, const dt_reading *reading, dt_block_sink sink,
                                void *context);

/* Frees a block that a sink kept, of block_size sequences; a zeroed one is fine. */
void dt_sequence_block_free(dt_sequence_block *block, int32_t block_size);

#endif
