/* Copies to the host that are started first and waited for later: on the CPU and on the CUDA
 * backend, whose streams execute their work as late as possible. */
#include "test.h"

#include "backend.h"

static const char *const backends[] = {"cpu", "cuda_on_cpu"};

static dt_backend *open_backend(const char *name)
{
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    dt_backend *backend;
    ASSERT_OK(dt_backend_open(name, &options, &backend));
    return backend;
}

/* A 5 × 8 matrix on the device, of which columns 2 … 4 are copied. */
#define ROWS 5
#define COLUMNS 8
#define MATRIX_BYTES ((int64_t)ROWS * COLUMNS * 4)
#define STRIDE ((int64_t)COLUMNS * 4)
#define WANTED(matrix) ((char *)(matrix) + 8)

static void fill(dt_backend *backend, void *device, int32_t from)
{
    int32_t numbers[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; ++i)
        numbers[i] = from + i;
    backend->ops->upload(backend, device, numbers, sizeof numbers);
}

static void assert_columns(const int32_t *host, int32_t from)
{
    for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < 3; ++c)
            assert_int_equal(host[(ptrdiff_t)r * 3 + c], from + r * COLUMNS + c + 2);
}

/* Every slot receives the content at the time of its start, whatever is written afterwards and in
 * whatever order slots are finished. */
static void copies_hold_the_content_at_their_start(void **state)
{
    (void)state;
    for (int b = 0; b < 2; ++b) {
        dt_backend *backend = open_backend(backends[b]);
        const dt_backend_ops *ops = backend->ops;
        void *device;
        int32_t host[DT_DOWNLOAD_SLOTS][ROWS * 3] = {{0}};
        ASSERT_OK(ops->alloc(backend, &device, MATRIX_BYTES));
        for (int slot = 0; slot < DT_DOWNLOAD_SLOTS; ++slot)
            ASSERT_OK(ops->download_reserve(backend, slot, sizeof host[0]));
        for (int slot = 0; slot < DT_DOWNLOAD_SLOTS; ++slot) {
            fill(backend, device, 100 * slot);
            ops->download_start(backend, host[slot], WANTED(device), ROWS, 12, STRIDE, slot);
        }
        fill(backend, device, -1000);
        for (int slot = DT_DOWNLOAD_SLOTS - 1; slot >= 0; --slot) {
            ops->download_finish(backend, slot);
            assert_columns(host[slot], 100 * slot);
        }
        ASSERT_OK(ops->check(backend));
        ops->free(backend, device);
        ops->destroy(backend);
    }
}

static void reserving_less_keeps_the_capacity(void **state)
{
    (void)state;
    for (int b = 0; b < 2; ++b) {
        dt_backend *backend = open_backend(backends[b]);
        const dt_backend_ops *ops = backend->ops;
        void *device;
        int32_t host[ROWS * 3];
        ASSERT_OK(ops->alloc(backend, &device, MATRIX_BYTES));
        ASSERT_OK(ops->download_reserve(backend, 1, sizeof host));
        ASSERT_OK(ops->download_reserve(backend, 1, 4));
        for (int32_t round = 0; round < 3; ++round) {
            fill(backend, device, round);
            ops->download_start(backend, host, WANTED(device), ROWS, 12, STRIDE, 1);
            ops->download_finish(backend, 1);
            assert_columns(host, round);
        }
        ASSERT_OK(ops->check(backend));
        ops->free(backend, device);
        ops->destroy(backend);
    }
}

typedef enum { TOO_LARGE, TWICE, NEVER_STARTED, NO_SUCH_SLOT, RESERVED_IN_USE } misuse;

static void misused(dt_backend *backend, void *device, misuse how)
{
    const dt_backend_ops *ops = backend->ops;
    static int32_t host[ROWS * COLUMNS];
    ASSERT_OK(ops->download_reserve(backend, 0, 16));
    if (how != NEVER_STARTED)
        ops->download_start(backend, host, device, 1, how == TOO_LARGE ? 20 : 16, 16, 0);
    if (how == TWICE)
        ops->download_start(backend, host, device, 1, 16, 16, 0);
    if (how == NO_SUCH_SLOT)
        ops->download_finish(backend, DT_DOWNLOAD_SLOTS);
    if (how == RESERVED_IN_USE)
        assert_int_equal(ops->download_reserve(backend, 0, 32), DT_ERR_INTERNAL);
    ops->download_finish(backend, 0);
}

static void misuse_is_an_error_and_not_a_wrong_result(void **state)
{
    (void)state;
    static const char *const message[] = {"too small", "started twice", "before it is started",
                                          "no download slot 6", "while in use"};
    for (int b = 0; b < 2; ++b)
        for (misuse how = TOO_LARGE; how <= RESERVED_IN_USE; ++how) {
            dt_backend *backend = open_backend(backends[b]);
            void *device;
            ASSERT_OK(backend->ops->alloc(backend, &device, MATRIX_BYTES));
            misused(backend, device, how);
            ASSERT_FAILS(DT_ERR_INTERNAL, message[how], backend->ops->check(backend));
            backend->ops->free(backend, device);
            backend->ops->destroy(backend);
        }
}

static int late_streams(void **state)
{
    (void)state;
    return setenv("CUDA_ON_CPU_STREAMS", "late", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_hold_the_content_at_their_start),
        cmocka_unit_test(reserving_less_keeps_the_capacity),
        cmocka_unit_test(misuse_is_an_error_and_not_a_wrong_result),
    };
    return cmocka_run_group_tests_name("download", tests, late_streams, NULL);
}
