/* References in files: they come back as they were; files that do not fit them are refused. */
#include "unit/io/io_test.h"

#include "io/container.h"
#include "run/checkpoint.h"
#include "run/references_file.h"
#include "small_run.h"

static const char *const letters[] = {"ACGTACGTAC", "GGGTTTAAANCCC", "ACGTACGTAC", "TTTTTTTTTTT"};
static const int32_t leaf[] = {1, 0, 1, 0};

/* Collects the sequences, from `first` on. */
static void collect(dt_reference_set *set, int first)
{
    dt_reference_collector *collector;
    ASSERT_OK(dt_reference_collector_create(&collector));
    for (int k = 0; k < 4; ++k) {
        const int i = (first + k) % 4;
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        ASSERT_OK(
            dt_reference_collector_add(collector, id, letters[i], strlen(letters[i]), leaf[i]));
    }
    ASSERT_OK(dt_reference_collector_finish(collector, set));
    dt_reference_collector_destroy(collector);
}

/* A run with two lineages, and references. */
static void make_run(dt_run *run, dt_reference_set *set)
{
    static const int32_t labels[] = {0, 1};
    *run = (dt_run){0};
    ASSERT_OK(make_small_run(run, 8, 8, 1, "{}"));
    snprintf(run->settings.run_uuid, sizeof run->settings.run_uuid, "a9efd989");
    ASSERT_OK(dt_lineage_tree_build(&run->lineages, labels, 2, 1));
    collect(set, 0);
    dt_run_set_references(run, set);
}

static void write_checkpoint(const char *path, const dt_run *run)
{
    dt_param_table table = {0};
    ASSERT_OK(dt_model_layout(&run->config, &table));
    float *copy = calloc((size_t)dt_checkpoint_copy_elements(&table), sizeof *copy);
    assert_non_null(copy);
    ASSERT_OK(
        dt_checkpoint_write_from(path, run, &(dt_tensor_source){.table = &table, .copy = copy}));
    free(copy);
    dt_params_free(&table);
}

static void assert_same_set(const dt_reference_set *a, const dt_reference_set *b, const dt_run *run)
{
    char sum[2][DT_REFERENCE_CHECKSUM];
    dt_reference_set_checksum(a, &run->lineages, sum[0]);
    dt_reference_set_checksum(b, &run->lineages, sum[1]);
    assert_string_equal(sum[0], sum[1]);
    assert_int_equal(a->sequences.count, b->sequences.count);
    assert_int_equal(a->total, b->total);
    assert_string_equal(dt_reference_name(&a->sequences, 1), dt_reference_name(&b->sequences, 1));
}

static void a_set_knows_its_sequences_by_id_and_lineage(void **state)
{
    (void)state;
    dt_reference_set set;
    collect(&set, 0);
    assert_int_equal(set.sequences.count, 3);
    assert_int_equal(set.total, 4);
    for (int i = 0; i < 4; ++i) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        assert_true(dt_reference_set_has(&set, id, leaf[i]));
        assert_false(dt_reference_set_has(&set, id, 1 - leaf[i]));
    }
    assert_false(dt_reference_set_has(&set, "id4", 0));
    dt_reference_set_free(&set);
    assert_false(dt_reference_set_has(&set, "id0", 1));
}

static void references_come_back_from_a_checkpoint_or_from_the_file_beside_it(void **state)
{
    (void)state;
    dt_run run;
    dt_run read;
    dt_reference_set set;
    dt_reference_set found;
    char path[PATH_MAX];
    make_run(&run, &set);
    write_checkpoint("inside.h5", &run);
    ASSERT_OK(dt_checkpoint_read("inside.h5", &read));
    assert_true(read.references.inside);
    ASSERT_OK(dt_references_read("inside.h5", &read, &found));
    assert_same_set(&set, &found, &run);
    dt_reference_set_free(&found);
    dt_run_free(&read);

    ASSERT_OK(dt_references_path(&run, "./beside.h5", path));
    assert_string_equal(path, "./deeptaxa_a9efd989_references.hdf5");
    ASSERT_OK(dt_references_write(path, &run));
    run.references.set = NULL;
    write_checkpoint("beside.h5", &run);
    ASSERT_OK(dt_checkpoint_read("beside.h5", &read));
    assert_false(read.references.inside);
    ASSERT_OK(dt_references_read("beside.h5", &read, &found));
    assert_same_set(&set, &found, &run);
    dt_reference_set_free(&found);
    assert_int_equal(unlink(path), 0);
    ASSERT_FAILS(DT_ERR_INPUT, "which is missing", dt_references_read("beside.h5", &read, &found));
    dt_run_free(&read);
    dt_reference_set_free(&set);
    dt_run_free(&run);
}

