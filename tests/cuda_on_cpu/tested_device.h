/* The backend that the tests of the CUDA kernels use: the emulator "cuda_on_cpu", or the value of
 * DEEPTAXA_TEST_DEVICE, e.g. "cuda" on a machine with a GPU (tests/gpu/first.sh).
 */
#ifndef DT_TESTS_TESTED_DEVICE_H
#define DT_TESTS_TESTED_DEVICE_H

#include <stdlib.h>

#include "test.h"

/* Runs an array of tests, or with DEEPTAXA_TEST_FIRST in the environment the first alone, which shows
 * that a program finds its libraries, modules and fixtures (tests/package.sh). */
#define RUN_TESTS(tests)                                                                           \
    _cmocka_run_group_tests(#tests, tests,                                                         \
                            getenv("DEEPTAXA_TEST_FIRST") ? 1 : sizeof(tests) / sizeof *(tests),   \
                            NULL, NULL)

static inline const char *tested_device(void)
{
    const char *name = getenv("DEEPTAXA_TEST_DEVICE");
    return name && *name ? name : "cuda_on_cpu";
}

#endif
