/* References: packing, order, copies, and arrays that came from a file. */
#include "core/memory.h"
#include "neighbours/references.h"
#include "test.h"

typedef struct {
    const char *name, *sequence;
    int32_t leaf;
} labelled;

static void build(dt_references *out, const labelled *of, size_t count)
{
    dt_reference_builder *builder;
    ASSERT_OK(dt_reference_builder_create(&builder));
    for (size_t i = 0; i < count; ++i)
        ASSERT_OK(dt_reference_builder_add(builder, of[i].name, of[i].sequence,
                                           strlen(of[i].sequence), of[i].leaf));
    ASSERT_OK(dt_reference_builder_finish(builder, out));
    dt_reference_builder_destroy(builder);
}

static void assert_reference(const dt_references *r, int32_t i, labelled expected, int32_t copies)
{
    char text[64] = "";
    assert_true(dt_reference_text_length(r, i) < 64);
    dt_reference_text(r, i, text);
    assert_string_equal(text, expected.sequence);
    assert_string_equal(dt_reference_name(r, i), expected.name);
    assert_int_equal(r->leaf[i], expected.leaf);
    assert_int_equal(r->copies[i], copies);
}

static const labelled some[] = {
    {"late", "GATTACAGATTACA", 7}, {"b", "ACGTACGTA", 2},
    {"b2", "acguACGUa", 2},        {"other leaf", "ACGTACGTA", 3},
    {"broken", "NNACNNRGTN", 2},   {"broken too", "acngt", 2},
    {"elsewhere", "ACGNT", 2},     {"", "", 0},
    {"only N", "NNN-", 0},         {"b3", "ACGTACGTA", 2},
};

static void equal_sequences_of_a_leaf_are_one_reference(void **state)
{
    (void)state;
    dt_references r;
    build(&r, some, sizeof some / sizeof *some);
    assert_int_equal(r.count, 6);
    assert_reference(&r, 0, (labelled){"", "", 0}, 2);
    assert_reference(&r, 1, (labelled){"broken", "ACNGT", 2}, 2);
    assert_reference(&r, 2, (labelled){"elsewhere", "ACGNT", 2}, 1);
    assert_reference(&r, 3, (labelled){"b", "ACGTACGTA", 2}, 3);
    assert_reference(&r, 4, (labelled){"other leaf", "ACGTACGTA", 3}, 1);
    assert_reference(&r, 5, (labelled){"late", "GATTACAGATTACA", 7}, 1);
    assert_int_equal(r.base_bytes, 0 + 1 + 1 + 3 + 3 + 4);
    assert_int_equal(r.breaks, 2);
    dt_references_free(&r);
}

