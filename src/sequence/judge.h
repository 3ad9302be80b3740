/* Which sequences a model cannot judge: protein, mostly N, a few bases. train, prepare, calibrate
 * and predict count them while sequences stream by, and warn alike at the end: once for each kind,
 * with how many there are and the first one's id. The sequences stay in.
 *
 * Where several kinds fit, the first one of dt_doubt counts. The limits are far from what occurs in
 * good data, so that a warning means something: protein has a third or more of its letters that
 * code no nucleotide, good reads hardly an N in a hundred bases. */
#ifndef DT_SEQUENCE_JUDGE_H
#define DT_SEQUENCE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sequence/tokenizer.h"

#define DT_FEWEST_BASES 20 /* about a primer's */

typedef enum {
    DT_DOUBT_NONE,
    DT_DOUBT_SHORT,     /* fewer than DT_FEWEST_BASES bases */
    DT_DOUBT_LETTERS,   /* a tenth or more of the letters are no code of a nucleotide */
    DT_DOUBT_AMBIGUOUS, /* half or more are N, another code of several bases, or a gap */
    DT_DOUBT_UNKNOWN,   /* half or more of the tokens are unknown to the tokenizer */
    DT_DOUBTS
} dt_doubt;

/* What is said of one sequence. */
typedef struct {
    dt_doubt doubt;
    int32_t tokens;  /* without those that stand before and after every sequence */
    int32_t unknown; /* of them */
} dt_judged;

/* Judges a sequence as it was tokenised: `length` letters, `count` token ids. */
dt_judged dt_judge(const dt_tokenizer *tokenizer, const char *letters, size_t length,
                   const uint16_t *tokens, int32_t count);

/* What is said of all; plain bytes, so that ranks can send it. Zero-initialise. */
typedef struct {
    int64_t sequences;
    int64_t doubtful[DT_DOUBTS];    /* by dt_doubt; [DT_DOUBT_NONE]: in order */
    int64_t first[DT_DOUBTS];       /* number of the first such sequence; where there is one */
    char example[DT_DOUBTS][104];   /* its id, cut where it is longer */
    int64_t tokens, unknown_tokens; /* of the sequences in order */
} dt_judgement;

/* Counts sequence `number` (any rising numbers) of this id. */
void dt_judgement_add(dt_judgement *judgement, const dt_judged *judged, int64_t number,
                      const char *id);

/* Adds what another rank counted of other sequences of the same numbering. */
void dt_judgement_merge(dt_judgement *judgement, const dt_judgement *other);

/* Warns of what there is. `file`: as messages name it. `normalized`: the sequences were, so that
 * lower case is no explanation. `leave_out`: what to do with short ones, "remove them". */
void dt_judgement_report(const dt_judgement *judgement, const dt_tokenizer *tokenizer,
                         const char *file, bool normalized, const char *leave_out);

/* How files of results name a doubt: "short", "no_nucleotides", "ambiguous", "unknown_tokens". */
const char *dt_doubt_name(dt_doubt doubt);

#endif
