/* Rows are grouped by their ids, in the order of ids and rows. */
#include "test.h"

#include "core/group.h"

#define MOST 3000

static int32_t order[MOST], first[MOST + 1], group_of_row[MOST];
static uint64_t scratch[2 * MOST];

static int32_t group(const int32_t *ids, int64_t rows, int32_t largest_id)
{
    const dt_groups groups = {order, first, group_of_row};
    memset(order, 0xff, sizeof order);
    memset(first, 0xff, sizeof first);
    memset(group_of_row, 0xff, sizeof group_of_row);
    return dt_group_rows(&groups, ids, rows, largest_id, scratch);
}

static void a_small_batch_is_grouped_as_by_hand(void **state)
{
    (void)state;
    const int32_t ids[] = {7, 300, 7, 5, 300, 7};
    const int32_t wanted_order[] = {3, 0, 2, 5, 1, 4};
    const int32_t wanted_first[] = {0, 1, 4, 6};
    const int32_t wanted_group[] = {1, 2, 1, 0, 2, 1};
    assert_int_equal(group(ids, 6, 300), 3);
    assert_memory_equal(order, wanted_order, sizeof wanted_order);
    assert_memory_equal(first, wanted_first, sizeof wanted_first);
    assert_memory_equal(group_of_row, wanted_group, sizeof wanted_group);
}

/* Ids of one to four bytes. */
static void every_row_stands_once_among_its_equals_in_its_order(void **state)
{
    (void)state;
    static int32_t ids[MOST];
    const int32_t largest[] = {0, 11, 255, 256, 4095, 70000, 20000000, INT32_MAX};
    uint32_t bits = 1;
    for (size_t l = 0; l < sizeof largest / sizeof *largest; ++l) {
        for (int i = 0; i < MOST; ++i) {
            bits = bits * 1664525u + 1013904223u;
            ids[i] = (int32_t)((bits >> 1) % ((uint32_t)largest[l] + 1u));
        }
        ids[MOST / 2] = largest[l];
        const int32_t groups = group(ids, MOST, largest[l]);
        int64_t seen = 0;
        assert_int_equal(first[0], 0);
        assert_int_equal(first[groups], MOST);
        for (int32_t g = 0; g < groups; ++g) {
            assert_true(first[g] < first[g + 1]);
            if (g > 0)
                assert_true(ids[order[first[g - 1]]] < ids[order[first[g]]]);
            for (int32_t i = first[g]; i < first[g + 1]; ++i, ++seen) {
                assert_int_equal(ids[order[i]], ids[order[first[g]]]);
                assert_int_equal(group_of_row[order[i]], g);
                if (i > first[g])
                    assert_true(order[i - 1] < order[i]);
            }
        }
        assert_int_equal(seen, MOST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_batch_is_grouped_as_by_hand),
        cmocka_unit_test(every_row_stands_once_among_its_equals_in_its_order),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
