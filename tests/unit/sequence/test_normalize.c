#include "test.h"

#include "sequence/normalize.h"

static void assert_normalizes(const char *from, const char *to)
{
    char text[128];
    snprintf(text, sizeof text, "%s", from);
    const size_t length = dt_normalize(text, strlen(from));
    assert_int_equal(length, strlen(to));
    assert_memory_equal(text, to, length);
}

static void letters_become_upper_case_and_u_becomes_t(void **state)
{
    (void)state;
    assert_normalizes("acgtuACGTUnryswkm", "ACGTTACGTTNRYSWKM");
    assert_normalizes("`az{@AZ[ *1", "`AZ{@AZ[ *1");
    assert_normalizes("", "");
}

static void gaps_are_dropped_wherever_they_stand(void **state)
{
    (void)state;
    assert_normalizes("--ac..g-u.", "ACGT");
    assert_normalizes("...---", "");
    assert_normalizes("acguacguacguacguacguacguacguacguacguacguacguacgu-acgu",
                      "ACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT");
}

/* Every byte that is neither a letter nor a gap stays, NUL and bytes of UTF-8 too. */
static void other_bytes_stay(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; ++byte) {
        char text[1] = {(char)byte};
        const size_t length = dt_normalize(text, 1);
        if (byte == '-' || byte == '.') {
            assert_int_equal(length, 0);
            continue;
        }
        assert_int_equal(length, 1);
        const int upper = byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte;
        assert_int_equal((unsigned char)text[0], upper == 'U' ? 'T' : upper);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_become_upper_case_and_u_becomes_t),
        cmocka_unit_test(gaps_are_dropped_wherever_they_stand),
        cmocka_unit_test(other_bytes_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
