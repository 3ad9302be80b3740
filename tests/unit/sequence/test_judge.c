#include "sequence/judge.h"

#include "unit/io/io_test.h"
#include "unit/sequence/small_tokenizer.h"

#define BASES "ACGTACGTACGTACGTACGT" /* 20, five tokens */

static dt_judged judge(const dt_tokenizer *tokenizer, const char *letters)
{
    dt_encoder *encoder;
    const uint16_t *tokens;
    int32_t count;
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    ASSERT_OK(dt_encoder_encode(encoder, letters, strlen(letters), 0, &tokens, &count));
    const dt_judged judged = dt_judge(tokenizer, letters, strlen(letters), tokens, count);
    dt_encoder_destroy(encoder);
    return judged;
}

static void each_kind_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *letters;
        dt_doubt doubt;
    } cases[] = {
        {BASES, DT_DOUBT_NONE},
        {BASES "NNNN", DT_DOUBT_NONE},
        {BASES "NNNNN", DT_DOUBT_UNKNOWN},          /* five tokens of ten */
        {"acgtacgtacgtacgtacgt", DT_DOUBT_UNKNOWN}, /* not normalised */
        {"ACGUACGUACGUACGUACGU", DT_DOUBT_NONE},    /* a third unknown */
        {"A", DT_DOUBT_SHORT},
        {"ACGTACGTACGTACGTACG", DT_DOUBT_SHORT},
        {"MK", DT_DOUBT_SHORT},
        {"MKTLLVAGFWEHQPRSDNYCIKMALVRE*", DT_DOUBT_LETTERS},
        {BASES "EF", DT_DOUBT_NONE},     /* 2 of 22 */
        {BASES "EFI", DT_DOUBT_LETTERS}, /* 3 of 23 */
        {BASES "\xff\xfe\xfd", DT_DOUBT_LETTERS},
        {BASES "NRYSWKMBDHVNNNNNNNNN", DT_DOUBT_AMBIGUOUS},
        {"--------------------ACGTACGTACGT........", DT_DOUBT_AMBIGUOUS},
        {"nnnnnnnnnnnnnnnnnnnnACGT", DT_DOUBT_AMBIGUOUS},
    };
    dt_tokenizer *tokenizer = small_tokenizer();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        if (judge(tokenizer, cases[i].letters).doubt != cases[i].doubt)
            fail_msg("'%s' is judged %s", cases[i].letters,
                     dt_doubt_name(judge(tokenizer, cases[i].letters).doubt));
    /* a tokenizer that makes one token of a run of unknown letters */
    assert_int_equal(dt_judge(tokenizer, BASES, 20, (const uint16_t[]){1, 0, 2}, 3).doubt,
                     DT_DOUBT_UNKNOWN);
    assert_int_equal(judge(tokenizer, BASES).tokens, 5);
    assert_int_equal(judge(tokenizer, BASES "NN").unknown, 2);
    dt_tokenizer_destroy(tokenizer);
}

/* The tokens around a sequence are not of it, also where they are the unknown one. */
static void unknown_tokens_are_those_of_the_sequence(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[UNK]", "A", "C", "G", "T"};
    const dt_tokenizer_spec spec = {
        .vocabulary_size = 5, .token = tokens, .pad_id = -1, .prefix_count = 1, .suffix_count = 1};
    dt_tokenizer *tokenizer;
    ASSERT_OK(dt_tokenizer_create(&tokenizer, &spec));
    assert_int_equal(judge(tokenizer, BASES).unknown, 0);
    assert_int_equal(judge(tokenizer, BASES "N").unknown, 1);
    dt_tokenizer_destroy(tokenizer);
}

static void add(dt_judgement *judgement, const dt_tokenizer *tokenizer, int64_t number,
                const char *id, const char *letters)
{
    const dt_judged judged = judge(tokenizer, letters);
    dt_judgement_add(judgement, &judged, number, id);
}

/* Two ranks that share the sequences 0 to 5 say what one says of all. */
static void counts_of_ranks_add_up_to_one_warning_a_kind(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = small_tokenizer();
    dt_judgement judgement = {0};
    dt_judgement other = {0};
    add(&judgement, tokenizer, 0, "fine", BASES);
    add(&other, tokenizer, 1, "base", "A");
    add(&judgement, tokenizer, 2, "two", "AC");
    add(&other, tokenizer, 3, "aa", "MKTLLVAGFWEHQPRSDNYCIKMALVRE*");
    add(&judgement, tokenizer, 4, "n", "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN");
    add(&other, tokenizer, 5, "last", BASES);
    dt_judgement_merge(&judgement, &other);
    assert_int_equal(judgement.sequences, 6);
    assert_int_equal(judgement.doubtful[DT_DOUBT_NONE], 2);
    assert_int_equal(judgement.doubtful[DT_DOUBT_SHORT], 2);
    begin_log();
    dt_judgement_report(&judgement, tokenizer, "in.fasta", true, "remove them");
    char *log = end_log();
    assert_int_equal(count_of(log, "\n"), 3);
    assert_int_equal(count_of(log,
                              "warning: in.fasta: 2 of 6 sequences have fewer than 20 bases "
                              "(for example 'base'), too few to distinguish taxa: remove them\n"),
                     1);
    assert_int_equal(count_of(log, "1 of 6 sequences have many letters that are not nucleotides "
                                   "(for example 'aa'): is this protein?\n"),
                     1);
    assert_int_equal(count_of(log, "1 of 6 sequences are mostly N, other ambiguous bases or gaps "
                                   "(for example 'n')"),
                     1);
    free(log);
    dt_tokenizer_destroy(tokenizer);
}

/* No sequence alone is doubtful, all together are. */
static void unknown_tokens_everywhere_are_told(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer = small_tokenizer();
    dt_judgement judgement = {0};
    begin_log();
    add(&judgement, tokenizer, 0, "a", BASES "NN");
    dt_judgement_report(&judgement, tokenizer, "in.fasta", false, "");
    char *log = end_log();
    assert_int_equal(count_of(log, "\n"), 1);
    assert_int_equal(count_of(log, "in.fasta: 29 % of the tokens are unknown to the tokenizer: are "
                                   "these nucleotides in upper case, with T for U?"),
                     1);
    free(log);
    begin_log();
    for (int i = 0; i < 4; ++i)
        add(&judgement, tokenizer, 1 + i, "b", BASES);
    dt_judgement_report(&judgement, tokenizer, "in.fasta", false, "");
    log = end_log();
    assert_string_equal(log, "");
    free(log);
    dt_tokenizer_destroy(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_told),
        cmocka_unit_test(unknown_tokens_are_those_of_the_sequence),
        cmocka_unit_test(counts_of_ranks_add_up_to_one_warning_a_kind),
        cmocka_unit_test(unknown_tokens_everywhere_are_told),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
