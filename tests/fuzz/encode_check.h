/* What holds of every encoded text. */
#ifndef DT_TESTS_ENCODE_CHECK_H
#define DT_TESTS_ENCODE_CHECK_H

#include "fuzz.h"
#include "sequence/judge.h"
#include "sequence/tokenizer.h"

/* Encodes and judges. Returns the number of tokens; -1: those around the text do not fit
 * max_length. */
static inline int32_t check_encoding(const dt_tokenizer *tokenizer, const char *text, size_t length,
                                     int32_t max_length)
{
    const uint16_t *tokens;
    dt_encoder *encoder;
    int32_t count = -1;
    FUZZ_CHECK(dt_encoder_create(&encoder, tokenizer) == DT_OK);
    const int32_t around =
        dt_tokenizer_prefix_count(tokenizer) + dt_tokenizer_suffix_count(tokenizer);
    if (fuzz_succeeded(dt_encoder_encode(encoder, text, length, max_length, &tokens, &count))) {
        FUZZ_CHECK(count >= around && (max_length == 0 || count <= max_length));
        for (int32_t i = 0; i < count; ++i)
            FUZZ_CHECK(tokens[i] < dt_tokenizer_vocabulary_size(tokenizer) &&
                       dt_tokenizer_token(tokenizer, tokens[i]));
        const dt_judged judged = dt_judge(tokenizer, text, length, tokens, count);
        FUZZ_CHECK(judged.unknown <= judged.tokens);
    } else {
        FUZZ_CHECK(max_length > 0 && max_length < around);
    }
    dt_encoder_destroy(encoder);
    return count;
}

#endif
