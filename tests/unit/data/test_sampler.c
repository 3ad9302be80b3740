#include <stdbool.h>

#include "core/bits.h"
#include "data/sampler.h"
#include "test.h"

enum { COUNT = 1000 };

static void create(dt_sampler *sampler, int64_t *items, uint32_t seed)
{
    for (int64_t i = 0; i < COUNT; ++i)
        items[i] = 7 * i;
    ASSERT_OK(dt_sampler_create(sampler, items, COUNT, seed));
}

static void an_epoch_takes_every_sequence_once(void **state)
{
    (void)state;
    int64_t items[COUNT];
    dt_sampler sampler;
    create(&sampler, items, 42);
    ASSERT_OK(dt_sampler_begin_epoch(&sampler, 3));
    bool seen[COUNT] = {false};
    int moved = 0;
    for (int i = 0; i < COUNT; ++i) {
        assert_int_equal(sampler.order[i] % 7, 0);
        assert_false(seen[sampler.order[i] / 7]);
        seen[sampler.order[i] / 7] = true;
        moved += sampler.order[i] != items[i];
    }
    assert_true(moved > COUNT / 2);
    dt_sampler_free(&sampler);
}

static void order_depends_only_on_seed_and_epoch(void **state)
{
    (void)state;
    int64_t items[COUNT];
    dt_sampler one;
    dt_sampler two;
    dt_sampler other;
    create(&one, items, 42);
    create(&two, items, 42);
    create(&other, items, 43);
    ASSERT_OK(dt_sampler_begin_epoch(&one, 0));
    ASSERT_OK(dt_sampler_begin_epoch(&one, 1));
    ASSERT_OK(dt_sampler_begin_epoch(
        &one, 5)); /* reached through epochs, and at once as after a resume */
    ASSERT_OK(dt_sampler_begin_epoch(&two, 5));
    ASSERT_OK(dt_sampler_begin_epoch(&other, 5));
    assert_memory_equal(one.order, two.order, COUNT * sizeof *one.order);
    assert_memory_not_equal(one.order, other.order, COUNT * sizeof *one.order);
    ASSERT_OK(dt_sampler_begin_epoch(&two, 6));
    assert_memory_not_equal(one.order, two.order, COUNT * sizeof *one.order);
    dt_sampler_free(&one);
    dt_sampler_free(&two);
    dt_sampler_free(&other);
}