/* refused(STATEMENT, WHAT): a checkpoint whose set the statement has changed, sealed as any, is refused
 * when its references are read. */
#define refused(statement, what)                                                                   \
    do {                                                                                           \
        dt_run run;                                                                                \
        dt_run read;                                                                               \
        dt_reference_set set;                                                                      \
        dt_reference_set found;                                                                    \
        make_run(&run, &set);                                                                      \
        dt_reference_set changed = set;                                                            \
        run.references.set = &changed;                                                             \
        statement;                                                                                 \
        write_checkpoint("crafted.h5", &run);                                                      \
        ASSERT_OK(dt_checkpoint_read("crafted.h5", &read));                                        \
        ASSERT_FAILS(DT_ERR_INPUT, (what), dt_references_read("crafted.h5", &read, &found));       \
        assert_null(found.sequences.leaf);                                                         \
        dt_run_free(&read);                                                                        \
        dt_reference_set_free(&set);                                                               \
        dt_run_free(&run);                                                                         \
    } while (0)

static void arrays_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    refused(changed.sequences.count = 2, "references/leaf has 2 elements instead of 3");
    refused(run.references.sequences = 2, "references/leaf has 3 elements instead of 2");
    refused(changed.total = 3, "references/ids has 3 elements instead of 4");
    refused(run.references.total = 5, "references/ids has 4 elements instead of 5");
    refused(changed.sequences.leaf[2] = 2, "damaged");
    refused(changed.sequences.leaf[0] = -1, "damaged");
    refused(changed.sequences.copies[0] = 0, "damaged");
    refused(changed.sequences.copies[0] = 7, "damaged");
    refused(changed.sequences.length[0] = 1 << 30, "damaged");
    refused(changed.sequences.break_count[0] = 3, "damaged");
    refused(changed.sequences.break_at[0] = 4000, "damaged");
    refused(changed.sequences.base_bytes = 1, "damaged");
    refused(changed.sequences.breaks = 0, "damaged");
    refused(changed.sequences.name_bytes -= 2, "damaged");
    refused(changed.ids[0] = INT64_MAX, "damaged");
    refused(changed.sequences.bases[0] ^= 1, "checksum");
    refused(memcpy(run.references.checksum, "0000000000000000", 17), "checksum");
}

static void descriptions_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const struct {
        int64_t sequences, total;
        const char *checksum;
        bool lineages;
        const char *what;
    } cases[] = {
        {-1, 4, "0123456789abcdef", true, "invalid description of its references"},
        {3, 2, "0123456789abcdef", true, "invalid description of its references"},
        {(int64_t)1 << 40, (int64_t)1 << 41, "0123456789abcdef", true, "invalid description"},
        {3, 4, "0123", true, "invalid description"},
        {3, 4, "0123456789abcdef", false, "references without lineages"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        dt_run run;
        dt_run read;
        dt_reference_set set;
        make_run(&run, &set);
        run.references =
            (dt_run_references){.sequences = cases[i].sequences, .total = cases[i].total};
        snprintf(run.references.checksum, sizeof run.references.checksum, "%s", cases[i].checksum);
        if (!cases[i].lineages)
            dt_lineage_tree_free(&run.lineages);
        write_checkpoint("crafted.h5", &run);
        ASSERT_FAILS(DT_ERR_INPUT, cases[i].what, dt_checkpoint_read("crafted.h5", &read));
        dt_reference_set_free(&set);
        dt_run_free(&run);
    }
}

