/* Shared by the tests of the emulator; plain CUDA. */
#ifndef CUDA_ON_CPU_EMULATOR_TEST_H
#define CUDA_ON_CPU_EMULATOR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <vector>

#include <cuda_runtime.h>

extern "C" {
#include <cmocka.h>
}

#define ASSERT_CUDA(call)                                                                          \
    do {                                                                                           \
        const cudaError_t error_ = (call);                                                         \
        if (error_ != cudaSuccess)                                                                 \
            fail_msg("%s: %s", #call, cudaGetErrorString(error_));                                 \
    } while (0)

static const char *const orders[] = {"ascending", "descending", "random:1", "random:2"};

/* An array in device memory, freed by the destructor. */
template <typename T> struct device_array {
    T *data;
    size_t count;
    explicit device_array(size_t n) : data(NULL), count(n)
    {
        ASSERT_CUDA(cudaMalloc((void **)&data, n * sizeof(T)));
    }
    explicit device_array(const std::vector<T> &values) : device_array(values.size())
    {
        ASSERT_CUDA(cudaMemcpy(data, values.data(), count * sizeof(T), cudaMemcpyHostToDevice));
    }
    ~device_array()
    {
        cudaFree(data);
    }
    std::vector<T> download() const
    {
        std::vector<T> out(count);
        ASSERT_CUDA(cudaMemcpy(out.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
        return out;
    }
};

#endif
