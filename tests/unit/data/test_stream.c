#include "data/stream.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "test.h"

enum { PER_SHARD = 10, COUNT = 73, SHARDS = 8 };

/* A synthetic source: token t of the whole set is t mod 2^16, and the only label of sequence i is
 * i. */
typedef struct {
    int64_t *offsets;
    atomic_int loads;
    int64_t fails_at; /* shard; -1: none */
    atomic_int released;
} made_up;

static dt_status load(void *context, int64_t shard, dt_shard *to)
{
    made_up *set = context;
    const int64_t first = shard * PER_SHARD;
    if (shard == set->fails_at)
        return dt_fail(DT_ERR_IO, "shard %lld cannot be read", (long long)shard);
    for (int64_t t = 0; t < to->token_count; ++t)
        to->tokens[t] = (uint16_t)(set->offsets[first] + t);
    for (int64_t i = 0; i <= to->count; ++i)
        to->offsets[i] = set->offsets[first + i] - set->offsets[first];
    for (int64_t i = 0; i < to->count; ++i)
        to->labels[i] = (int32_t)(first + i);
    atomic_fetch_add(&set->loads, 1);
    return DT_OK;
}

static void release(void *context)
{
    atomic_fetch_add(&((made_up *)context)->released, 1);
}

static dt_shard_stream *open_stream(made_up *set, int64_t room)
{
    static int64_t offsets[COUNT + 1];
    dt_shard_stream *stream;
    for (int64_t i = 0; i < COUNT; ++i)
        offsets[i + 1] = offsets[i] + 100 + i % 17;
    *set = (made_up){.offsets = offsets, .fails_at = -1};
    int64_t *tokens = calloc(SHARDS, sizeof *tokens);
    for (int64_t s = 0; s < SHARDS; ++s)
        tokens[s] = offsets[s < SHARDS - 1 ? (s + 1) * PER_SHARD : COUNT] - offsets[s * PER_SHARD];
    const dt_shard_source source = {.sequences = COUNT,
                                    .sequences_per_shard = PER_SHARD,
                                    .tax_ranks = 1,
                                    .tokens = tokens,
                                    .load = load,
                                    .release = release,
                                    .context = set};
    ASSERT_OK(dt_stream_create(&stream, &source, room));
    assert_int_equal(dt_stream_tokens(stream), offsets[COUNT]);
    return stream;
}

static void assert_tokens(const dt_shard_stream *stream, const made_up *set, int64_t i)
{
    int64_t place;
    const dt_shard *shard = dt_stream_shard(stream, i, &place);
    const uint16_t *tokens = shard->tokens + shard->offsets[place];
    assert_int_equal(shard->labels[place], i);
    assert_int_equal(shard->offsets[place + 1] - shard->offsets[place],
                     set->offsets[i + 1] - set->offsets[i]);
    for (int64_t t = set->offsets[i]; t < set->offsets[i + 1]; ++t)
        assert_int_equal(tokens[t - set->offsets[i]], (uint16_t)t);
}

/* Uses the order from `first` on, five at a time. */
static void use_all(dt_shard_stream *stream, const made_up *set, const int64_t *order,
                    int64_t count, int64_t first)
{
    ASSERT_OK(dt_stream_begin(stream, order, count, first));
    for (int64_t use = first; use < count; use += 5) {
        const int64_t held = count - use < 5 ? count - use : 5;
        ASSERT_OK(dt_stream_hold(stream, use, held));
        for (int64_t i = use; i < use + held; ++i)
            assert_tokens(stream, set, order[i]);
    }
}

/* Two shards alternately, then the next two: each is read once. There is memory for four, since the
 * held uses may be in two pairs. */
static void every_use_finds_its_tokens(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 4);
    int64_t order[COUNT];
    int64_t count = 0;
    for (int64_t pair = SHARDS / 2 - 1; pair >= 0; --pair)
        for (int64_t i = 0; i < (int64_t)2 * PER_SHARD; ++i) {
            const int64_t item = (2 * pair + i % 2) * PER_SHARD + i / 2;
            if (item < COUNT)
                order[count++] = item;
        }
    use_all(stream, &set, order, count, 0);
    assert_int_equal(set.loads, SHARDS);
    dt_stream_destroy(stream);
    assert_int_equal(set.released, 1);
}

/* Shards that an order leaves in memory are reused by the next one, or replaced if they are not
 * needed or needed last. */
static void orders_follow_each_other(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 2);
    int64_t up[COUNT];
    int64_t down[COUNT];
    for (int64_t i = 0; i < COUNT; ++i) {
        up[i] = i;
        down[i] = COUNT - 1 - i;
    }
    use_all(stream, &set, up, COUNT, 0);
    use_all(stream, &set, up, COUNT, 0); /* the loaded shards are needed last */
    use_all(stream, &set, down, COUNT, 0);
    use_all(stream, &set, down, COUNT, 37); /* as after a resume */
    assert_true(set.loads <= 4 * SHARDS);
    dt_stream_destroy(stream);
}

