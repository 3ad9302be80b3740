/* The real cuDNN accepts our graphs: for the described devices A100 and H100 it has an engine for
 * each graph and compiles its kernels. Nothing is run. Skipped if cuDNN is not installed.
 *
 * cuDNN can create plans for a device that is not present ("deviceless ahead-of-time compilation");
 * it requires a driver to load the kernels into, which driver_of_nothing.c provides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cudnn_plan.h"
#include "emulator_test.h"

/* The device properties of such a GPU. */
#define DEVICE(name, version, multiprocessors, shared, cache)                                      \
    "{\"deviceVer\":" #version ",\"driverVer\":13000,\"cudaDeviceId\":0,"                          \
    "\"totalGlobalMem\":84929347584,\"maxGridSize\":[2147483647,65535,65535],"                     \
    "\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"                                      \
    "\"multiProcessorCount\":" #multiprocessors ",\"warpSize\":32,"                                \
    "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":" #shared ","              \
    "\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,"       \
    "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":8961,"                   \
    "\"isTccDriver\":0,\"supportCoopLaunch\":1,\"smClockRateKHz\":1980000,"                        \
    "\"memClockRateKHz\":2619000,\"l2CacheSize\":" #cache ",\"deviceName\":\"" name "\"}"

static const struct {
    const char *name;
    dt_cudnn_device device;
} devices[] = {
    {"A100", {80, 108, DEVICE("NVIDIA A100-SXM4-80GB", 800, 108, 166912, 41943040)}},
    {"H100", {90, 132, DEVICE("NVIDIA H100 80GB HBM3", 900, 132, 232448, 52428800)}},
};

static dt_cudnn_shape shape_of(int32_t positions, int32_t heads, int32_t head_size, bool half)
{
    dt_cudnn_shape shape = {};
    shape.sequences = 64;
    shape.positions = positions;
    shape.heads = heads;
    shape.head_size = head_size;
    shape.half = half;
    shape.query_stride = shape.key_stride = 3 * (int64_t)heads * head_size;
    return shape;
}

static void a_plan(dt_cudnn *cudnn, const char *device, const dt_cudnn_shape *shape)
{
    char what[200];
    dt_cudnn_plan *plan;
    snprintf(what, sizeof what, "%s, %s, %s, %d sequences of %d, %d heads of %d, p %g", device,
             shape->backward ? "backward" : "forward", shape->packed ? "packed" : "padded",
             shape->sequences, shape->positions, shape->heads, shape->head_size, shape->dropout);
    if (dt_cudnn_plan_make(cudnn, shape, &plan) != DT_OK)
        fail_msg("%s: %s", what, dt_error_message());
    const int64_t scores = (int64_t)shape->sequences * shape->heads * shape->positions *
                           shape->positions * (int64_t)sizeof(uint16_t);
    const int64_t bytes = dt_cudnn_plan_workspace(plan);
    printf("%s: workspace %.1f MB\n", what, (double)bytes / 1e6);
    /* gradients go through memory, not float atomics: the workspace holds G (whole tiles) */
    assert_true(shape->backward ? bytes >= scores : bytes >= 0);
    dt_cudnn_plan_free(plan);
}

/* Padded and packed where attention_cudnn.cu uses them; queries, keys and values in one matrix. */
static void plans_are_created_for_each_gpu(void **state)
{
    (void)state;
    const dt_cudnn_shape shapes[] = {shape_of(320, 7, 128, false), shape_of(512, 12, 64, true)};
    for (const auto &device : devices) {
        const bool ampere = device.device.compute_capability == 80;
        dt_cudnn *cudnn;
        if (dt_cudnn_open(&cudnn, NULL, &device.device) != DT_OK)
            fail_msg("%s", dt_error_message());
        for (const dt_cudnn_shape &shape : shapes)
            for (int variant = 0; variant < 4; ++variant) {
                dt_cudnn_shape wanted = shape;
                wanted.backward = variant % 2;
                wanted.dropout = variant / 2 ? 0.1 : 0.0;
                wanted.packed = !ampere || variant == 0;
                a_plan(cudnn, device.name, &wanted);
            }
        dt_cudnn_close(cudnn);
    }
}

static void what_has_no_engine_is_refused_in_one_line(void **state)
{
    (void)state;
    dt_cudnn *cudnn;
    dt_cudnn_plan *plan;
    const dt_cudnn_shape odd = shape_of(64, 2, 12, false);
    assert_int_equal(dt_cudnn_open(&cudnn, NULL, &devices[1].device), DT_OK);
    assert_int_equal(dt_cudnn_plan_make(cudnn, &odd, &plan), DT_ERR_DEVICE);
    assert_non_null(strstr(dt_error_message(), "attention method cudnn: "));
    assert_null(strchr(dt_error_message(), '\n'));
    assert_null(plan);
    printf("%s\n", dt_error_message());
    dt_cudnn_close(cudnn);
}

/* Without a GPU the library fails to start. */
static void a_missing_gpu_is_reported_in_one_line(void **state)
{
    (void)state;
    dt_cudnn *cudnn;
    const dt_cudnn_device present = {90, 132, NULL};
    assert_int_equal(dt_cudnn_open(&cudnn, NULL, &present), DT_ERR_DEVICE);
    assert_non_null(strstr(dt_error_message(), "attention method cudnn: "));
    assert_null(strchr(dt_error_message(), '\n'));
    printf("%s\n", dt_error_message());
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_created_for_each_gpu),
        cmocka_unit_test(what_has_no_engine_is_refused_in_one_line),
        cmocka_unit_test(a_missing_gpu_is_reported_in_one_line),
    };
    dt_cudnn *cudnn;
    if (dt_cudnn_open(&cudnn, NULL, &devices[0].device) != DT_OK) {
        fprintf(stderr, "SKIPPED: cuDNN plans cannot be created here: %s\n", dt_error_message());
        return 77;
    }
    dt_cudnn_close(cudnn);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
