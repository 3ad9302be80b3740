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
    const char *name, *json;
} devices[] = {
    {"A100", DEVICE("NVIDIA A100-SXM4-80GB", 800, 108, 166912, 41943040)},
    {"H100", DEVICE("NVIDIA H100 80GB HBM3", 900, 132, 232448, 52428800)},
};

/* Direction and dropout are filled in. */
static const dt_cudnn_shape shapes[] = {
    {64, 320, 7, 128, false, false, 0.0},
    {64, 512, 12, 64, true, false, 0.0},
};

static void a_plan(dt_cudnn *cudnn, const char *device, const dt_cudnn_shape *shape)
{
    dt_cudnn_plan *plan;
    if (dt_cudnn_plan_make(cudnn, shape, &plan) != DT_OK)
        fail_msg("%s, %s, %d sequences of %d, %d heads of %d, p %g: %s", device,
                 shape->backward ? "backward" : "forward", shape->sequences, shape->positions,
                 shape->heads, shape->head_size, shape->dropout, dt_error_message());
    const int64_t scores = (int64_t)shape->sequences * shape->heads * shape->positions *
                           shape->positions * (int64_t)sizeof(uint16_t);
    const int64_t bytes = dt_cudnn_plan_workspace(plan);
    printf("%s, %s, %d sequences of %d, %d heads of %d, p %g: workspace %.1f MB\n", device,
           shape->backward ? "backward" : "forward", shape->sequences, shape->positions,
           shape->heads, shape->head_size, shape->dropout, (double)bytes / 1e6);
    /* gradients go through memory, not float atomics: the workspace holds G (whole tiles) */
    assert_true(shape->backward ? bytes >= scores : bytes >= 0);
    dt_cudnn_plan_free(cudnn, plan);
}

static void plans_are_created_for_each_gpu(void **state)
{
    (void)state;
    for (const auto &device : devices) {
        dt_cudnn *cudnn;
        if (dt_cudnn_open(&cudnn, NULL, device.json) != DT_OK)
            fail_msg("%s", dt_error_message());
        for (const dt_cudnn_shape &shape : shapes)
            for (int variant = 0; variant < 4; ++variant) {
                dt_cudnn_shape wanted = shape;
                wanted.backward = variant % 2;
                wanted.dropout = variant / 2 ? 0.1 : 0.0;
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
    const dt_cudnn_shape odd = {8, 64, 2, 12, false, false, 0.0};
    assert_int_equal(dt_cudnn_open(&cudnn, NULL, devices[1].json), DT_OK);
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
    assert_int_equal(dt_cudnn_open(&cudnn, NULL, NULL), DT_ERR_DEVICE);
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
    if (dt_cudnn_open(&cudnn, NULL, devices[0].json) != DT_OK) {
        fprintf(stderr, "SKIPPED: cuDNN plans cannot be created here: %s\n", dt_error_message());
        return 77;
    }
    dt_cudnn_close(cudnn);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
