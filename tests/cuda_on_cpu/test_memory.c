/* What the CUDA backend reports: the memory that it will use, and the supported precisions and
 * attention methods. */
#include "model/fit.h"
#include "test.h"
#include "published_sizes.h"

static dt_backend *open_gpu(dt_precision precision, dt_attention_method attention)
{
    dt_backend *backend;
    const dt_backend_options options = {.precision = precision, .attention = attention};
    ASSERT_OK(dt_backend_open("cuda_on_cpu", &options, &backend));
    return backend;
}

static dt_model_config small_config(int32_t heads)
{
    dt_model_config config = published_sizes();
    config.vocabulary = 40;
    config.max_length = 24;
    config.embed_dim = config.filters = config.intermediate = 16;
    config.hidden = 128;
    config.heads = heads;
    config.layers = 2;
    config.tax_ranks = 2;
    config.classes[0] = 2;
    config.classes[1] = 3;
    return config;
}

static int64_t free_memory(dt_backend *backend)
{
    int64_t available;
    int64_t total;
    backend->ops->memory(backend, &available, &total);
    return available;
}

static void the_plan_is_what_is_allocated(void **state)
{
    (void)state;
    static const dt_precision precisions[] = {DT_PRECISION_FP32, DT_PRECISION_BF16,
                                              DT_PRECISION_FP16};
    for (int i = 0; i < 6; ++i) {
        dt_backend *backend = open_gpu(precisions[i / 2], DT_ATTENTION_AUTO);
        dt_model *model;
        const dt_model_config config = small_config(2);
        const int64_t tokens = 3 * config.max_length - 1;
        ASSERT_OK(dt_model_create(&model, &config, backend, i % 2 == 1));
        const int64_t before = free_memory(backend);
        ASSERT_OK(dt_model_reserve(model, 3, tokens));
        assert_int_equal(before - free_memory(backend),
                         dt_model_vector_bytes(model) + dt_model_buffer_bytes(model, 3, tokens));
        dt_model_destroy(model);
        backend->ops->destroy(backend);
    }
}

/* A failed attempt leaves nothing allocated; otherwise the device would fill up while the size is
 * halved. */
static void a_failed_attempt_leaves_nothing_allocated(void **state)
{
    (void)state;
    dt_backend *backend = open_gpu(DT_PRECISION_BF16, DT_ATTENTION_AUTO);
    dt_model *model;
    const dt_model_config config = small_config(2);
    ASSERT_OK(dt_model_create(&model, &config, backend, true));
    const int64_t before = free_memory(backend);
    const int64_t vectors = dt_model_vector_bytes(model);
    char bytes[32];
    int64_t available;
    int64_t total;
    backend->ops->memory(backend, &available, &total);
    snprintf(bytes, sizeof bytes, "%lld", (long long)(total - available + vectors - 1));
    setenv("CUDA_ON_CPU_MEMORY", bytes, 1);
    assert_int_equal(dt_model_reserve(model, 3, 72), DT_ERR_MEMORY);
    unsetenv("CUDA_ON_CPU_MEMORY");
    assert_int_equal(free_memory(backend), before);

    const int64_t buffers = dt_model_buffer_bytes(model, 2, 48);
    snprintf(bytes, sizeof bytes, "%lld", (long long)(total - available + vectors + buffers));
    setenv("CUDA_ON_CPU_MEMORY", bytes, 1);
    assert_int_equal(dt_model_reserve(model, 3, 72), DT_ERR_MEMORY);
    ASSERT_OK(dt_model_reserve(model, 2, 48));
    assert_int_equal(free_memory(backend), 0);
    unsetenv("CUDA_ON_CPU_MEMORY");
    dt_model_destroy(model);
    backend->ops->destroy(backend);
}

static void precision_is_the_one_asked_for_or_bf16(void **state)
{
    (void)state;
    static const dt_precision asked[][3] = {
        {DT_PRECISION_AUTO, DT_PRECISION_AUTO, DT_PRECISION_BF16},
        {DT_PRECISION_AUTO, DT_PRECISION_FP16, DT_PRECISION_FP16},
        {DT_PRECISION_FP32, DT_PRECISION_FP16, DT_PRECISION_FP32},
    };
    for (int i = 0; i < 3; ++i) {
        dt_backend *backend;
        const dt_backend_options options = {.precision = asked[i][0], .gpu_default = asked[i][1]};
        ASSERT_OK(dt_backend_open("cuda_on_cpu", &options, &backend));
        assert_int_equal(backend->precision, asked[i][2]);
        assert_int_equal(backend->activation_size, asked[i][2] == DT_PRECISION_FP32 ? 4 : 2);
        backend->ops->destroy(backend);
    }
}

static dt_status check_heads(dt_precision precision, dt_attention_method attention, int32_t heads)
{
    dt_backend *backend = open_gpu(precision, attention);
    dt_model *model = NULL;
    const dt_model_config config = small_config(heads);
    const dt_status status = dt_model_create(&model, &config, backend, true);
    dt_model_destroy(model);
    backend->ops->destroy(backend);
    return status;
}

static void unsupported_attention_is_refused_with_the_model(void **state)
{
    (void)state;
    for (int32_t heads = 1; heads <= 4; heads *= 2) {
        ASSERT_OK(check_heads(DT_PRECISION_BF16, DT_ATTENTION_FUSED, heads));
        ASSERT_OK(check_heads(DT_PRECISION_FP16, DT_ATTENTION_FUSED, heads));
    }
    ASSERT_FAILS(DT_ERR_USAGE, "--attention fused: supports heads of 32, 64 or 128 elements",
                 check_heads(DT_PRECISION_BF16, DT_ATTENTION_FUSED, 8));
    ASSERT_FAILS(DT_ERR_USAGE, "this model has heads of 64 in fp32",
                 check_heads(DT_PRECISION_FP32, DT_ATTENTION_FUSED, 2));
    ASSERT_OK(check_heads(DT_PRECISION_FP32, DT_ATTENTION_AUTO, 2));
    ASSERT_OK(check_heads(DT_PRECISION_FP16, DT_ATTENTION_PLAIN, 4));
}

static void heads_that_no_kernel_supports_are_refused(void **state)
{
    (void)state;
    setenv("CUDA_ON_CPU_SHARED_KB", "163", 1); /* as an A100 */
    dt_backend *backend = open_gpu(DT_PRECISION_BF16, DT_ATTENTION_AUTO);
    ASSERT_OK(backend->ops->attention_check(backend, 600, true));
    ASSERT_FAILS(DT_ERR_USAGE, "attention heads of 700 elements are too large for this GPU",
                 backend->ops->attention_check(backend, 700, true));
    ASSERT_OK(backend->ops->attention_check(backend, 700, false));
    backend->ops->destroy(backend);
    unsetenv("CUDA_ON_CPU_SHARED_KB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_what_is_allocated),
        cmocka_unit_test(a_failed_attempt_leaves_nothing_allocated),
        cmocka_unit_test(precision_is_the_one_asked_for_or_bf16),
        cmocka_unit_test(unsupported_attention_is_refused_with_the_model),
        cmocka_unit_test(heads_that_no_kernel_supports_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
