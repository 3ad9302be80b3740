/* An exported checkpoint has the tensors of the file that it was made from, or is not made. */
#include "unit/io/io_test.h"

#include <math.h>

#include "io/container.h"
#include "run/checkpoint.h"
#include "small_run.h"

static dt_run run;

/* A checkpoint of `run`: number i of the flat vectors is i, except number `at` of vector `group`. */
static void write_changed(const char *path, int group, int64_t at, float value)
{
    dt_param_table table = {0};
    float *copy;
    ASSERT_OK(dt_model_layout(&run.config, &table));
    const int64_t count = dt_checkpoint_copy_elements(&table);
    copy = malloc((size_t)count * sizeof *copy);
    assert_non_null(copy);
    for (int64_t i = 0; i < count; ++i)
        copy[i] = (float)i;
    copy[group * table.elements + at] = value;
    ASSERT_OK(
        dt_checkpoint_write_from(path, &run, &(dt_tensor_source){.table = &table, .copy = copy}));
    free(copy);
    dt_params_free(&table);
}

static int write_original(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    /* matrices of several pieces, the last one incomplete */
    ASSERT_OK(make_small_run(&run, 8, 70000, 1, "{}"));
    write_changed("original.h5", 0, 0, 0.0f);
    return 0;
}

static int free_run(void **state)
{
    dt_run_free(&run);
    return leave_folder(state);
}

/* Exports what original.h5 says of itself. */
static void export_with(bool has_optimizer, const char *path)
{
    dt_run content;
    ASSERT_OK(dt_checkpoint_read("original.h5", &content));
    assert_true(content.has_optimizer);
    content.has_optimizer = has_optimizer;
    ASSERT_OK(dt_checkpoint_export(path, &content, "original.h5"));
    dt_run_free(&content);
}

static void assert_same_array(dt_container *a, dt_container *b, const dt_array_info *info)
{
    char *values = malloc(2 * (size_t)info->bytes);
    assert_non_null(values);
    ASSERT_OK(dt_container_get_array(a, info->name, info->element, info->dimensions, info->shape,
                                     values));
    ASSERT_OK(dt_container_get_array(b, info->name, info->element, info->dimensions, info->shape,
                                     values + info->bytes));
    assert_memory_equal(values, values + info->bytes, (size_t)info->bytes);
    free(values);
}

/* All arrays of `group` are the same in both files; returns how many there are. */
static int64_t same_arrays(const char *group, const char *path)
{
    dt_container *a;
    dt_container *b;
    dt_array_info *infos;
    int64_t count;
    ASSERT_OK(
        dt_container_open(&a, "original.h5", DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    ASSERT_OK(dt_container_open(&b, path, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    ASSERT_OK(dt_container_list(a, group, &infos, &count));
    for (int64_t i = 0; i < count; ++i)
        assert_same_array(a, b, &infos[i]);
    dt_array_infos_free(infos, count);
    dt_container_close(a);
    dt_container_close(b);
    return count;
}

static void tensors_of_many_pieces_are_copied_whole(void **state)
{
    (void)state;
    export_with(true, "copy.h5");
    ASSERT_OK(dt_checkpoint_verify("copy.h5"));
    assert_true(same_arrays("model", "copy.h5") > 10);
    assert_true(same_arrays("optimizer", "copy.h5") > 20);
    export_with(false, "light.h5");
    ASSERT_OK(dt_checkpoint_verify("light.h5"));
    assert_true(same_arrays("model", "light.h5") > 10);
}

static void time_and_program_version_are_kept(void **state)
{
    (void)state;
    dt_run content;
    dt_run read;
    ASSERT_OK(dt_checkpoint_read("original.h5", &content));
    snprintf(content.timestamp, sizeof content.timestamp, "2001-01-01T00:00:00");
    snprintf(content.version, sizeof content.version, "0.0.1");
    ASSERT_OK(dt_checkpoint_export("dated.h5", &content, "original.h5"));
    ASSERT_OK(dt_checkpoint_read("dated.h5", &read));
    assert_string_equal(read.timestamp, "2001-01-01T00:00:00");
    assert_string_equal(read.version, "0.0.1");
    assert_int_equal(read.parameters, content.parameters);
    dt_run_free(&content);
    dt_run_free(&read);
}

static void primers_are_kept_and_checked(void **state)
{
    (void)state;
    dt_run content;
    dt_run read;
    ASSERT_OK(dt_checkpoint_read("original.h5", &content));
    assert_string_equal(content.primers.forward, "");
    ASSERT_OK(dt_primers_choose(&content.primers, "v3-v4", NULL, NULL));
    ASSERT_OK(dt_checkpoint_export("region.h5", &content, "original.h5"));
    ASSERT_OK(dt_checkpoint_read("region.h5", &read));
    assert_string_equal(read.primers.region, "V3V4");
    assert_string_equal(read.primers.forward, "CCTACGGGNGGCWGCAG");
    assert_string_equal(read.primers.reverse, "GACTACHVGGGTATCTAATCC");
    dt_run_free(&read);
    content.primers.reverse[3] = '-';
    ASSERT_OK(dt_checkpoint_export("region.h5", &content, "original.h5"));
    ASSERT_FAILS(DT_ERR_INPUT, "region.h5: damaged: invalid primers",
                 dt_checkpoint_read("region.h5", &read));
    dt_run_free(&content);
}

static void what_is_not_in_the_source_is_refused(void **state)
{
    (void)state;
    dt_run content;
    ASSERT_OK(dt_checkpoint_read("original.h5", &content));
    export_with(false, "light.h5");
    ASSERT_FAILS(DT_ERR_INPUT, "light.h5: ", dt_checkpoint_export("no.h5", &content, "light.h5"));
    content.config.intermediate = 69999; /* rows are as long, and there would be enough of them */
    ASSERT_FAILS(DT_ERR_INPUT, "original.h5: damaged: the shape of '",
                 dt_checkpoint_export("no.h5", &content, "original.h5"));
    assert_int_not_equal(access("no.h5", F_OK), 0);
    dt_run_free(&content);
}

/* They would make every output of the model NaN, or every update. */
static void values_that_no_training_writes_are_refused(void **state)
{
    (void)state;
    static const struct {
        int group;
        float value;
        const char *message;
    } wrong[] = {{0, NAN, "a.h5: damaged, or its training diverged: 'model/"},
                 {0, -INFINITY, "is not finite"},
                 {1, INFINITY, "'optimizer/exp_avg/"},
                 {2, NAN, "'optimizer/exp_avg_sq/"},
                 {2, -1e-9f, "is negative or not finite"}};
    dt_run content;
    ASSERT_OK(dt_checkpoint_read("original.h5", &content));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        write_changed("a.h5", wrong[i].group, 300, wrong[i].value);
        ASSERT_FAILS(DT_ERR_INPUT, wrong[i].message,
                     dt_checkpoint_export("no.h5", &content, "a.h5"));
        assert_int_not_equal(access("no.h5", F_OK), 0);
    }
    write_changed("a.h5", 1, 300, -1.0f);
    ASSERT_OK(dt_checkpoint_export("yes.h5", &content, "a.h5"));
    dt_run_free(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_many_pieces_are_copied_whole),
        cmocka_unit_test(time_and_program_version_are_kept),
        cmocka_unit_test(primers_are_kept_and_checked),
        cmocka_unit_test(what_is_not_in_the_source_is_refused),
        cmocka_unit_test(values_that_no_training_writes_are_refused),
    };
    return cmocka_run_group_tests(tests, write_original, free_run);
}