static void a_reference_is_found_by_sequence_and_leaf(void **state)
{
    (void)state;
    dt_references r;
    build(&r, some, sizeof some / sizeof *some);
    const struct {
        const char *sequence;
        int32_t leaf, found;
    } cases[] = {{"ACGTACGTA", 2, 3}, {"acguacgua", 3, 4},  {"ACGTACGTA", 7, -1},
                 {"ACGTACGT", 2, -1}, {"ACGTACGTC", 2, -1}, {"NACNNGTNN", 2, 1},
                 {"ACGNT", 2, 2},     {"ACGT", 2, -1},      {"ACGTACGTAA", 2, -1},
                 {"ANCGNT", 2, -1},   {"", 0, 0},           {"NN", 0, 0},
                 {"", 1, -1},         {"ACNGTN", 9, -1},    {"GATTACAGATTACA", 7, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        assert_int_equal(
            dt_references_find(&r, cases[i].sequence, strlen(cases[i].sequence), cases[i].leaf),
            cases[i].found);
    dt_references_free(&r);
}

/* So many that equal ones are united on the way. */
static void numbers_do_not_depend_on_the_order(void **state)
{
    (void)state;
    enum { SEQUENCES = 150000, DIFFERENT = 4096 };
    dt_references r[2];
    for (int turned = 0; turned < 2; ++turned) {
        dt_reference_builder *builder;
        ASSERT_OK(dt_reference_builder_create(&builder));
        for (uint32_t i = 0; i < SEQUENCES; ++i) {
            const uint32_t at = (turned ? SEQUENCES - 1 - i : i) * 2654435761u % DIFFERENT;
            char text[8] = "";
            char name[8];
            for (uint32_t x = at, b = 0; b < 6; ++b, x /= 4)
                text[b] = "ACGT"[x % 4];
            snprintf(name, sizeof name, "%u", at);
            ASSERT_OK(dt_reference_builder_add(builder, name, text, 6, (int32_t)at % 3));
        }
        ASSERT_OK(dt_reference_builder_finish(builder, &r[turned]));
        dt_reference_builder_destroy(builder);
    }
    int64_t copies = 0;
    assert_int_equal(r[0].count, DIFFERENT);
    assert_int_equal(r[1].count, DIFFERENT);
    assert_int_equal(r[0].base_bytes, 2 * DIFFERENT);
    assert_memory_equal(r[0].bases, r[1].bases, 2 * (size_t)DIFFERENT);
    assert_memory_equal(r[0].leaf, r[1].leaf, DIFFERENT * sizeof *r[0].leaf);
    assert_memory_equal(r[0].copies, r[1].copies, DIFFERENT * sizeof *r[0].copies);
    for (int32_t i = 0; i < DIFFERENT; ++i) {
        copies += r[0].copies[i];
        assert_string_equal(dt_reference_name(&r[0], i), dt_reference_name(&r[1], i));
    }
    assert_int_equal(copies, SEQUENCES);
    dt_references_free(&r[0]);
    dt_references_free(&r[1]);
}

/* What a file holds, without what follows from it. */
static dt_references as_read(const dt_references *from)
{
    dt_references r = *from;
    r.first_byte = r.first_break = r.first_name = NULL;
    return r;
}

static void forget(dt_references *r)
{
    free(r->first_byte);
    free(r->first_break);
    free(r->first_name);
}

static void arrays_of_a_file_are_checked(void **state)
{
    (void)state;
    dt_references good;
    build(&good, some, sizeof some / sizeof *some);
    dt_references r = as_read(&good);
    ASSERT_OK(dt_references_complete(&r, 8, "run.h5"));
    assert_memory_equal(r.first_byte, good.first_byte, 7 * sizeof *r.first_byte);
    assert_memory_equal(r.first_break, good.first_break, 7 * sizeof *r.first_break);
    assert_memory_equal(r.first_name, good.first_name, 7 * sizeof *r.first_name);
    forget(&r);

    const struct {
        int32_t *place, wrong;
    } faults[] = {
        {&good.leaf[0], -1},       {&good.leaf[5], 8},        {&good.leaf[3], 4},
        {&good.copies[1], 0},      {&good.length[2], -3},     {&good.length[3], 13},
        {&good.break_count[1], 2}, {&good.break_count[2], 0}, {&good.break_count[0], -1},
        {&good.break_at[0], 0},    {&good.break_at[1], 4},    {&good.length[5], INT32_MAX}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; ++i) {
        const int32_t right = *faults[i].place;
        *faults[i].place = faults[i].wrong;
        r = as_read(&good);
        ASSERT_FAILS(DT_ERR_INPUT, "run.h5: its reference",
                     dt_references_complete(&r, 8, "run.h5"));
        forget(&r);
        *faults[i].place = right;
    }
    int64_t *const sizes[] = {&r.base_bytes, &r.breaks, &r.name_bytes};
    for (int i = 0; i < 6; ++i) {
        r = as_read(&good);
        *sizes[i / 2] += i % 2 ? 1 : -1;
        if (i == 5) { /* one name more than there are references */
            r.names = calloc((size_t)r.name_bytes, 1);
            memcpy(r.names, good.names, (size_t)good.name_bytes);
        }
        ASSERT_FAILS(DT_ERR_INPUT, "run.h5: its reference",
                     dt_references_complete(&r, 8, "run.h5"));
        if (i == 5)
            free(r.names);
        forget(&r);
    }
    dt_references_free(&good);
}

static void there_may_be_no_references(void **state)
{
    (void)state;
    dt_references r;
    build(&r, NULL, 0);
    assert_int_equal(r.count, 0);
    assert_int_equal(dt_references_find(&r, "ACGT", 4, 0), -1);
    dt_references_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sequences_of_a_leaf_are_one_reference),
        cmocka_unit_test(a_reference_is_found_by_sequence_and_leaf),
        cmocka_unit_test(numbers_do_not_depend_on_the_order),
        cmocka_unit_test(arrays_of_a_file_are_checked),
        cmocka_unit_test(there_may_be_no_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
