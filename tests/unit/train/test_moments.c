/* Moments that the ranks of a host share come together in the checkpoint of rank 0. */
#include <unistd.h>

#include "model/config.h"
#include "small_run.h"
#include "train/checkpoint_writer.h"
#include "train/moments.h"
#include "unit/io/io_test.h"
#include "unit/train/thread_comm.h"

static dt_run run;

static int make_run(void **state)
{
    if (enter_folder(state) != 0)
        return -1;
    /* a share has several pieces */
    return make_small_run(&run, 64, 4096, 2, "{}") == DT_OK ? 0 : -1;
}

static int free_run(void **state)
{
    dt_run_free(&run);
    return leave_folder(state);
}

static float number_of(dt_vector which, int64_t i)
{
    return (float)((i * 7919 + (int64_t)which * 104729) % 1000003);
}

/* Opens a rank's backend and model; every element of a vector that it keeps has a number of its
 * own. */
static dt_model *open_model(dt_moments *moments, dt_comm *comm)
{
    dt_backend *backend;
    dt_model *model;
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    ASSERT_OK(dt_model_create(&model, &run.config, backend, true));
    const dt_param_table *table = dt_model_params(model);
    const int64_t whole = dt_model_vector_bytes(model);
    if (comm)
        dt_moments_share(moments, comm, backend, table->trained);
    if (comm && comm->local_size > 1)
        assert_true(dt_model_vector_bytes(model) <
                    whole - 2 * (table->trained - table->trained / comm->local_size - 64) * 4);
    ASSERT_OK(dt_model_reserve(model, 1, 16));
    float *values;
    ASSERT_OK(DT_NEW(values, (size_t)table->elements));
    for (int v = 0; v < DT_VECTORS; ++v) {
        for (int64_t i = 0; i < table->elements; ++i)
            values[i] = number_of((dt_vector)v, i);
        ASSERT_OK(dt_params_write(backend, (dt_vector)v, 0, table->elements, values));
    }
    free(values);
    return model;
}

static void close_model(dt_model *model)
{
    dt_backend *backend = dt_model_backend(model);
    dt_model_destroy(model);
    backend->ops->destroy(backend);
}

typedef struct {
    bool background;
    const char *path;
    dt_status expected; /* of the write */
} job;

static dt_status write_checkpoint(const job *j, const dt_model *model, dt_moments *moments)
{
    dt_checkpoint_writer *writer;
    bool written;
    dt_tensor_source source = dt_tensors_of_model(model);
    source.moments = dt_moments_reader(moments);
    ASSERT_OK(dt_checkpoint_writer_create(&writer, &source, j->background, NULL));
    ASSERT_OK(dt_checkpoint_writer_start(writer, j->path, &run));
    ASSERT_OK(dt_moments_end(moments));
    dt_checkpoint_writer_wait(writer, -1.0);
    const dt_status status = dt_checkpoint_writer_collect(writer, &written);
    dt_checkpoint_writer_destroy(writer);
    return status;
}

static void save_as_rank(dt_comm *comm, void *context)
{
    const job *j = context;
    dt_moments moments;
    dt_model *model = open_model(&moments, comm);
    ASSERT_OK(dt_moments_open(&moments));
    if (comm->world_rank == 0)
        assert_int_equal(write_checkpoint(j, model, &moments), j->expected);
    else
        ASSERT_OK(dt_moments_answer(&moments));
    dt_moments_free(&moments);
    close_model(model);
}

static void save(int32_t ranks, job j)
{
    thread_world world;
    thread_world_init(&world, ranks);
    run_ranks(&world, save_as_rank, &j);
}

/* The file has all numbers: read into a model that holds everything, but had other ones. */
static void assert_complete(const char *path)
{
    dt_model *model = open_model(NULL, NULL);
    dt_backend *backend = dt_model_backend(model);
    const dt_param_table *table = dt_model_params(model);
    float *values;
    ASSERT_OK(DT_NEW(values, (size_t)table->elements));
    for (int v = 0; v < DT_VECTORS; ++v)
        ASSERT_OK(dt_params_write(backend, (dt_vector)v, 0, table->elements, values));
    ASSERT_OK(dt_checkpoint_read_tensors(path, model, true));
    for (int v = 0; v < DT_VECTORS; ++v) {
        ASSERT_OK(dt_params_read(backend, (dt_vector)v, 0, table->elements, values));
        for (int32_t s = 0; s < table->count && v != DT_GRADIENTS; ++s)
            for (int64_t i = table->spec[s].offset;
                 i < table->spec[s].offset + table->spec[s].count; ++i)
                if ((v == DT_PARAMETERS || i < table->trained) &&
                    values[i] != number_of((dt_vector)v, i))
                    fail_msg("%s, vector %d: element %lld is %g", path, v, (long long)i,
                             (double)values[i]);
    }
    free(values);
    close_model(model);
}

static void a_checkpoint_has_the_moments_of_all_ranks(void **state)
{
    (void)state;
    for (int32_t ranks = 1; ranks <= 3; ranks += 2)
        for (int background = 0; background <= 1; ++background) {
            save(ranks, (job){background, "shared.h5", DT_OK});
            assert_complete("shared.h5");
            unlink("shared.h5");
        }
}

static void a_write_that_fails_leaves_no_rank_behind(void **state)
{
    (void)state;
    for (int background = 0; background <= 1; ++background)
        save(3, (job){background, "nowhere/x.h5", DT_ERR_IO});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_has_the_moments_of_all_ranks),
        cmocka_unit_test(a_write_that_fails_leaves_no_rank_behind),
    };
    return cmocka_run_group_tests(tests, make_run, free_run);
}
