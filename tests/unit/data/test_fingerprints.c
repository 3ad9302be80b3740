/* Fingerprints identify sequences in any order and detect changed ones. */
#include <stdlib.h>
#include <string.h>

#include "core/philox.h"
#include "data/fingerprints.h"
#include "data/sampler.h"
#include "test.h"

#define COUNT 500

/* Sequence i of COUNT has id i + 1; `place` is its position. */
static dt_fingerprints make(const int64_t *place, int64_t count)
{
    dt_fingerprints f = {.count = count};
    f.ids = calloc((size_t)count, sizeof *f.ids);
    f.labels = calloc((size_t)count, sizeof *f.labels);
    f.tokens = calloc((size_t)count, sizeof *f.tokens);
    assert_true(f.ids && f.labels && f.tokens);
    for (int64_t i = 0; i < count; ++i) {
        f.ids[place[i]] = (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        f.labels[place[i]] = (uint32_t)i % 7;
        f.tokens[place[i]] = (uint32_t)i * 77;
    }
    return f;
}

static void draw_places(int64_t *place, uint32_t seed)
{
    for (int64_t i = 0; i < COUNT; ++i)
        place[i] = i;
    if (seed > 0)
        dt_shuffle(place, COUNT, seed, DT_DRAW_SAMPLE, 0, 0);
}

static void assert_found(const dt_found_sequences *found, int64_t count, int64_t first)
{
    assert_int_equal(found->count, count);
    if (count > 0)
        assert_int_equal(found->first, first);
}

static void any_order_is_matched(void **state)
{
    (void)state;
    int64_t before[COUNT];
    int64_t after[COUNT];
    dt_fingerprint_match match;
    for (uint32_t seed = 0; seed < 20; ++seed) {
        draw_places(before, seed % 5);
        draw_places(after, seed);
        dt_fingerprints then = make(before, COUNT);
        dt_fingerprints now = make(after, COUNT);
        ASSERT_OK(dt_fingerprints_match(&match, &then, &now));
        assert_int_equal(match.missing.count + match.added.count + match.relabelled.count +
                             match.changed.count,
                         0);
        assert_int_equal(match.place != NULL, memcmp(before, after, sizeof before) != 0);
        for (int64_t i = 0; i < COUNT && match.place; ++i)
            assert_int_equal(match.place[before[i]], after[i]);
        dt_fingerprint_match_free(&match);
        dt_fingerprints_free(&then);
        dt_fingerprints_free(&now);
    }
}

static void every_kind_of_change_is_detected(void **state)
{
    (void)state;
    int64_t before[COUNT];
    int64_t after[COUNT];
    dt_fingerprint_match match;
    for (uint32_t seed = 0; seed < 4; ++seed) {
        draw_places(before, 0);
        draw_places(after, seed);
        dt_fingerprints then = make(before, COUNT);
        dt_fingerprints now = make(after, COUNT);
        now.labels[40] ^= 1;
        now.labels[30] ^= 1;
        now.tokens[30] ^= 1u << 31;
        ASSERT_OK(dt_fingerprints_match(&match, &then, &now));
        assert_found(&match.relabelled, 2, 30);
        assert_found(&match.changed, 1, 30);
        assert_int_equal(match.missing.count + match.added.count, 0);
        dt_fingerprint_match_free(&match);
        /* the one at 50 gets another id */
        int64_t old = 0;
        while (after[old] != 50)
            ++old;
        now.ids[50] = 1;
        ASSERT_OK(dt_fingerprints_match(&match, &then, &now));
        assert_found(&match.missing, 1, before[old]);
        assert_found(&match.added, 1, 50);
        assert_found(&match.changed, 1, 30);
        assert_null(match.place);
        /* the last ones are missing */
        now.count -= 10;
        ASSERT_OK(dt_fingerprints_match(&match, &then, &now));
        assert_int_equal(match.missing.count, 11);
        assert_int_equal(match.added.count, 1);
        assert_null(match.place);
        dt_fingerprints_free(&then);
        dt_fingerprints_free(&now);
    }
}

static void ids_with_equal_hashes_are_distinguished_by_labels_and_tokens(void **state)
{
    (void)state;
    int64_t before[COUNT];
    int64_t after[COUNT];
    dt_fingerprint_match match;
    draw_places(before, 0);
    draw_places(after, 3);
    dt_fingerprints then = make(before, COUNT);
    dt_fingerprints now = make(after, COUNT);
    for (int64_t i = 100; i < 103; ++i)
        then.ids[before[i]] = now.ids[after[i]] = 5;
    ASSERT_OK(dt_fingerprints_match(&match, &then, &now));
    assert_int_equal(
        match.missing.count + match.added.count + match.relabelled.count + match.changed.count, 0);
    for (int64_t i = 0; i < COUNT; ++i)
        assert_int_equal(match.place[before[i]], after[i]);
    dt_fingerprint_match_free(&match);
    dt_fingerprints_free(&then);
    dt_fingerprints_free(&now);
}

static void tokens_are_compared_if_known_on_both_sides(void **state)
{
    (void)state;
    int64_t place[COUNT];
    dt_fingerprint_match match;
    draw_places(place, 0);
    dt_fingerprints then = make(place, COUNT);
    draw_places(place, 1);
    dt_fingerprints now = make(place, COUNT);
    free(then.tokens);
    then.tokens = NULL;
    now.tokens[3] ^= 1;
    ASSERT_OK(dt_fingerprints_match(&match, &then, &now));
    assert_int_equal(match.changed.count, 0);
    assert_non_null(match.place);
    for (int64_t i = 0; i < COUNT; ++i)
        assert_int_equal(match.place[i], place[i]);
    dt_fingerprint_match_free(&match);
    dt_fingerprints_free(&then);
    dt_fingerprints_free(&now);
}

/* Every single change of a short sequence, and every prefix, has a different hash. */
static void every_token_and_the_length_count(void **state)
{
    (void)state;
    uint16_t tokens[24];
    uint32_t hash[24 * 16 + 24];
    size_t hashes = 0;
    for (int i = 0; i < 24; ++i)
        tokens[i] = (uint16_t)(i * 170);
    for (int length = 1; length <= 24; ++length)
        hash[hashes++] = dt_token_hash(tokens, length);
    for (int i = 0; i < 24; ++i)
        for (int bit = 0; bit < 16; ++bit) {
            tokens[i] ^= (uint16_t)(1u << bit);
            hash[hashes++] = dt_token_hash(tokens, 24);
            tokens[i] ^= (uint16_t)(1u << bit);
        }
    for (size_t a = 0; a < hashes; ++a)
        for (size_t b = 0; b < a; ++b)
            assert_true(hash[a] != hash[b]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_is_matched),
        cmocka_unit_test(every_kind_of_change_is_detected),
        cmocka_unit_test(ids_with_equal_hashes_are_distinguished_by_labels_and_tokens),
        cmocka_unit_test(tokens_are_compared_if_known_on_both_sides),
        cmocka_unit_test(every_token_and_the_length_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
