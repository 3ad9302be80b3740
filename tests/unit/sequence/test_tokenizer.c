#include "test.h"

#include "sequence/tokenizer.h"
#include "core/unicode_class.h"

/* A small tokenizer: the usual five, A C G T, AC, ACG, and the snowman as a character. */
static const char *const token[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A",
                                    "C",     "G",     "T",     "AC",    "ACG",    "☃"};
static const char *const merge_left[] = {"A", "AC"};
static const char *const merge_right[] = {"C", "G"};
static const int32_t special[] = {0, 1, 2, 3, 4};

static dt_tokenizer_spec small_spec(void)
{
    return (dt_tokenizer_spec){.vocabulary_size = 12,
                               .token = token,
                               .merge_count = 2,
                               .merge_left = merge_left,
                               .merge_right = merge_right,
                               .pre_tokenizer = DT_PRE_TOKENIZER_WHITESPACE,
                               .unk_id = 0,
                               .pad_id = 3,
                               .prefix_count = 1,
                               .suffix_count = 1,
                               .prefix = {1},
                               .suffix = {2},
                               .special_count = 5,
                               .special_id = special};
}

/* Encodes with a tokenizer of the spec and compares with `expected`, ids with blanks between. */
static void assert_encodes_bytes(const dt_tokenizer_spec *spec, const char *bytes, size_t length,
                                 int32_t max_length, const char *expected)
{
    dt_tokenizer *tokenizer;
    dt_encoder *encoder;
    ASSERT_OK(dt_tokenizer_create(&tokenizer, spec));
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    const uint16_t *tokens;
    int32_t count;
    ASSERT_OK(dt_encoder_encode(encoder, bytes, length, max_length, &tokens, &count));
    char shown[1024] = "";
    for (int32_t i = 0; i < count; ++i)
        snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%s%d", i ? " " : "",
                 tokens[i]);
    assert_string_equal(shown, expected);
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
}

static void assert_encodes(const dt_tokenizer_spec *spec, const char *text, const char *expected)
{
    assert_encodes_bytes(spec, text, strlen(text), 0, expected);
}

static void merges_and_affixes(void **state)
{
    (void)state;
    const dt_tokenizer_spec spec = small_spec();
    assert_encodes(&spec, "", "1 2");
    assert_encodes(&spec, "ACGT", "1 10 8 2");
    assert_encodes(&spec, "AACACGA", "1 5 9 10 5 2");
    assert_encodes(&spec, "A☃C", "1 5 11 6 2");
}

static void unknown_characters(void **state)
{
    (void)state;
    dt_tokenizer_spec spec = small_spec();
    assert_encodes(&spec, "ANNéC", "1 5 0 0 0 6 2");
    spec.fuse_unk = true;
    assert_encodes(&spec, "ANNéC NN", "1 5 0 6 0 2");
    spec.unk_id = -1;
    assert_encodes(&spec, "ANNéCN", "1 9 2");
}

static void pre_tokenizers_part_words(void **state)
{
    (void)state;
    dt_tokenizer_spec spec = small_spec();
    spec.unk_id = -1;
    assert_encodes(&spec, "A C", "1 5 6 2");
    assert_encodes(&spec, "A-C", "1 5 6 2");
    assert_encodes(&spec, "A_C", "1 9 2");
    spec.pre_tokenizer = DT_PRE_TOKENIZER_WHITESPACE_SPLIT;
    assert_encodes(&spec, "A C", "1 5 6 2");
    assert_encodes(&spec, "A-C", "1 9 2");
    spec.pre_tokenizer = DT_PRE_TOKENIZER_NONE;
    assert_encodes(&spec, "A C", "1 9 2");
}

static void added_tokens_come_first(void **state)
{
    (void)state;
    const dt_tokenizer_spec spec = small_spec();
    assert_encodes(&spec, "A[PAD]C", "1 5 3 6 2");
    assert_encodes(&spec, "[CLS][CLS]AC", "1 1 1 9 2");
    assert_encodes(&spec, "[[MASK", "1 0 0 0 5 0 0 2");
    dt_tokenizer_spec longer = small_spec();
    const int32_t overlapping[] = {5, 10};
    longer.special_count = 2;
    longer.special_id = overlapping;
    assert_encodes(&longer, "CACGAC", "1 6 10 5 6 2"); /* ACG, then A: the longer one first */
}

static void truncation_keeps_the_suffix(void **state)
{
    (void)state;
    const dt_tokenizer_spec spec = small_spec();
    assert_encodes_bytes(&spec, "TTTTT", 5, 4, "1 8 8 2");
    assert_encodes_bytes(&spec, "TTTTT", 5, 7, "1 8 8 8 8 8 2");
    assert_encodes_bytes(&spec, "TTTTT", 5, 2, "1 2");
    dt_tokenizer *tokenizer;
    dt_encoder *encoder;
    ASSERT_OK(dt_tokenizer_create(&tokenizer, &spec));
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    const uint16_t *tokens;
    int32_t count;
    ASSERT_FAILS(DT_ERR_USAGE, "too short", dt_encoder_encode(encoder, "T", 1, 1, &tokens, &count));
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
}

