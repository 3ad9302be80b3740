/* A tokenizer for tests that need some tokenizer, whichever. */
#ifndef DT_TESTS_SMALL_TOKENIZER_H
#define DT_TESTS_SMALL_TOKENIZER_H

#include "sequence/tokenizer.h"
#include "test.h"

/* The four nucleotides and three merges. */
static inline dt_tokenizer *small_tokenizer(void)
{
    static const char *const tokens[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A",
                                         "C",     "G",     "T",     "AC",    "GT",     "ACGT"};
    static const char *const left[] = {"A", "G", "AC"};
    static const char *const right[] = {"C", "T", "GT"};
    const dt_tokenizer_spec spec = {
        .vocabulary_size = 12,
        .token = tokens,
        .merge_count = 3,
        .merge_left = left,
        .merge_right = right,
        .pad_id = 3,
        .prefix_count = 1,
        .suffix_count = 1,
        .prefix = {1},
        .suffix = {2},
    };
    dt_tokenizer *tokenizer;
    ASSERT_OK(dt_tokenizer_create(&tokenizer, &spec));
    return tokenizer;
}

#endif
