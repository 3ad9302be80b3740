/* How a global batch is divided among ranks. */
#include "data/batch.h"

#include <stdlib.h>

#include "test.h"

#define MOST 40

/* A dataset with offsets only, which define the lengths. */
static dt_dataset dataset_of(int64_t *offsets, const int64_t *lengths, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        offsets[i + 1] = offsets[i] + lengths[i];
    return (dt_dataset){.count = count, .offsets = offsets};
}

static void shares_are_contiguous_complete_and_not_empty(void **state)
{
    (void)state;
    int64_t offsets[MOST + 1] = {0};
    int64_t lengths[MOST];
    int64_t indices[MOST];
    srand(1);
    for (int64_t total = 0; total < MOST; ++total)
        for (int64_t parts = 1; parts < 9; ++parts) {
            for (int64_t i = 0; i < total; ++i) {
                lengths[i] = 2 + rand() % (i % 7 == 0 ? 500 : 60);
                indices[i] = total - 1 - i;
            }
            const dt_dataset dataset = dataset_of(offsets, lengths, total);
            int64_t next = 0;
            for (int64_t p = 0; p < parts; ++p) {
                int64_t begin;
                int64_t count;
                dt_batch_share(&dataset, indices, total, 512, parts, p, &begin, &count);
                assert_int_equal(begin, next);
                assert_true(count >= (p < total));
                next = begin + count;
            }
            assert_int_equal(next, total);
        }
}

static int64_t tokens_of(const int64_t *lengths, const int64_t *indices, int64_t begin,
                         int64_t count, int64_t max_length)
{
    int64_t tokens = 0;
    for (int64_t i = begin; i < begin + count; ++i)
        tokens += lengths[indices[i]] < max_length ? lengths[indices[i]] : max_length;
    return tokens;
}

/* A cut is within half a sequence of the even one, so a share is off by at most one sequence. */
static void shares_differ_by_at_most_one_sequence_of_tokens(void **state)
{
    (void)state;
    enum { max_length = 256 };
    int64_t offsets[MOST + 1] = {0};
    int64_t lengths[MOST];
    int64_t indices[MOST];
    srand(2);
    for (int round = 0; round < 100; ++round) {
        for (int64_t i = 0; i < MOST; ++i) {
            lengths[i] = i < MOST / 2 ? 300 : 20 + rand() % 50; /* truncated to 256, or short */
            indices[i] = i;
        }
        const dt_dataset dataset = dataset_of(offsets, lengths, MOST);
        const int64_t all = tokens_of(lengths, indices, 0, MOST, max_length);
        for (int64_t p = 0; p < 3; ++p) {
            int64_t begin;
            int64_t count;
            dt_batch_share(&dataset, indices, MOST, max_length, 3, p, &begin, &count);
            const int64_t off = 3 * tokens_of(lengths, indices, begin, count, max_length) - all;
            assert_true(llabs(off) <= 3 * max_length);
        }
    }
}

static void equal_lengths_give_equal_shares(void **state)
{
    (void)state;
    int64_t offsets[MOST + 1] = {0};
    int64_t lengths[MOST];
    int64_t indices[MOST];
    for (int64_t i = 0; i < MOST; ++i) {
        lengths[i] = 100;
        indices[i] = i;
    }
    const dt_dataset dataset = dataset_of(offsets, lengths, MOST);
    for (int64_t p = 0; p < 8; ++p) {
        int64_t begin;
        int64_t count;
        dt_batch_share(&dataset, indices, MOST, 512, 8, p, &begin, &count);
        assert_int_equal(begin, 5 * p);
        assert_int_equal(count, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_contiguous_complete_and_not_empty),
        cmocka_unit_test(shares_differ_by_at_most_one_sequence_of_tokens),
        cmocka_unit_test(equal_lengths_give_equal_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
