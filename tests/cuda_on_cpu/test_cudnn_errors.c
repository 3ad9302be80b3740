/* Attention method cudnn where it is not available: a one-line error, and no other method is
 * tried. */
#include "backend.h"
#include "layers.h"
#include "test.h"

static dt_status open_with(const char *library, dt_backend **out)
{
    const dt_backend_options options = {.precision = DT_PRECISION_BF16,
                                        .attention = DT_ATTENTION_CUDNN};
    setenv("CUDA_ON_CPU_CUDNN", library, 1);
    return dt_backend_open("cuda_on_cpu", &options, out);
}

static bool built_in(void)
{
    dt_backend *backend;
    const dt_status status = open_with("", &backend);
    if (status == DT_OK)
        backend->ops->destroy(backend);
    return status == DT_OK;
}

static void an_unusable_library_is_refused(void **state)
{
    (void)state;
    const char *const cases[][2] = {{"missing", "cuDNN cannot be loaded"},
                                    {"old", "cuDNN 9.1.0 is too old, 9.10.2 is required"},
                                    {"broken", "refuses to start"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        dt_backend *backend = NULL;
        ASSERT_FAILS(DT_ERR_DEVICE, built_in() ? cases[i][1] : "built without cuDNN",
                     open_with(cases[i][0], &backend));
        ASSERT_FAILS(DT_ERR_DEVICE, "--attention auto", open_with(cases[i][0], &backend));
        assert_null(backend);
        assert_null(strchr(dt_error_message(), '\n'));
    }
}

static void no_engine_is_a_sticky_error_that_names_the_shape(void **state)
{
    (void)state;
    if (!built_in())
        return; /* refused when opened, see above */
    dt_backend *backend;
    ASSERT_OK(open_with("engineless", &backend));
    const dt_backend_ops *op = backend->ops;
    const int32_t ids[8] = {0};
    const int32_t cu_seqlens[] = {0, 5, 8};
    const dt_batch batch = {.sequences = 2, .token_ids = ids, .cu_seqlens = cu_seqlens};
    void *x;
    ASSERT_OK(op->batch_reserve(backend, 2, 64, 0));
    ASSERT_OK(op->alloc(backend, &x, 1 << 20));
    const dt_device_batch *on_device = op->batch_upload(backend, &batch);
    const dt_attention a = {.heads = 2, .head_size = 16, .query_stride = 32, .key_stride = 32};
    char *at = x;
    op->attention_forward(backend, at, at + 65536, at + 131072, at + 196608, at + 262144, on_device,
                          &a);
    ASSERT_FAILS(DT_ERR_DEVICE, "2 heads of 16 elements, 64 positions", op->check(backend));
    op->free(backend, x);
    op->destroy(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unusable_library_is_refused),
        cmocka_unit_test(no_engine_is_a_sticky_error_that_names_the_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
