/* Detects sequences that a model cannot classify: protein, mostly N, or only a few bases. train,
 * prepare, calibrate and predict count them while reading, and print the same warnings at the end:
 * one for each kind, with the number of sequences and the id of the first. The sequences are not
 * removed.
 *
 * If several kinds apply, the first in dt_doubt counts. The limits are far from what occurs in good
 * data, so that warnings are significant: in protein a third or more of the letters are not
 * nucleotide codes, while good reads hardly contain an N per hundred bases. */
#ifndef DT_SEQUENCE_JUDGE_H
#define DT_SEQUENCE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sequence/tokenizer.h"

#define DT_FEWEST_BASES 20 /* about the length of a primer */

typedef enum {
    DT_DOUBT_NONE,
    DT_DOUBT_SHORT,     /* fewer than DT_FEWEST_BASES bases */
    DT_DOUBT_LETTERS,   /* a tenth or more of the letters are not nucleotide codes */
    DT_DOUBT_AMBIGUOUS, /* half or more are N, other ambiguity codes, or gaps */
    DT_DOUBT_UNKNOWN,   /* half or more of the tokens are unknown to the tokenizer */
    DT_DOUBTS
} dt_doubt;

/* Assessment of one sequence. */
typedef struct {
    dt_doubt doubt;
    int32_t tokens;  /* without the special tokens at both ends */
    int32_t unknown; /* unknown ones of these */
} dt_judged;

/* Assesses a sequence as it was tokenised: `length` letters, `count` token ids. */
dt_judged dt_judge(const dt_tokenizer *tokenizer, const char *letters, size_t length,
                   const uint16_t *tokens, int32_t count);

/* Assessment of all sequences; plain bytes, so that ranks can send it. Zero-initialise. */
typedef struct {
    int64_t sequences;
    int64_t doubtful[DT_DOUBTS];    /* number by dt_doubt; [DT_DOUBT_NONE]: good ones */
    int64_t first[DT_DOUBTS];       /* number of the first such sequence, if any */
    char example[DT_DOUBTS][104];   /* its id, truncated if longer */
    int64_t tokens, unknown_tokens; /* of the good sequences */
} dt_judgement;

/* Counts sequence `number` with this id. Numbers must increase. */
void dt_judgement_add(dt_judgement *judgement, const dt_judged *judged, int64_t number,
                      const char *id);

/* Adds the counts of another rank, for other sequences of the same numbering. */
void dt_judgement_merge(dt_judgement *judgement, const dt_judgement *other);

/* Prints the warnings. `file`: its name for messages. `normalized`: the sequences were normalised,
 * so that lower case is not a possible cause. `leave_out`: advice for short ones, such as "remove
 * them". */
void dt_judgement_report(const dt_judgement *judgement, const dt_tokenizer *tokenizer,
                         const char *file, bool normalized, const char *leave_out);

/* Returns the name of a doubt in result files: "short", "no_nucleotides", "ambiguous",
 * "unknown_tokens". */
const char *dt_doubt_name(dt_doubt doubt);

#endif
