#include "sequence/judge.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define NO_CODE_PER_CENT 10     /* limits from which a sequence is doubtful */
#define AMBIGUOUS_PER_CENT 50   /* letters */
#define UNKNOWN_PER_CENT 50     /* tokens */
#define ALL_UNKNOWN_PER_CENT 10 /* of the tokens of all good sequences: limit for a warning */

/* The contribution of a letter: ambiguous ones count in the lower half, letters that are not codes
 * in the upper half, so that one sum counts both. */
#define A UINT64_C(1)
#define X (UINT64_C(1) << 32)

/* IUPAC codes (Cornish-Bowden, Nucleic Acids Research 13, 1985), U, and gap characters. */
static uint64_t weigh(const char *letters, size_t length)
{
    static const uint64_t weight[32] = {/* @ and A to Z by their five lower bits */
                                        X, 0, A, 0, A, X, X, 0, A, X, X, A, X, A, A, X,
                                        X, X, A, A, 0, 0, A, A, X, A, X, X, X, X, X, X};
    uint64_t sum = 0;
    for (size_t i = 0; i < length; ++i) {
        const unsigned char c = (unsigned char)letters[i];
        const uint64_t gap = c == '-' || c == '.' ? A : X;
        sum += (c & 0xc0) == 0x40 ? weight[c & 31] : gap;
    }
    return sum;
}

static bool reaches(int64_t part, int64_t whole, int per_cent)
{
    return part > 0 && part * 100 >= whole * per_cent;
}

static dt_doubt doubt_of(const char *letters, size_t length, int32_t unknown, int32_t tokens)
{
    if (length < DT_FEWEST_BASES)
        return DT_DOUBT_SHORT;
    const uint64_t sum = weigh(letters, length);
    if (reaches((int64_t)(sum >> 32), (int64_t)length, NO_CODE_PER_CENT))
        return DT_DOUBT_LETTERS;
    if (reaches((int64_t)(sum & UINT32_MAX), (int64_t)length, AMBIGUOUS_PER_CENT))
        return DT_DOUBT_AMBIGUOUS;
    return reaches(unknown, tokens, UNKNOWN_PER_CENT) ? DT_DOUBT_UNKNOWN : DT_DOUBT_NONE;
}

dt_judged dt_judge(const dt_tokenizer *tokenizer, const char *letters, size_t length,
                   const uint16_t *tokens, int32_t count)
{
    const int32_t id = dt_tokenizer_unk_id(tokenizer);
    const int32_t first = dt_tokenizer_prefix_count(tokenizer);
    const int32_t end = count - dt_tokenizer_suffix_count(tokenizer);
    dt_judged judged = {.tokens = end - first};
    for (int32_t t = first; t < end; ++t)
        judged.unknown += tokens[t] == id;
    judged.doubt = doubt_of(letters, length, judged.unknown, judged.tokens);
    return judged;
}

void dt_judgement_add(dt_judgement *judgement, const dt_judged *judged, int64_t number,
                      const char *id)
{
    const dt_doubt doubt = judged->doubt;
    judgement->sequences++;
    if (doubt == DT_DOUBT_NONE) {
        judgement->tokens += judged->tokens;
        judgement->unknown_tokens += judged->unknown;
    } else if (judgement->doubtful[doubt] == 0) {
        judgement->first[doubt] = number;
        snprintf(judgement->example[doubt], sizeof judgement->example[doubt], "%.100s", id);
    }
    judgement->doubtful[doubt]++;
}

void dt_judgement_merge(dt_judgement *judgement, const dt_judgement *other)
{
    judgement->sequences += other->sequences;
    judgement->tokens += other->tokens;
    judgement->unknown_tokens += other->unknown_tokens;
    for (int d = 0; d < DT_DOUBTS; ++d) {
        const bool earlier = other->doubtful[d] > 0 &&
                             (judgement->doubtful[d] == 0 || other->first[d] < judgement->first[d]);
        if (earlier) {
            judgement->first[d] = other->first[d];
            memcpy(judgement->example[d], other->example[d], sizeof other->example[d]);
        }
        judgement->doubtful[d] += other->doubtful[d];
    }
}

/* Warns of sequences: `what` describes them, `advice` and `end` follow an example. */
static void warn_of_doubt(const dt_judgement *j, dt_doubt doubt, const char *file, const char *what,
                          const char *advice, const char *end)
{
    if (j->doubtful[doubt] > 0)
        dt_warn("%s: %lld of %lld sequences %s (for example '%s')%s%s", file,
                (long long)j->doubtful[doubt], (long long)j->sequences, what, j->example[doubt],
                advice, end);
}

static void warn_of_unknown(const dt_judgement *j, bool onehot, const char *file, bool normalized)
{
    const char *lower_case = onehot ? " in upper case?" : " in upper case, with T for U?";
    const char *end = normalized ? "?" : lower_case;
    warn_of_doubt(j, DT_DOUBT_UNKNOWN, file,
                  onehot ? "have many letters other than A, C, G, T and U"
                         : "have many tokens unknown to the tokenizer",
                  ": are these nucleotides", end);
    if (reaches(j->unknown_tokens, j->tokens, ALL_UNKNOWN_PER_CENT))
        dt_warn("%s: %.0f %% of the %s: are these nucleotides%s", file,
                100.0 * (double)j->unknown_tokens / (double)j->tokens,
                onehot ? "letters are not A, C, G, T or U" : "tokens are unknown to the tokenizer",
                end);
}

void dt_judgement_report(const dt_judgement *judgement, const dt_tokenizer *tokenizer,
                         const char *file, bool normalized, const char *leave_out)
{
    char few[64];
    snprintf(few, sizeof few, "have fewer than %d bases", DT_FEWEST_BASES);
    warn_of_doubt(judgement, DT_DOUBT_SHORT, file, few,
                  ", too few to distinguish taxa: ", leave_out);
    warn_of_doubt(judgement, DT_DOUBT_LETTERS, file, "have many letters that are not nucleotides",
                  ": is this protein?", "");
    warn_of_doubt(judgement, DT_DOUBT_AMBIGUOUS, file,
                  "are mostly N, other ambiguous bases or gaps", ", which do not identify taxa",
                  "");
    warn_of_unknown(judgement, dt_tokenizer_encoding(tokenizer) == DT_ENCODING_ONEHOT, file,
                    normalized);
}

const char *dt_doubt_name(dt_doubt doubt)
{
    static const char *const names[DT_DOUBTS] = {"none", "short", "no_nucleotides", "ambiguous",
                                                 "unknown_tokens"};
    return names[doubt];
}