/* Each wrong byte is one unknown character that is no letter. */
static void invalid_utf8_is_unknown(void **state)
{
    (void)state;
    const dt_tokenizer_spec spec = small_spec();
    assert_encodes(&spec, "A\xff\xc3", "1 5 0 0 2");
    assert_encodes(&spec, "\xe2\x98", "1 0 0 2");             /* a snowman cut short */
    assert_encodes(&spec, "\xc1\x81", "1 0 0 2");             /* an overlong A */
    assert_encodes(&spec, "\xed\xa0\x80", "1 0 0 0 2");       /* a surrogate */
    assert_encodes(&spec, "\xf4\x90\x80\x80", "1 0 0 0 0 2"); /* above U+10FFFF */
    assert_encodes_bytes(&spec, "A\0C", 3, 0, "1 5 0 6 2");
}

static void utf8_reads_every_code_back(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code += code < 0x3000 ? 1 : 97) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        char text[4];
        size_t n = 0;
        if (code < 0x80) {
            text[n++] = (char)code;
        } else if (code < 0x800) {
            text[n++] = (char)(0xC0 | code >> 6);
        } else if (code < 0x10000) {
            text[n++] = (char)(0xE0 | code >> 12);
            text[n++] = (char)(0x80 | (code >> 6 & 0x3F));
        } else {
            text[n++] = (char)(0xF0 | code >> 18);
            text[n++] = (char)(0x80 | (code >> 12 & 0x3F));
            text[n++] = (char)(0x80 | (code >> 6 & 0x3F));
        }
        if (code >= 0x80)
            text[n++] = (char)(0x80 | (code & 0x3F));
        uint32_t found;
        assert_int_equal(dt_utf8_next(text, n, &found), n);
        assert_int_equal(found, code);
    }
}

static void wrong_specs_are_refused(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer;
    dt_tokenizer_spec spec = small_spec();
    const char *const unknown_part[] = {"A", "N"};
    spec.merge_left = unknown_part;
    ASSERT_FAILS(DT_ERR_INPUT, "merge 2 ('N' with 'G'): 'N' is not in the vocabulary",
                 dt_tokenizer_create(&tokenizer, &spec));
    assert_null(tokenizer);
    const char *const unknown_result[] = {"A", "C"};
    spec.merge_left = unknown_result;
    ASSERT_FAILS(DT_ERR_INPUT, "'CG' is not in", dt_tokenizer_create(&tokenizer, &spec));
    spec = small_spec();
    spec.unk_id = 12;
    ASSERT_FAILS(DT_ERR_INPUT, "unknown token", dt_tokenizer_create(&tokenizer, &spec));
    spec = small_spec();
    spec.vocabulary_size = DT_MAX_VOCABULARY + 1;
    ASSERT_FAILS(DT_ERR_INPUT, "65536", dt_tokenizer_create(&tokenizer, &spec));
    spec = small_spec();
    spec.prefix[0] = -1;
    ASSERT_FAILS(DT_ERR_INPUT, "added to each sequence", dt_tokenizer_create(&tokenizer, &spec));
    const char *const twice[] = {"A", "C", "A"};
    spec = (dt_tokenizer_spec){.vocabulary_size = 3, .token = twice, .unk_id = -1, .pad_id = -1};
    ASSERT_FAILS(DT_ERR_INPUT, "two ids", dt_tokenizer_create(&tokenizer, &spec));
}

static void getters(void **state)
{
    (void)state;
    const dt_tokenizer_spec spec = small_spec();
    dt_tokenizer *tokenizer;
    ASSERT_OK(dt_tokenizer_create(&tokenizer, &spec));
    assert_int_equal(dt_tokenizer_vocabulary_size(tokenizer), 12);
    assert_int_equal(dt_tokenizer_pad_id(tokenizer), 3);
    assert_int_equal(dt_tokenizer_unk_id(tokenizer), 0);
    assert_string_equal(dt_tokenizer_token(tokenizer, 10), "ACG");
    assert_null(dt_tokenizer_token(tokenizer, 12));
    assert_null(dt_tokenizer_token(tokenizer, -1));
    dt_tokenizer_destroy(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_and_affixes),
        cmocka_unit_test(unknown_characters),
        cmocka_unit_test(pre_tokenizers_part_words),
        cmocka_unit_test(added_tokens_come_first),
        cmocka_unit_test(truncation_keeps_the_suffix),
        cmocka_unit_test(invalid_utf8_is_unknown),
        cmocka_unit_test(utf8_reads_every_code_back),
        cmocka_unit_test(wrong_specs_are_refused),
        cmocka_unit_test(getters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
