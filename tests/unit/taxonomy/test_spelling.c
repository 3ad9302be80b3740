/* How labels are spelled, and which ones are spelled alike. */
#include "taxonomy/spelling.h"

#include "test.h"

static size_t prefix(const char *label)
{
    return dt_label_prefix(label, strlen(label));
}

static void a_prefix_is_short_or_numbered_or_the_name_of_a_rank(void **state)
{
    (void)state;
    assert_int_equal(prefix("d__Bacteria"), 3);
    assert_int_equal(prefix("g__"), 3);
    assert_int_equal(prefix("sf__Sub"), 4);
    assert_int_equal(prefix("R1__root"), 4);
    assert_int_equal(prefix("D_0__Bacteria"), 5);
    assert_int_equal(prefix("D_14__"), 6);
    assert_int_equal(prefix("no rank__root"), 9);
    assert_int_equal(prefix("Phylum__X"), 8);

    static const char *const none[] = {
        "",     "_",      "__",        "__x",  "d_x",     "Bacteria", "Incertae__",
        "1__x", "D_a__x", "Fooo__bar", "d _x", "abcd__x", "D_1_x__",  "Genus sp__1"};
    for (size_t i = 0; i < sizeof none / sizeof *none; ++i)
        if (prefix(none[i]) != 0)
            fail_msg("'%s' has no prefix", none[i]);
}

static double likeness(const char *a, const char *b)
{
    return dt_label_likeness(a, strlen(a), b, strlen(b));
}

static bool alike(const char *a, const char *b)
{
    return dt_labels_alike(a, strlen(a), b, strlen(b));
}

static void labels_are_alike_but_for_prefix_case_and_underscores(void **state)
{
    (void)state;
    char out[32];
    assert_int_equal(dt_label_plain(out, "s__Vibrio_Cholerae", 18), 15);
    assert_memory_equal(out, "vibrio cholerae", 15);
    assert_true(alike("d__Bacteria", "k__Bacteria"));
    assert_true(alike("Bacteria", "d__BACTERIA"));
    assert_true(alike("s__A b", "s__A_b"));
    assert_false(alike("s__A b", "s__A c"));
    assert_false(alike("Vibrio", "Vibrion"));
    assert_false(alike("g__", "g__Vibrio"));
}

static void likeness_is_the_common_beginning_or_end(void **state)
{
    (void)state;
    assert_true(likeness("s__Vibrio cholerae", "s__Vibrio_cholerae") == 1.0);
    assert_true(fabs(likeness("cholerae", "s__Vibrio_cholerae") - 8.0 / 15.0) < 1e-12);
    assert_true(fabs(likeness("Bacillota", "p__Bacillota_A") - 9.0 / 11.0) < 1e-12);
    assert_true(likeness("abc", "xyz") == 0.0);
    assert_true(likeness("abc", "g__") == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_short_or_numbered_or_the_name_of_a_rank),
        cmocka_unit_test(labels_are_alike_but_for_prefix_case_and_underscores),
        cmocka_unit_test(likeness_is_the_common_beginning_or_end),
    };
    return cmocka_run_group_tests_name("spelling", tests, NULL, NULL);
}
