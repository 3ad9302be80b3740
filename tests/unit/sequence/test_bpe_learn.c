#include "test.h"

#include "core/philox.h"
#include "sequence/bpe_learn.h"

static dt_bpe *learn(const char *const *sequences, int count, int32_t target_size)
{
    dt_bpe_learner *learner;
    dt_bpe *bpe;
    ASSERT_OK(dt_bpe_learner_create(&learner, target_size, DT_BPE_DEFAULT_BASES));
    for (int i = 0; i < count; ++i)
        ASSERT_OK(dt_bpe_learner_add(learner, sequences[i], strlen(sequences[i])));
    ASSERT_OK(dt_bpe_learner_finish(learner, &bpe));
    dt_bpe_learner_destroy(learner);
    return bpe;
}

static void assert_merge(const dt_bpe *bpe, int64_t i, const char *left, const char *right)
{
    assert_true(i < bpe->merge_count);
    assert_string_equal(bpe->merge_left[i], left);
    assert_string_equal(bpe->merge_right[i], right);
}

static void most_frequent_pair_comes_first_and_ties_go_to_the_smaller_ids(void **state)
{
    (void)state;
    /* GT 3 times, TG and CA twice: CA has the smaller ids; after it TG is gone into GT's merges */
    const char *const sequences[] = {"GTGTGT", "CA", "CA"};
    dt_bpe *bpe = learn(sequences, 3, 100);
    assert_merge(bpe, 0, "G", "T");
    assert_merge(bpe, 1, "C", "A"); /* (C, A) and (GT, GT) both twice */
    assert_merge(bpe, 2, "GT", "GT");
    assert_int_equal(bpe->merge_count, 3); /* nothing else occurs twice */
    assert_int_equal(bpe->vocabulary_size, 5 + 4 + 3);
    assert_string_equal(bpe->token[0], "[UNK]");
    assert_string_equal(bpe->token[4], "[MASK]");
    assert_string_equal(bpe->token[5], "A");
    assert_string_equal(bpe->token[8], "T");
    assert_string_equal(bpe->token[11], "GTGT");
    dt_bpe_destroy(bpe);
}

static void rare_letters_part_words(void **state)
{
    (void)state;
    char text[601];
    memset(text, 'A', 600);
    text[600] = '\0';
    text[300] = 'N'; /* 1 of 600: not in the alphabet */
    const char *const sequences[] = {text, "CNG", "CNG", "CNG", "C-G", "C-G"};
    dt_bpe *bpe = learn(sequences, 6, 64);
    for (int32_t id = 5; id < bpe->vocabulary_size; ++id) {
        assert_null(strchr(bpe->token[id], 'N'));
        assert_null(strchr(bpe->token[id], '-'));
        assert_string_not_equal(bpe->token[id], "CG");
    }
    dt_bpe_destroy(bpe);
    const char *const lower[] = {"acgtacgt", "nacgtnnn"};
    bpe = learn(lower, 2, 64); /* frequent ones are: A C G T a c g n t */
    assert_string_equal(bpe->token[9], "a");
    assert_string_equal(bpe->token[12], "n");
    dt_bpe_destroy(bpe);
}

/* Plain definition on one word: the most frequent pair is counted anew for each merge. */
static int64_t learn_naively(const char *text, size_t n, int32_t target_size, uint16_t merges[][2])
{
    static uint16_t ids[2000];
    static uint32_t counts[64][64];
    for (size_t i = 0; i < n; ++i)
        ids[i] = (uint16_t)(5 + (strchr("ACGT", text[i]) - "ACGT"));
    int64_t learnt = 0;
    for (int32_t made = 9; made < target_size; ++made, ++learnt) {
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i + 1 < n; ++i)
            counts[ids[i]][ids[i + 1]]++;
        uint32_t best = 1;
        for (int32_t a = 0; a < made; ++a)
            for (int32_t b = 0; b < made; ++b)
                if (counts[a][b] > best) {
                    best = counts[a][b];
                    merges[learnt][0] = (uint16_t)a;
                    merges[learnt][1] = (uint16_t)b;
                }
        if (best == 1)
            break;
        size_t kept = 0;
        for (size_t i = 0; i < n; ++kept) {
            const bool hit =
                i + 1 < n && ids[i] == merges[learnt][0] && ids[i + 1] == merges[learnt][1];
            ids[kept] = hit ? (uint16_t)made : ids[i];
            i += hit ? 2 : 1;
        }
        n = kept;
    }
    return learnt;
}

