#include "sequence/onehot.h"
#include "sequence/normalize.h"
#include "sequence/tokenizer.h"
#include "test.h"

static void assert_ids(const uint16_t *ids, const char *expected)
{
    for (size_t i = 0; expected[i]; ++i)
        assert_int_equal(ids[i], expected[i] - '0');
}

static void bases_are_numbered_and_other_letters_are_alike(void **state)
{
    (void)state;
    uint16_t ids[64];
    dt_onehot_encode(ids, "ACGTU", 5);
    assert_ids(ids, "01233");
    /* the ambiguity codes of IUPAC, lower case, gaps, anything else */
    static const char others[] = "NRYKMSWBDHVacgtu-. \xC3";
    dt_onehot_encode(ids, others, sizeof others - 1);
    for (size_t i = 0; i < sizeof others - 1; ++i)
        assert_int_equal(ids[i], DT_ONEHOT_OTHER);
}

static void normalised_rna_in_lower_case_is_the_same_sequence(void **state)
{
    (void)state;
    char written[] = "ac-gu.NT";
    uint16_t ids[8];
    const size_t length = dt_normalize(written, strlen(written));
    assert_int_equal(length, 6);
    dt_onehot_encode(ids, written, length);
    assert_ids(ids, "012343");
}

static void the_first_bases_are_read_and_nothing_stands_round_them(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer;
    dt_encoder *encoder;
    const uint16_t *ids;
    int32_t count;
    ASSERT_OK(dt_tokenizer_create_onehot(&tokenizer));
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    assert_int_equal(dt_tokenizer_encoding(tokenizer), DT_ENCODING_ONEHOT);
    assert_int_equal(dt_tokenizer_vocabulary_size(tokenizer), DT_ONEHOT_IDS);
    assert_int_equal(dt_tokenizer_unk_id(tokenizer), DT_ONEHOT_OTHER);
    assert_int_equal(dt_tokenizer_pad_id(tokenizer), -1);
    assert_int_equal(dt_tokenizer_suffix_count(tokenizer), 0);
    const struct {
        const char *bases;
        int32_t most, count;
    } cases[] = {{"GATTACAN", 0, 8}, {"GATTACAN", 8, 8}, {"GATTACAN", 5, 5},
                 {"GATTACAN", 1, 1}, {"GAT", 5, 3},      {"", 5, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char expected[] = "20330104";
        ASSERT_OK(dt_encoder_encode(encoder, cases[i].bases, strlen(cases[i].bases), cases[i].most,
                                    &ids, &count));
        assert_int_equal(count, cases[i].count);
        expected[count] = '\0';
        assert_ids(ids, expected);
    }
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
}

static void encodings_have_the_names_of_the_command_line(void **state)
{
    (void)state;
    dt_encoding encoding = DT_ENCODING_DNABERT;
    assert_true(dt_encoding_named("onehot", &encoding));
    assert_int_equal(encoding, DT_ENCODING_ONEHOT);
    assert_true(dt_encoding_named("dnabert", &encoding));
    assert_int_equal(encoding, DT_ENCODING_DNABERT);
    assert_false(dt_encoding_named("one-hot", &encoding));
    assert_string_equal(dt_encoding_name(DT_ENCODING_ONEHOT), "onehot");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bases_are_numbered_and_other_letters_are_alike),
        cmocka_unit_test(normalised_rna_in_lower_case_is_the_same_sequence),
        cmocka_unit_test(the_first_bases_are_read_and_nothing_stands_round_them),
        cmocka_unit_test(encodings_have_the_names_of_the_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