/* Only a part of the uses of each shard is held, as with many ranks. */
static void uses_may_be_skipped(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 2);
    int64_t order[COUNT];
    for (int64_t i = 0; i < COUNT; ++i)
        order[i] = i;
    ASSERT_OK(dt_stream_begin(stream, order, COUNT, 0));
    for (int64_t use = 3; use + 4 < COUNT; use += 19) {
        ASSERT_OK(dt_stream_hold(stream, use, 4));
        for (int64_t i = use; i < use + 4; ++i)
            assert_tokens(stream, &set, i);
    }
    dt_stream_destroy(stream);
}

static void an_order_that_needs_more_memory_is_refused(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 2);
    const int64_t order[] = {0, 10, 20, 1, 11, 21};
    ASSERT_FAILS(DT_ERR_INTERNAL, "needs 3 shards in memory at once",
                 dt_stream_begin(stream, order, 6, 0));
    ASSERT_OK(dt_stream_begin(stream, order, 2, 0));
    ASSERT_FAILS(DT_ERR_INTERNAL, "not announced", dt_stream_hold(stream, 1, 2));
    dt_stream_destroy(stream);
}

/* Two sequences of each shard, six at a time, as in validation on a small set. */
static void a_hold_of_more_shards_allocates_memory(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 2);
    int64_t order[2 * SHARDS];
    const int64_t count = (int64_t)2 * SHARDS;
    const int64_t before = dt_stream_bytes(stream);
    for (int64_t i = 0; i < count; ++i)
        order[i] = i / 2 * PER_SHARD + i % 2;
    use_all(stream, &set, order, count, 0);
    ASSERT_OK(dt_stream_begin(stream, order, count, 0));
    for (int64_t use = 0; use + 9 <= count; use += 3) {
        ASSERT_OK(dt_stream_hold(stream, use, 9));
        for (int64_t i = use; i < use + 9; ++i)
            assert_tokens(stream, &set, order[i]);
    }
    assert_int_equal(dt_stream_bytes(stream), before / 2 * 5);
    dt_stream_destroy(stream);
}

/* An order that is known by shards only, as an epoch's: two shards are needed at a time, and two more
 * are read ahead; it may begin in the middle. */
static void an_order_may_be_announced_by_shards(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 4);
    const dt_shard_use use[] = {{5, 0, 19}, {2, 0, 19}, {4, 20, 39}, {0, 20, 39}, {7, 40, 42}};
    const int64_t order[] = {20, 59, 40, 3, 44, 72};
    const int64_t at[] = {0, 19, 20, 30, 39, 42};
    ASSERT_OK(dt_stream_begin_shards(stream, use, 5, 43, 0));
    for (int k = 0; k < 6; ++k) {
        ASSERT_OK(dt_stream_hold(stream, at[k], 1));
        assert_tokens(stream, &set, order[k]);
    }
    assert_int_equal(set.loads, 5);
    ASSERT_OK(dt_stream_begin_shards(stream, use, 5, 43, 39));
    ASSERT_OK(dt_stream_hold(stream, 39, 2)); /* in two parts */
    assert_tokens(stream, &set, 44);
    assert_tokens(stream, &set, 70);
    dt_stream_destroy(stream);
    stream = open_stream(&set, 1);
    ASSERT_FAILS(DT_ERR_INTERNAL, "needs 2 shards in memory at once",
                 dt_stream_begin_shards(stream, use, 5, 43, 0));
    dt_stream_destroy(stream);
}

static void the_error_of_an_unreadable_shard_is_returned(void **state)
{
    (void)state;
    made_up set;
    dt_shard_stream *stream = open_stream(&set, 2);
    set.fails_at = 3;
    const int64_t order[] = {0, 11, 22, 33};
    ASSERT_OK(dt_stream_begin(stream, order, 4, 0));
    ASSERT_FAILS(DT_ERR_IO, "shard 3 cannot be read", dt_stream_hold(stream, 3, 1));
    ASSERT_FAILS(DT_ERR_IO, "shard 3 cannot be read", dt_stream_hold(stream, 3, 1));
    dt_stream_destroy(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_use_finds_its_tokens),
        cmocka_unit_test(orders_follow_each_other),
        cmocka_unit_test(uses_may_be_skipped),
        cmocka_unit_test(an_order_that_needs_more_memory_is_refused),
        cmocka_unit_test(a_hold_of_more_shards_allocates_memory),
        cmocka_unit_test(an_order_may_be_announced_by_shards),
        cmocka_unit_test(the_error_of_an_unreadable_shard_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
