/* The backend that the tests of the CUDA kernels use: the emulator "cuda_on_cpu", or the value of
 * DEEPTAXA_TEST_DEVICE, e.g. "cuda" on a machine with a GPU (tests/gpu/first.sh).
 */
#ifndef DT_TESTS_TESTED_DEVICE_H
#define DT_TESTS_TESTED_DEVICE_H

#include <stdlib.h>

static inline const char *tested_device(void)
{
    const char *name = getenv("DEEPTAXA_TEST_DEVICE");
    return name && *name ? name : "cuda_on_cpu";
}

#endif
