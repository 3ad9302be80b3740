/* Tokens are decoded to the letters that they were made of. */
#include "sequence/decode.h"

#include "sequence/tokenizer.h"
#include "test.h"

/* [CLS] and [SEP] about merges of bases. */
static dt_tokenizer *make_tokenizer(void)
{
    static const char *const tokens[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "A",   "C",
                                         "G",     "T",     "AC",    "GT",    "ACGT"};
    static const char *const left[] = {"A", "G", "AC"};
    static const char *const right[] = {"C", "T", "GT"};
    static const int32_t special[] = {0, 1, 2, 3};
    const dt_tokenizer_spec spec = {.vocabulary_size = 11,
                                    .token = tokens,
                                    .merge_count = 3,
                                    .merge_left = left,
                                    .merge_right = right,
                                    .unk_id = 0,
                                    .pad_id = 3,
                                    .prefix_count = 1,
                                    .suffix_count = 1,
                                    .prefix = {1},
                                    .suffix = {2},
                                    .special_count = 4,
                                    .special_id = special};
    dt_tokenizer *tokenizer;
    ASSERT_OK(dt_tokenizer_create(&tokenizer, &spec));
    return tokenizer;
}

static void assert_decoded(dt_tokenizer *tokenizer, const char *letters, const char *expected)
{
    dt_encoder *encoder;
    dt_decoder *decoder;
    dt_text out = {0};
    const uint16_t *tokens;
    int32_t count;
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    ASSERT_OK(dt_decoder_create(&decoder, tokenizer));
    ASSERT_OK(dt_encoder_encode(encoder, letters, strlen(letters), 0, &tokens, &count));
    ASSERT_OK(dt_decoder_decode(decoder, tokens, count, &out));
    assert_string_equal(out.data ? out.data : "", expected);
    dt_text_free(&out);
    dt_decoder_destroy(decoder);
    dt_encoder_destroy(encoder);
}

static void merged_tokens_are_the_letters_again(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = make_tokenizer();
    assert_decoded(tokenizer, "ACGTACGGTTACA", "ACGTACGGTTACA");
    assert_decoded(tokenizer, "ACNGT", "ACNGT");
    assert_decoded(tokenizer, "", "");
    dt_tokenizer_destroy(tokenizer);
}

static void bases_are_letters_and_others_are_n(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer;
    ASSERT_OK(dt_tokenizer_create_onehot(&tokenizer));
    assert_decoded(tokenizer, "GATTACAURN", "GATTACATNN");
    dt_tokenizer_destroy(tokenizer);
}

static void ids_outside_of_the_vocabulary_are_refused(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = make_tokenizer();
    dt_decoder *decoder;
    dt_text out = {0};
    const uint16_t tokens[] = {1, 4, 11, 2};
    ASSERT_OK(dt_decoder_create(&decoder, tokenizer));
    ASSERT_FAILS(DT_ERR_INPUT, "token 11", dt_decoder_decode(decoder, tokens, 4, &out));
    dt_text_free(&out);
    dt_decoder_destroy(decoder);
    dt_tokenizer_destroy(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_tokens_are_the_letters_again),
        cmocka_unit_test(bases_are_letters_and_others_are_n),
        cmocka_unit_test(ids_outside_of_the_vocabulary_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
