#include "predict/unique_ids.h"

#include "unit/io/io_test.h"

static dt_status add(dt_unique_ids *ids, const char *id)
{
    dt_fasta_record record = {.line = 7};
    ASSERT_OK(dt_text_add(&record.id, id, strlen(id)));
    const dt_status status = dt_unique_ids_add(ids, &record, "in.fasta");
    dt_fasta_record_free(&record);
    return status;
}

/* Long and short ids, prefixes of other ids, and many that differ in one character: each is
 * accepted once and refused from then on. */
static void an_id_is_accepted_once(void **state)
{
    (void)state;
    enum { IDS = 20000 };
    dt_unique_ids *ids;
    char id[128];
    ASSERT_OK(dt_unique_ids_create(&ids, "QIIME 2"));
    for (int i = 0; i < IDS; ++i) {
        snprintf(id, sizeof id, "M00967:43:000000000-A3JHG:1:1101:%d:%d_1:N:0:188", i / 150,
                 i % 150);
        ASSERT_OK(add(ids, id));
        snprintf(id, sizeof id, "%d", i);
        ASSERT_OK(add(ids, id));
    }
    memset(id, 'x', sizeof id);
    for (size_t length = sizeof id - 1; length > 0; --length) {
        id[length] = '\0';
        ASSERT_OK(add(ids, id));
    }
    ASSERT_FAILS(DT_ERR_INPUT, "in.fasta: line 7: duplicate id '19999', which QIIME 2 does not",
                 add(ids, "19999"));
    ASSERT_FAILS(DT_ERR_INPUT, "duplicate id 'x'", add(ids, "x"));
    dt_unique_ids_destroy(ids);
}

static void a_file_is_refused_at_the_first_duplicate(void **state)
{
    (void)state;
    write_text("once.fasta", ">a\nACGT\n>b\nACGT\n>ab\nACGT\n");
    write_text("twice.fasta", ">a x\nACGT\n>b\nACGT\n>a y\nAC--G\n");
    ASSERT_OK(dt_unique_ids_check("once.fasta", "BIOM", true, 0));
    ASSERT_FAILS(DT_ERR_INPUT, "twice.fasta: line 5: duplicate id 'a'",
                 dt_unique_ids_check("twice.fasta", "BIOM", true, 0));
    ASSERT_OK(dt_unique_ids_check("twice.fasta", "BIOM", true, 4)); /* the duplicate is left out */
    ASSERT_FAILS(DT_ERR_INPUT, "twice.fasta: line 5: duplicate id 'a'",
                 dt_unique_ids_check("twice.fasta", "BIOM", false, 4));
    ASSERT_FAILS(DT_ERR_IO, "nowhere.fasta", dt_unique_ids_check("nowhere.fasta", "BIOM", true, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_accepted_once),
        cmocka_unit_test(a_file_is_refused_at_the_first_duplicate),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