/* Runs must be reproducible across versions. */
static void order_never_changes_between_versions(void **state)
{
    (void)state;
    int64_t items[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const int64_t expected[10] = {1, 3, 8, 9, 0, 5, 7, 2, 6, 4};
    dt_shuffle(items, 10, 42, DT_DRAW_SHUFFLE, 0, 0);
    assert_memory_equal(items, expected, sizeof expected);
}

/* All 24 orders of 4 items, 24,000 shuffles: 1,000 each, standard deviation 31. */
static void every_order_is_equally_likely(void **state)
{
    (void)state;
    int seen[256] = {0};
    for (uint32_t epoch = 0; epoch < 24000; ++epoch) {
        int64_t items[4] = {0, 1, 2, 3};
        dt_shuffle(items, 4, 42, DT_DRAW_SHUFFLE, 0, epoch);
        seen[items[0] | items[1] << 2 | items[2] << 4 | items[3] << 6]++;
    }
    int orders = 0;
    for (int i = 0; i < 256; ++i) {
        if (!seen[i])
            continue;
        orders++;
        assert_in_range(seen[i], 1000 - 155, 1000 + 155);
    }
    assert_int_equal(orders, 24);
}

/* 1,000 items in shards of 64, three shards at a time: an epoch uses each once, no part of it
 * touches more than three shards, and the next epoch combines different shards. */
static void order_by_shards_keeps_few_shards_together(void **state)
{
    (void)state;
    int64_t items[COUNT];
    dt_sampler sampler;
    for (int64_t i = 0; i < COUNT; ++i)
        items[i] = COUNT - 1 - i;
    ASSERT_OK(dt_sampler_create(&sampler, items, COUNT, 42));
    dt_sampler_by_shards(&sampler, 64, 3);
    bool neighbours[2][16][16] = {0}; /* shards of the same part */
    for (uint32_t epoch = 0; epoch < 2; ++epoch) {
        ASSERT_OK(dt_sampler_begin_epoch(&sampler, epoch));
        bool seen[COUNT] = {false};
        bool finished[16] = {false};
        bool open[16] = {false};
        int open_count = 0;
        int changes = 0;
        for (int i = 0; i < COUNT; ++i) {
            const int64_t item = sampler.order[i];
            const int64_t shard = item / 64;
            assert_false(seen[item]);
            seen[item] = true;
            assert_false(finished[shard]);
            if (!open[shard] && open_count == 3) { /* the part has ended: all its items were used */
                for (int s = 0; s < 16; ++s)
                    finished[s] = finished[s] || open[s];
                for (int s = 0; s < 16; ++s)
                    open[s] = false;
                open_count = 0;
            }
            open_count += !open[shard];
            open[shard] = true;
            for (int s = 0; s < 16; ++s)
                neighbours[epoch][shard][s] |= open[s];
            changes += i > 0 && shard != sampler.order[i - 1] / 64;
        }
        assert_true(changes > COUNT / 2); /* mixed within the parts */
    }
    assert_memory_not_equal(neighbours[0], neighbours[1], sizeof neighbours[0]);
    dt_sampler_free(&sampler);
}

/* The order of a streamed set, 1,000 sequences in shards of 64 of which every fifth validates, taken
 * in batches of 50 from `from` on. */
static void take_streamed(int64_t *out, uint32_t epoch, int64_t from)
{
    uint8_t marks[COUNT / 8] = {0};
    dt_sampler sampler;
    for (int64_t i = 0; i < COUNT; ++i)
        dt_bit_set(marks, i, i % 5 == 1);
    ASSERT_OK(dt_sampler_create_streamed(&sampler, marks, COUNT, COUNT / 5 * 4, 42, 64, 3));
    ASSERT_OK(dt_sampler_begin_epoch(&sampler, epoch));
    for (int64_t at = from; at < sampler.count; at += 50) {
        const int64_t *order;
        ASSERT_OK(dt_sampler_take(&sampler, at, 50, &order));
        memcpy(out + at, order, 50 * sizeof *out);
        assert_true(sampler.capacity <= 512); /* the memory of two parts of 154 */
    }
    dt_sampler_free(&sampler);
}

static void a_streamed_order_is_computed_part_by_part(void **state)
{
    (void)state;
    int64_t order[2][COUNT];
    int64_t resumed[COUNT];
    bool seen[COUNT] = {false};
    take_streamed(order[0], 0, 0);
    take_streamed(order[1], 1, 0);
    take_streamed(resumed, 0, 350);
    assert_memory_equal(resumed + 350, order[0] + 350, 450 * sizeof *resumed);
    assert_memory_not_equal(order[0], order[1], COUNT / 5 * 4 * sizeof *order[0]);
    int changes = 0;
    for (int64_t k = 0; k < COUNT / 5 * 4; ++k) {
        const int64_t i = order[0][k];
        assert_in_range(i, 0, COUNT - 1);
        assert_true(i % 5 != 1);
        assert_false(seen[i]);
        seen[i] = true;
        changes += k > 0 && i / 64 != order[0][k - 1] / 64;
    }
    assert_true(changes > COUNT / 5 * 2); /* mixed within the parts, */
    for (int64_t k = 0; k < 150; ++k)     /* the first of which has three shards */
        for (int64_t other = 300; other < 450; ++other)
            assert_true(order[0][k] / 64 != order[0][other] / 64);
}

/* Runs must be reproducible across versions: 12 sequences in shards of 4, two at a time. */
static void streamed_order_never_changes_between_versions(void **state)
{
    (void)state;
    const int64_t expected[9] = {7, 4, 10, 8, 9, 5, 3, 2, 0};
    const uint8_t marks[2] = {0x42, 0x08}; /* 1, 6 and 11 validate */
    const int64_t *order;
    dt_sampler sampler;
    ASSERT_OK(dt_sampler_create_streamed(&sampler, marks, 12, 9, 42, 4, 2));
    ASSERT_OK(dt_sampler_begin_epoch(&sampler, 3));
    ASSERT_OK(dt_sampler_take(&sampler, 0, 9, &order));
    assert_memory_equal(order, expected, sizeof expected);
    dt_sampler_free(&sampler);
}

static void no_training_sequences_are_refused(void **state)
{
    (void)state;
    dt_sampler sampler;
    ASSERT_FAILS(DT_ERR_INPUT, "cannot train on 0", dt_sampler_create(&sampler, NULL, 0, 42));
}

static void shares_are_contiguous_even_and_complete(void **state)
{
    (void)state;
    for (int64_t total = 0; total < 40; ++total)
        for (int64_t parts = 1; parts < 9; ++parts) {
            int64_t next = 0;
            int64_t last = total;
            for (int64_t p = 0; p < parts; ++p) {
                int64_t begin;
                int64_t count;
                dt_share(total, parts, p, &begin, &count);
                assert_int_equal(begin, next);
                assert_true(count <= last && count >= total / parts && count <= total / parts + 1);
                next = begin + count;
                last = count;
            }
            assert_int_equal(next, total);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_takes_every_sequence_once),
        cmocka_unit_test(order_depends_only_on_seed_and_epoch),
        cmocka_unit_test(order_never_changes_between_versions),
        cmocka_unit_test(every_order_is_equally_likely),
        cmocka_unit_test(order_by_shards_keeps_few_shards_together),
        cmocka_unit_test(a_streamed_order_is_computed_part_by_part),
        cmocka_unit_test(streamed_order_never_changes_between_versions),
        cmocka_unit_test(no_training_sequences_are_refused),
        cmocka_unit_test(shares_are_contiguous_even_and_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