static void what_calibrate_found_comes_back_and_is_checked(void **state)
{
    (void)state;
    dt_run run;
    dt_run read;
    dt_reference_set set;
    make_run(&run, &set);
    run.lineage_temperature = 2.5;
    run.neighbours = (dt_run_neighbours){.count = 7,
                                         .weight = 0.25,
                                         .exponent = 30.0,
                                         .temperature = 1.5,
                                         .similarities = 1,
                                         .similarity = {0.75}};
    write_checkpoint("fitted.h5", &run);
    ASSERT_OK(dt_checkpoint_read("fitted.h5", &read));
    assert_true(read.lineage_temperature == 2.5 && read.neighbours.count == 7 &&
                read.neighbours.weight == 0.25 && read.neighbours.exponent == 30.0 &&
                read.neighbours.temperature == 1.5 && read.neighbours.similarities == 1 &&
                read.neighbours.similarity[0] == 0.75);
    dt_run_free(&read);
    const dt_run_neighbours good = run.neighbours;
    for (int i = 0; i < 8; ++i) {
        run.neighbours = good;
        run.lineage_temperature = i == 7 ? -1.0 : 2.5;
        run.neighbours.count = i == 0 ? 1001 : i == 1 ? -1 : 7;
        run.neighbours.weight = i == 2 ? 1.5 : 0.25;
        run.neighbours.exponent = i == 3 ? -1.0 : 30.0;
        run.neighbours.temperature = i == 4 ? 0.0 : i == 5 ? (double)NAN : 1.5;
        run.neighbours.similarity[0] = i == 6 ? (double)INFINITY : 0.75;
        write_checkpoint("crafted.h5", &run);
        if (i == 7) { /* not written: nothing was found */
            ASSERT_OK(dt_checkpoint_read("crafted.h5", &read));
            assert_true(read.lineage_temperature == 0.0);
            dt_run_free(&read);
            continue;
        }
        ASSERT_FAILS(DT_ERR_INPUT, "crafted.h5: damaged: invalid",
                     dt_checkpoint_read("crafted.h5", &read));
    }
    dt_reference_set_free(&set);
    dt_run_free(&run);
}

static void a_checksum_tells_sequences_and_lineages_apart(void **state)
{
    (void)state;
    static const int32_t labels[] = {0, 1};
    static const int32_t others[] = {0, 1, 1, 0};
    dt_reference_set set;
    dt_reference_set turned;
    dt_lineage_tree tree;
    dt_lineage_tree other;
    char sum[4][DT_REFERENCE_CHECKSUM];
    collect(&set, 0);
    collect(&turned,
            1); /* the same sequences in another order: another is the first of its copies */
    ASSERT_OK(dt_lineage_tree_build(&tree, labels, 2, 1));
    ASSERT_OK(dt_lineage_tree_build(&other, others, 2, 2));
    dt_reference_set_checksum(&set, &tree, sum[0]);
    dt_reference_set_checksum(&set, &other, sum[1]);
    dt_reference_set_checksum(&turned, &tree, sum[2]);
    set.ids[0]++;
    dt_reference_set_checksum(&set, &tree, sum[3]);
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < i; ++j)
            assert_string_not_equal(sum[i], sum[j]);
    dt_lineage_tree_free(&tree);
    dt_lineage_tree_free(&other);
    dt_reference_set_free(&set);
    dt_reference_set_free(&turned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_knows_its_sequences_by_id_and_lineage),
        cmocka_unit_test(references_come_back_from_a_checkpoint_or_from_the_file_beside_it),
        cmocka_unit_test(arrays_that_do_not_fit_are_refused),
        cmocka_unit_test(descriptions_that_do_not_fit_are_refused),
        cmocka_unit_test(what_calibrate_found_comes_back_and_is_checked),
        cmocka_unit_test(a_checksum_tells_sequences_and_lineages_apart),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
