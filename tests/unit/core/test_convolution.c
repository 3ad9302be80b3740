/* Sizes of what convolutions are computed with: taps follow one another, and a chunk is as large as
 * its room lets it be. */
#include "test.h"

#include "core/convolution.h"

static const int32_t width[] = {3, 7, 5};

static void taps_of_all_kernels_follow_one_another(void **state)
{
    (void)state;
    int64_t column[3];
    assert_int_equal(dt_conv_taps(column, width, 3, 16), (3 + 7 + 5) * 16);
    assert_int_equal(column[0], 0);
    assert_int_equal(column[1], 3 * 16);
    assert_int_equal(column[2], (3 + 7) * 16);
}

static void the_widest_kernel_may_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(dt_conv_widest(width, 3), 7);
    assert_int_equal(dt_conv_widest(width, 1), 3);
    assert_int_equal(dt_conv_widest(width + 2, 1), 5);
    assert_int_equal(dt_conv_widest(width, 0), 1);
}

/* A sequence's windows: 10 positions of 7 · 4 elements. */
static const dt_conv_windows layer = {
    .width = width,
    .kernels = 3,
    .filters = 16,
    .channels = 4,
    .max_length = 10,
    .sequences = 100,
};

static void check_sizes(int64_t elements, int64_t sequences, int64_t chunk)
{
    dt_conv_windows windows = layer;
    windows.elements = elements;
    windows.sequences = sequences;
    const dt_conv_window_sizes size = dt_conv_window_sizes_of(&windows);
    assert_int_equal(size.chunk, chunk);
    assert_int_equal(size.weights, 16 * 7 * 4);
    assert_int_equal(size.window, chunk * 10 * 7 * 4);
}

static void a_chunk_has_as_many_sequences_as_fit(void **state)
{
    (void)state;
    check_sizes(3 * 280, 100, 3);
    check_sizes(4 * 280 - 1, 100, 3);
    check_sizes(4 * 280, 100, 4);
}

static void a_chunk_has_no_more_sequences_than_there_are(void **state)
{
    (void)state;
    check_sizes(50 * 280, 20, 20);
}

static void a_chunk_has_at_least_one_sequence(void **state)
{
    (void)state;
    check_sizes(279, 100, 1);
}

/* 40,000 filters of 65,536 channels: past 2^31. */
static void large_sizes_are_counted_in_64_bits(void **state)
{
    (void)state;
    dt_conv_windows windows = layer;
    windows.filters = 40000;
    windows.channels = 65536;
    windows.max_length = 100000;
    const dt_conv_window_sizes size = dt_conv_window_sizes_of(&windows);
    assert_int_equal(size.weights, INT64_C(40000) * 7 * 65536);
    assert_int_equal(size.window, INT64_C(100000) * 7 * 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taps_of_all_kernels_follow_one_another),
        cmocka_unit_test(the_widest_kernel_may_stand_anywhere),
        cmocka_unit_test(a_chunk_has_as_many_sequences_as_fit),
        cmocka_unit_test(a_chunk_has_no_more_sequences_than_there_are),
        cmocka_unit_test(a_chunk_has_at_least_one_sequence),
        cmocka_unit_test(large_sizes_are_counted_in_64_bits),
    };
    return cmocka_run_group_tests_name("convolution", tests, NULL, NULL);
}
