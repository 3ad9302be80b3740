/* Choosing how much of a batch a device computes at a time, on a device that has less memory than
 * it is asked for: the CPU backend with another memory. */
#include "model/fit.h"
#include "test.h"
#include "published_sizes.h"

/* The device: what it says of its memory, and what one allocation may be at most. Operations of a
 * backend get no context, so it stands here. */
static struct {
    dt_backend_ops ops;
    const dt_backend_ops *real;
    int64_t available, total;
    int64_t largest;
    int refusals;
} device;

static void says_memory(dt_backend *backend, int64_t *available, int64_t *total)
{
    (void)backend;
    *available = device.available;
    *total = device.total;
}

static dt_status short_alloc(dt_backend *backend, void **out, int64_t bytes)
{
    if (bytes <= device.largest)
        return device.real->alloc(backend, out, bytes);
    *out = NULL;
    device.refusals++;
    return dt_fail(DT_ERR_MEMORY, "no %lld bytes", (long long)bytes);
}

static dt_status no_vectors(dt_backend *backend, int64_t count, bool training)
{
    (void)backend;
    (void)count;
    (void)training;
    device.refusals++;
    return dt_fail(DT_ERR_MEMORY, "no vectors");
}

static dt_backend *open_device(bool gpu)
{
    dt_backend *backend;
    ASSERT_OK(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    device.real = backend->ops;
    device.ops = *backend->ops;
    device.ops.memory = says_memory;
    device.ops.alloc = short_alloc;
    device.available = device.total = device.largest = INT64_MAX / 4;
    device.refusals = 0;
    backend->ops = &device.ops;
    backend->host_memory = !gpu;
    return backend;
}

#define MAX_LENGTH 64

static dt_model *small_model(dt_backend *backend, bool training)
{
    dt_model *model;
    dt_model_config config = published_sizes();
    config.vocabulary = 6;
    config.max_length = MAX_LENGTH;
    config.embed_dim = config.filters = config.intermediate = 4;
    config.hidden = 4;
    config.heads = 2;
    config.layers = 2;
    config.tax_ranks = 2;
    config.classes[0] = 2;
    config.classes[1] = 3;
    ASSERT_OK(dt_model_create(&model, &config, backend, training));
    return model;
}

static dt_status all_long(const void *context, int32_t asked, int32_t *sequences, int64_t *tokens)
{
    *sequences = asked;
    (void)context;
    *tokens = (int64_t)asked * MAX_LENGTH;
    return DT_OK;
}

static dt_fit fit_of(dt_model *model)
{
    return (dt_fit){.model = model, .bound = all_long, .flag = "pieces", .advice = "buy memory"};
}

static int64_t bytes_of(const dt_fit *fit, int32_t sequences)
{
    int64_t bytes;
    ASSERT_OK(dt_fit_bytes(fit, sequences, &bytes));
    return bytes;
}

static void close_device(dt_model *model, dt_backend *backend)
{
    dt_model_destroy(model);
    backend->ops = device.real;
    backend->ops->destroy(backend);
}

static void what_fits_stays(void **state)
{
    (void)state;
    dt_backend *backend = open_device(true);
    dt_model *model = small_model(backend, true);
    const dt_fit fit = fit_of(model);
    int32_t sequences = 48;
    ASSERT_OK(dt_fit_batch(&fit, true, &sequences));
    assert_int_equal(sequences, 48);
    close_device(model, backend);
}

/* The number is halved to what fits in nine tenths of the free memory of a GPU. */
static void a_gpu_is_planned_by_what_is_free(void **state)
{
    (void)state;
    dt_backend *backend = open_device(true);
    dt_model *model = small_model(backend, true);
    const dt_fit fit = fit_of(model);
    int32_t sequences = 48;
    device.available = bytes_of(&fit, 12) * 10 / 9 + 16;
    ASSERT_OK(dt_fit_batch(&fit, false, &sequences));
    assert_int_equal(sequences, 12);
    sequences = 48;
    device.available -= 64;
    ASSERT_OK(dt_fit_batch(&fit, false, &sequences));
    assert_int_equal(sequences, 6);
    close_device(model, backend);
}

static void training_on_a_host_is_planned_by_what_it_has(void **state)
{
    (void)state;
    dt_backend *backend = open_device(false);
    dt_model *model = small_model(backend, true);
    const dt_fit fit = fit_of(model);
    int32_t sequences = 48;
    device.available = 1;
    ASSERT_OK(dt_fit_batch(&fit, false, &sequences));
    assert_int_equal(sequences, 48);
    close_device(model, backend);
}

/* The plan saw enough, and the allocation of the buffers fails all the same. */
static void shortage_when_memory_is_taken_halves_too(void **state)
{
    (void)state;
    dt_backend *backend = open_device(true);
    dt_model *model = small_model(backend, true);
    const dt_fit fit = fit_of(model);
    int32_t sequences = 48;
    device.largest = dt_model_buffer_bytes(model, 14, (int64_t)14 * MAX_LENGTH) -
                     backend->ops->batch_bytes(backend, 14, (int64_t)14 * MAX_LENGTH, 2);
    ASSERT_OK(dt_fit_batch(&fit, true, &sequences));
    assert_int_equal(sequences, 12);
    assert_int_equal(device.refusals, 2);
    /* and the model works: its buffers are there */
    const int32_t ids[] = {1, 4, 2};
    const int32_t ends[] = {0, 3};
    const dt_batch batch = {.sequences = 1, .tax_ranks = 2, .token_ids = ids, .cu_seqlens = ends};
    dt_model_forward(model, backend->ops->batch_upload(backend, &batch), false);
    ASSERT_OK(backend->ops->check(backend));
    close_device(model, backend);
}

static void a_number_that_was_given_is_not_changed(void **state)
{
    (void)state;
    dt_backend *backend = open_device(true);
    dt_model *model = small_model(backend, true);
    dt_fit fit = fit_of(model);
    fit.fixed = true;
    int32_t sequences = 48;
    device.available = bytes_of(&fit, 48);
    ASSERT_FAILS(DT_ERR_MEMORY, "--pieces 48 does not fit in the device's memory: it needs ",
                 dt_fit_batch(&fit, true, &sequences));
    device.available = INT64_MAX / 4;
    device.largest = 1000;
    ASSERT_FAILS(DT_ERR_MEMORY, "--pieces 48 does not fit in the device's memory: no ",
                 dt_fit_batch(&fit, true, &sequences));
    assert_int_equal(sequences, 48);
    assert_int_equal(device.refusals, 1);
    close_device(model, backend);
}

static void a_model_that_never_fits_is_refused_with_advice(void **state)
{
    (void)state;
    dt_backend *backend = open_device(true);
    dt_model *model = small_model(backend, false);
    const dt_fit fit = fit_of(model);
    int32_t sequences = 3;
    device.available = dt_model_vector_bytes(model);
    ASSERT_FAILS(DT_ERR_MEMORY, "not even with one sequence at a time: it needs",
                 dt_fit_batch(&fit, true, &sequences));
    sequences = 3;
    device.available = INT64_MAX / 4;
    device.ops.vectors_alloc = no_vectors;
    ASSERT_FAILS(DT_ERR_MEMORY, "no vectors: buy memory", dt_fit_batch(&fit, true, &sequences));
    assert_int_equal(device.refusals, 3);
    close_device(model, backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_stays),
        cmocka_unit_test(a_gpu_is_planned_by_what_is_free),
        cmocka_unit_test(training_on_a_host_is_planned_by_what_it_has),
        cmocka_unit_test(shortage_when_memory_is_taken_halves_too),
        cmocka_unit_test(a_number_that_was_given_is_not_changed),
        cmocka_unit_test(a_model_that_never_fits_is_refused_with_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
