/* Sequences: encoding with tokenizers of each kind, normalising, primers, strands. The first byte
 * chooses the tokenizer, the second the maximum length; the rest is the sequence. */
#include <stdlib.h>
#include <string.h>

#include "encode_check.h"
#include "sequence/normalize.h"
#include "sequence/primer.h"
#include "sequence/strand.h"

#define TOKENIZERS 6

/* Merges of which not all are walks (bpe_walk.h) where `tangled`. */
static dt_tokenizer *make(dt_pre_tokenizer kind, bool unknown, bool fuse, bool tangled)
{
    static const char *const tokens[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]",   "A",
                                         "C",     "G",     "T",     "N",     "AC",       "GT",
                                         "ACGT",  "AA",    "AAA",   "AAAA",  "\xc3\xa9", "TA"};
    static const char *const left[] = {"A", "G", "AC", "A", "A", "AA", "T"};
    static const char *const right[] = {"C", "T", "GT", "A", "AA", "AA", "A"};
    static const int32_t special[] = {0, 1, 2, 3, 4};
    const dt_tokenizer_spec spec = {.vocabulary_size = 18,
                                    .token = tokens,
                                    .merge_count = tangled ? 7 : 3,
                                    .merge_left = left,
                                    .merge_right = right,
                                    .pre_tokenizer = kind,
                                    .unk_id = unknown ? 0 : -1,
                                    .fuse_unk = fuse,
                                    .pad_id = 3,
                                    .prefix_count = 1,
                                    .suffix_count = 1,
                                    .prefix = {1},
                                    .suffix = {2},
                                    .special_count = 5,
                                    .special_id = special};
    dt_tokenizer *tokenizer;
    FUZZ_CHECK(dt_tokenizer_create(&tokenizer, &spec) == DT_OK);
    return tokenizer;
}

static const dt_tokenizer *tokenizer_of(unsigned number)
{
    static dt_tokenizer *made[TOKENIZERS];
    if (!made[0]) {
        made[0] = make(DT_PRE_TOKENIZER_NONE, true, false, false);
        made[1] = make(DT_PRE_TOKENIZER_WHITESPACE, true, false, true);
        made[2] = make(DT_PRE_TOKENIZER_WHITESPACE_SPLIT, false, false, true);
        made[3] = make(DT_PRE_TOKENIZER_NONE, true, true, true);
        made[4] = make(DT_PRE_TOKENIZER_WHITESPACE, false, false, false);
        FUZZ_CHECK(dt_tokenizer_create_onehot(&made[5]) == DT_OK);
    }
    return made[number % TOKENIZERS];
}

static const dt_primer_search *search(void)
{
    static dt_primer_search *made;
    const dt_region *region = &dt_regions[0];
    const dt_primer_pair pair = {.forward = region->forward,
                                 .reverse = region->reverse,
                                 .most_mismatches = {3, 3},
                                 .strands = DT_STRAND_BOTH};
    if (!made)
        FUZZ_CHECK(dt_primer_search_create(&made, &pair) == DT_OK);
    return made;
}

/* All that reads a sequence outside the tokenizer. `text` may be changed. */
static void check_bases(char *text, size_t length)
{
    static dt_strand_profile profile; /* all weights 0 */
    const size_t gaps = dt_count_gaps(text, length);
    const size_t normalized = dt_normalize(text, length);
    FUZZ_CHECK(normalized + gaps == length);
    FUZZ_CHECK(dt_strand_score(&profile, text, normalized) == 0);
    dt_reverse_complement(text, normalized);
    size_t left = normalized;
    const dt_cut cut = {.search = search(), .trunc_length = 100};
    const dt_amplicon amplicon = dt_cut_amplicon(&cut, text, &left);
    FUZZ_CHECK(left <= normalized && amplicon.inner[0] <= amplicon.inner[1] &&
               amplicon.inner[1] <= normalized);
    FUZZ_CHECK(amplicon.result == DT_AMPLICON_FOUND || left == normalized);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    const char *text = (const char *)bytes + 2;
    const dt_tokenizer *tokenizer = tokenizer_of(bytes[0]);
    const int32_t whole = check_encoding(tokenizer, text, size - 2, 0);
    const int32_t cut = check_encoding(tokenizer, text, size - 2, bytes[1]);
    FUZZ_CHECK(cut < 0 || bytes[1] == 0 || cut == (whole < bytes[1] ? whole : bytes[1]));
    char *copy = malloc(size);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, text, size - 2);
    check_bases(copy, size - 2);
    free(copy);
    return 0;
}
