/* Checkpoints written beside the training hold what was there when they were asked for. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/config.h"
#include "train/checkpoint_writer.h"
#include "run/checkpoint_path.h"
#include "unit/io/io_test.h"
#include "small_run.h"

static dt_backend *backend;
static dt_model *model;
static dt_run run;

static int make_model(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    ASSERT_OK(make_small_run(&run, 64, 64, 2, "{}"));
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    ASSERT_OK(dt_model_create(&model, &run.config, backend, true));
    ASSERT_OK(dt_model_reserve(model, 1, 16));
    return 0;
}

static int free_model(void **state)
{
    dt_model_destroy(model);
    backend->ops->destroy(backend);
    dt_run_free(&run);
    return leave_folder(state);
}

/* Every parameter becomes `value`. */
static void set_parameters(float value)
{
    const int64_t count = dt_model_params(model)->elements;
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; ++i)
        values[i] = value;
    ASSERT_OK(dt_params_write(backend, DT_PARAMETERS, 0, count, values));
    free(values);
}

static float parameter(void)
{
    float value;
    ASSERT_OK(
        dt_params_read(backend, DT_PARAMETERS, dt_model_params(model)->spec[0].offset, 1, &value));
    return value;
}

static void the_file_holds_the_moment_of_the_call(void **state)
{
    (void)state;
    for (int beside = 0; beside <= 1; ++beside) {
        dt_checkpoint_writer *writer;
        bool written;
        const dt_tensor_source source = dt_tensors_of_model(model);
        ASSERT_OK(dt_checkpoint_writer_create(&writer, &source, beside, NULL));
        set_parameters(0.25F);
        run.progress.epoch = 3;
        ASSERT_OK(dt_checkpoint_writer_start(writer, "moment.h5", &run));
        run.progress.epoch = 4;
        set_parameters(0.75F);
        assert_true(dt_checkpoint_writer_wait(writer, -1.0));
        ASSERT_OK(dt_checkpoint_writer_collect(writer, &written));
        assert_true(written);
        ASSERT_OK(dt_checkpoint_writer_collect(writer, &written));
        assert_false(written);
        dt_checkpoint_writer_destroy(writer);

        dt_run read;
        ASSERT_OK(dt_checkpoint_verify("moment.h5"));
        ASSERT_OK(dt_checkpoint_read("moment.h5", &read));
        assert_int_equal(read.progress.epoch, 3);
        dt_run_free(&read);
        ASSERT_OK(dt_checkpoint_read_tensors("moment.h5", model, true));
        assert_true(parameter() == 0.25F);
        unlink("moment.h5");
    }
}

static void a_write_that_fails_is_told_when_it_is_collected(void **state)
{
    (void)state;
    for (int beside = 0; beside <= 1; ++beside) {
        dt_checkpoint_writer *writer;
        bool written;
        const dt_tensor_source source = dt_tensors_of_model(model);
        ASSERT_OK(dt_checkpoint_writer_create(&writer, &source, beside, NULL));
        ASSERT_OK(dt_checkpoint_writer_start(writer, "nowhere/x.h5", &run));
        assert_true(dt_checkpoint_writer_wait(writer, 60.0));
        ASSERT_FAILS(DT_ERR_IO, "nowhere/x.h5", dt_checkpoint_writer_collect(writer, &written));
        ASSERT_OK(dt_checkpoint_writer_start(writer, "after.h5", &run)); /* the next one is free */
        dt_checkpoint_writer_destroy(writer);                            /* waits */
        ASSERT_OK(dt_checkpoint_verify("after.h5"));
        unlink("after.h5");
    }
}

/* ---- the newest checkpoint ---------------------------------------------------------------------
 */

static void put(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "out/checkpoints/%s", name);
    ASSERT_OK(dt_checkpoint_write(path, &run, model, false));
}

static void assert_newest(const char *name)
{
    char path[PATH_MAX];
    ASSERT_OK(dt_newest_checkpoint("out", path));
    assert_string_equal(path[0] ? strrchr(path, '/') + 1 : "", name);
}

static void the_newest_is_the_farthest_whole_one_of_the_run(void **state)
{
    (void)state;
    assert_newest("");
    ASSERT_OK(dt_make_folder("out/checkpoints"));
    assert_newest("");
    put("deeptaxa_id_epoch10_step200.h5");
    put("deeptaxa_id_epoch9.h5");
    put("deeptaxa_id_epoch10_step30.h5"); /* later by the clock and by the alphabet */
    put("deeptaxa_id_epoch2.h5");
    put("deeptaxa_other_epoch99.h5");
    put("something_epoch99.h5");
    assert_newest("deeptaxa_other_epoch99.h5"); /* any run, as long as none is named */
    ASSERT_OK(dt_write_file("out/deeptaxa_uuid.txt", "id\n", 3));
    assert_newest("deeptaxa_id_epoch10_step200.h5");
    put("deeptaxa_id_epoch10.h5");
    assert_newest("deeptaxa_id_epoch10.h5");

    const int fd = open("out/checkpoints/deeptaxa_id_epoch10.h5", O_RDWR);
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, info.st_size / 2), 1);
    byte = (char)~byte;
    assert_int_equal(pwrite(fd, &byte, 1, info.st_size / 2), 1); /* in the values of a tensor */
    close(fd);
    assert_newest("deeptaxa_id_epoch10_step200.h5");
    assert_int_equal(truncate("out/checkpoints/deeptaxa_id_epoch10_step200.h5", 1000), 0);
    assert_newest("deeptaxa_id_epoch10_step30.h5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_holds_the_moment_of_the_call),
        cmocka_unit_test(a_write_that_fails_is_told_when_it_is_collected),
        cmocka_unit_test(the_newest_is_the_farthest_whole_one_of_the_run),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
