/* What is known of a training set is added to a run that lacks it: a model of DeepTaxa's. */
#include "unit/io/io_test.h"

#include "cli/training_set.h"

static const char fasta[] = ">a\nACGTACGTAC\n>b\nACGT\n>c\nACGTAC\n";

/* A run whose genus has an empty label, which is a class of its own to DeepTaxa. */
static void set_run(dt_run *run)
{
    static const char *const phyla[] = {"p__P"};
    static const char *const genera[] = {"g__", "g__A"};
    *run = (dt_run){.config = {.encoding = DT_ENCODING_ONEHOT}};
    ASSERT_OK(dt_taxonomy_add_rank(&run->taxonomy, "phylum", 1, phyla));
    ASSERT_OK(dt_taxonomy_add_rank(&run->taxonomy, "genus", 2, genera));
}

static dt_status add(dt_run *run, const char *table)
{
    ASSERT_OK(dt_write_file("a.fasta", fasta, strlen(fasta)));
    ASSERT_OK(dt_write_file("a.tsv", table, strlen(table)));
    return dt_add_training_set(run, "a.fasta", "a.tsv");
}

static void an_empty_label_is_the_models_class(void **state)
{
    (void)state;
    dt_run run;
    set_run(&run);
    ASSERT_OK(add(&run, "sequence_id\tphylum\tgenus\na\tp__P\tg__A\nb\tp__P\tg__\nc\tp__P\tg__\n"));
    assert_int_equal(dt_lineage_tree_lineages(&run.lineages), 2);
    assert_int_equal(run.lineages.label[1], 0);
    assert_int_equal(run.lineages.label[2], 1);
    assert_true(run.lengths.known);
    assert_int_equal(run.lengths.bases[0], 4);
    assert_int_equal(run.lengths.bases[8], 10);
    assert_non_null(run.strand.profile);
    ASSERT_FAILS(DT_ERR_USAGE, "has the lineages, strand and lengths",
                 dt_add_training_set(&run, "a.fasta", "a.tsv"));
    dt_run_free(&run);
}

/* Lengths are those of the training part. */
static void the_split_of_the_run_counts(void **state)
{
    (void)state;
    dt_run run;
    set_run(&run);
    run.settings.total_sequences = 3;
    run.split = (dt_split){.training_count = 1, .training = calloc(1, sizeof(int64_t))};
    assert_non_null(run.split.training);
    run.split.training[0] = 2;
    ASSERT_OK(add(&run, "sequence_id\tphylum\tgenus\na\tp__P\tg__A\nb\tp__P\tg__\nc\tp__P\tg__\n"));
    assert_int_equal(run.lengths.bases[0], 6);
    assert_int_equal(run.lengths.bases[8], 6);
    dt_run_free(&run);
}

static void another_set_is_refused(void **state)
{
    (void)state;
    dt_run run;
    set_run(&run);
    ASSERT_FAILS(
        DT_ERR_INPUT, "does not know the genus 'g__B' of sequence c",
        add(&run, "sequence_id\tphylum\tgenus\na\tp__P\tg__A\nb\tp__P\tg__\nc\tp__P\tg__B\n"));
    ASSERT_FAILS(DT_ERR_INPUT, "does not know the phylum 'Unclassified' of sequence c",
                 add(&run, "sequence_id\tphylum\tgenus\na\tp__P\tg__A\nb\tp__P\tg__\n"));
    ASSERT_FAILS(DT_ERR_INPUT, "ranks are not those of the model",
                 add(&run, "sequence_id\tphylum\na\tp__P\n"));
    run.settings.total_sequences = 4;
    ASSERT_FAILS(DT_ERR_INPUT, "has 3 sequences, but the model was trained and validated with 4",
                 add(&run, "sequence_id\tphylum\tgenus\na\tp__P\tg__A\n"));
    assert_int_equal(run.lineages.tax_ranks, 0);
    dt_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_label_is_the_models_class),
        cmocka_unit_test(the_split_of_the_run_counts),
        cmocka_unit_test(another_set_is_refused),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
