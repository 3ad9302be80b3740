/* The split equals NumPy's, on the values that make_numpy_split.py wrote. */
#include <inttypes.h>

#include "core/mt19937.h"
#include "run/split.h"
#include "test.h"

#define FIXTURE "tests/parity/numpy_split.txt"

/* Calls check() for every line of the fixture that begins with `kind`; returns how many. */
static int for_lines(const char *kind, void (*check)(char *rest))
{
    FILE *file = fopen(FIXTURE, "r");
    assert_non_null(file);
    char line[4096];
    int lines = 0;
    while (fgets(line, sizeof line, file)) {
        const size_t length = strlen(kind);
        if (strncmp(line, kind, length) != 0 || line[length] != ' ')
            continue;
        check(line + length);
        lines++;
    }
    fclose(file);
    return lines;
}

static uint64_t fnv1a(const int64_t *items, int64_t count, uint64_t hash)
{
    for (int64_t i = 0; i < count; ++i)
        for (int byte = 0; byte < 8; ++byte)
            hash = (hash ^ ((uint64_t)items[i] >> (8 * byte) & 0xff)) * 0x100000001b3u;
    return hash;
}

static void check_draws(char *rest)
{
    dt_mt19937 generator;
    dt_mt19937_seed(&generator, (uint32_t)strtoul(rest, &rest, 10));
    for (int i = 0; i < 8; ++i)
        assert_int_equal(dt_mt19937_next(&generator), strtoul(rest, &rest, 10));
}

static void check_order(char *rest)
{
    dt_mt19937 generator;
    int64_t items[128];
    dt_mt19937_seed(&generator, (uint32_t)strtoul(rest, &rest, 10));
    const int64_t count = strtoll(rest, &rest, 10);
    for (int64_t i = 0; i < count; ++i)
        items[i] = i;
    dt_mt19937_shuffle(&generator, items, count);
    for (int64_t i = 0; i < count; ++i)
        assert_int_equal(items[i], strtoll(rest, &rest, 10));
}

static void check_hash(char *rest)
{
    const uint32_t seed = (uint32_t)strtoul(rest, &rest, 10);
    const int64_t count = strtoll(rest, &rest, 10);
    dt_split split;
    ASSERT_OK(dt_split_create(&split, count, 0.2, seed));
    uint64_t hash = fnv1a(split.training, split.training_count, 0xcbf29ce484222325u);
    hash = fnv1a(split.validation, split.validation_count, hash);
    assert_true(hash == strtoull(rest, &rest, 16));
    if (count == 277336) {
        assert_int_equal(split.training_count, 221868);
        assert_int_equal(split.validation_count, 55468);
    }
    dt_split_free(&split);
}

static void check_count(char *rest)
{
    const int64_t count = strtoll(rest, &rest, 10);
    const double share = strtod(rest, &rest);
    dt_split split;
    ASSERT_OK(dt_split_create(&split, count, share, 42));
    assert_int_equal(split.training_count, strtoll(rest, &rest, 10));
    assert_int_equal(split.training_count + split.validation_count, count);
    dt_split_free(&split);
}

static void generator_gives_numpys_words(void **state)
{
    (void)state;
    assert_int_equal(for_lines("draws", check_draws), 3);
}

static void shuffle_gives_numpys_order(void **state)
{
    (void)state;
    assert_int_equal(for_lines("order", check_order), 7);
}

static void split_of_greengenes2_size_is_deeptaxas(void **state)
{
    (void)state;
    assert_int_equal(for_lines("hash", check_hash), 5);
}

static void training_count_is_pythons(void **state)
{
    (void)state;
    assert_true(for_lines("count", check_count) > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generator_gives_numpys_words),
        cmocka_unit_test(shuffle_gives_numpys_order),
        cmocka_unit_test(split_of_greengenes2_size_is_deeptaxas),
        cmocka_unit_test(training_count_is_pythons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
