/* Reads a FASTA file and prepares the sequences for a model: normalises, reorients and tokenises
 * them. Used by everything that reads sequences.
 *
 * The sequences are delivered in blocks, in the order of the file. One thread reads the next block
 * while the others process the current one; the result does not depend on the number of threads.
 */
#ifndef DT_DATA_SEQUENCE_READER_H
#define DT_DATA_SEQUENCE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "core/status.h"
#include "io/fasta.h"
#include "sequence/judge.h"
#include "sequence/primer.h"
#include "sequence/strand.h"
#include "sequence/tokenizer.h"
#include "taxonomy/header.h"

#define DT_BLOCK_SEQUENCES 1024 /* default size of a block */

/* Consecutive sequences. For a sequence that another process encodes (dt_reading.comm), only
 * `record`, as read, and `letters` are set, and token_count is 0. */
typedef struct {
    int32_t count;
    int64_t first;           /* index of the first one, not counting those left out */
    dt_fasta_record *record; /* (count) normalised and reoriented */
    bool *reversed;          /* (count) was reverse-complemented */
    dt_amplicon *amplicon;   /* (count) only with dt_reading.cut */
    dt_judged *judged;       /* (count) see sequence/judge.h; only for encoded sequences */
    uint32_t *letters;       /* (count) hash of the sequence as read; only if processes share */
    int32_t *token_count;    /* (count) */
    int64_t *token_begin;    /* (count) index of its first token in `tokens` */
    uint16_t *tokens;
    size_t token_capacity;
} dt_sequence_block;

/* How to process the sequences. */
typedef struct {
    bool normalize;          /* sequence/normalize.h */
    int64_t min_length;      /* letters after normalisation; shorter ones are left out */
    dt_header_form headers;  /* the ids are in headers of this form; 0: as io/fasta.h says */
    const dt_cut *amplicons; /* replace sequences by their amplicon, and leave out those that have
                                none; NULL: no. For whoever numbers sequences: all processes
                                leave out the same ones */
    const dt_cut *cut;       /* replace sequences by their amplicon, if it is found; NULL: no */
    const dt_strand_profile *strand; /* reverse-complement sequences of the other strand;
                                        NULL: no */
    const dt_tokenizer *tokenizer;   /* NULL: sequences are not encoded, token_count is 0 */
    int32_t max_length;              /* tokens; longer sequences are truncated; 0: no limit */
    int32_t block_size;              /* largest number of sequences in a block, at least 1 */
    int threads;                     /* at least 1 */
    const dt_comm *comm; /* processes that share the encoding (data/token_shares.h); NULL: one */
    int64_t *kmers;      /* (DT_STRAND_KMERS) the counts to add to; NULL: do not count */
} dt_reading;

/* Counts of the sequences that this process encodes; left_out and amplicons: of all sequences. */
typedef struct {
    int64_t gaps;             /* gap characters that were dropped */
    int64_t gapped_sequences; /* sequences that had any */
    int64_t reversed;
    int64_t left_out;                       /* by min_length */
    int64_t amplicons[DT_AMPLICON_RESULTS]; /* with dt_reading.amplicons */
} dt_reading_counts;

/* Called for each block, in the thread that called dt_read_sequences(). It may keep the block and
 * replace it by another one of the same reading or a zeroed one. A failure ends the reading. */
typedef dt_status (*dt_block_sink)(void *context, dt_sequence_block *block);

/* Reads all of `input`; `counts` may be NULL. DT_ERR_INPUT as in io/fasta.h, and for a sequence to
 * be encoded that consists of gap characters only, or if there is none with `amplicons`. */
dt_status dt_read_sequences(dt_fasta *input, const dt_reading *reading, dt_reading_counts *counts,
                            dt_block_sink sink, void *context);

/* Opens and reads a file ("-": standard input), without counts. */
dt_status dt_read_sequence_file(const char *path, const dt_reading *reading, dt_block_sink sink,
                                void *context);

/* Frees a block that a sink kept, with block_size as in dt_reading; a zeroed block is allowed. */
void dt_sequence_block_free(dt_sequence_block *block, int32_t block_size);

#endif