static void incremental_counts_equal_counting_anew(void **state)
{
    (void)state;
    for (uint32_t repeat = 0; repeat < 40; ++repeat) {
        char text[2001];
        const size_t n = 20 + repeat * 49;
        for (uint32_t i = 0; i < n; ++i) {
            uint32_t out[4];
            dt_philox(3, 1, i, repeat, 0, 0, out);
            text[i] = "ACGT"[out[0] % (1 + repeat % 4)]; /* one letter only, two, … */
        }
        text[n] = '\0';
        uint16_t expected[64][2];
        const int64_t count = learn_naively(text, n, 60, expected);
        const char *const sequences[] = {text};
        dt_bpe *bpe = learn(sequences, 1, 60);
        assert_int_equal(bpe->merge_count, count);
        for (int64_t i = 0; i < count; ++i)
            assert_merge(bpe, i, bpe->token[expected[i][0]], bpe->token[expected[i][1]]);
        dt_bpe_destroy(bpe);
    }
}

/* 64 sequences of 100 bases into room for 1,000: every eighth stays, the last ones too. */
static void sample_is_bounded_and_even(void **state)
{
    (void)state;
    dt_bpe_learner *learner;
    dt_bpe *bpe;
    ASSERT_OK(dt_bpe_learner_create(&learner, 64, 1000));
    char text[100];
    for (int i = 0; i < 64; ++i) {
        memset(text, i % 8 == 0 ? "ACGT"[i / 16] : 'N', sizeof text);
        ASSERT_OK(dt_bpe_learner_add(learner, text, sizeof text));
    }
    ASSERT_OK(dt_bpe_learner_finish(learner, &bpe));
    assert_int_equal(bpe->sequences_added, 64);
    assert_int_equal(bpe->sequences_used, 8);
    assert_int_equal(bpe->bases_used, 800);
    assert_merge(bpe, 0, "A", "A");
    assert_merge(bpe, 3, "T", "T");
    dt_bpe_destroy(bpe);
    dt_bpe_learner_destroy(learner);
    /* one sequence that is longer than the whole sample is cut */
    ASSERT_OK(dt_bpe_learner_create(&learner, 64, 50));
    memset(text, 'A', sizeof text);
    ASSERT_OK(dt_bpe_learner_add(learner, text, sizeof text));
    ASSERT_OK(dt_bpe_learner_finish(learner, &bpe));
    assert_int_equal(bpe->bases_used, 50);
    dt_bpe_destroy(bpe);
    dt_bpe_learner_destroy(learner);
}

static void useless_input_is_refused(void **state)
{
    (void)state;
    dt_bpe_learner *learner;
    dt_bpe *bpe;
    ASSERT_FAILS(DT_ERR_USAGE, "choose 9", dt_bpe_learner_create(&learner, 8, 100));
    ASSERT_FAILS(DT_ERR_USAGE, "65536", dt_bpe_learner_create(&learner, 65537, 100));
    ASSERT_OK(dt_bpe_learner_create(&learner, 9, 100));
    ASSERT_FAILS(DT_ERR_INPUT, "no sequence", dt_bpe_learner_finish(learner, &bpe));
    ASSERT_OK(dt_bpe_learner_add(learner, "----", 4));
    ASSERT_FAILS(DT_ERR_INPUT, "no base", dt_bpe_learner_finish(learner, &bpe));
    ASSERT_OK(dt_bpe_learner_add(learner, "acgt", 4));
    ASSERT_FAILS(DT_ERR_USAGE, "larger", dt_bpe_learner_finish(learner, &bpe));
    assert_null(bpe);
    dt_bpe_learner_destroy(learner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_frequent_pair_comes_first_and_ties_go_to_the_smaller_ids),
        cmocka_unit_test(rare_letters_part_words),
        cmocka_unit_test(incremental_counts_equal_counting_anew),
        cmocka_unit_test(sample_is_bounded_and_even),
        cmocka_unit_test(useless_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
