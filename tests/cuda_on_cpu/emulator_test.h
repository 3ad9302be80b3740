/* Shared by the tests of the emulator; plain CUDA. */
#ifndef CUDA_ON_CPU_EMULATOR_TEST_H
#define CUDA_ON_CPU_EMULATOR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
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

/* ---- in a child ----------------------------------------------------------------------------- */

/* Returns what `fault` writes to stderr; `fault` must not return. */
static inline std::string stderr_of(void (*fault)(void))
{
    int end[2];
    assert_int_equal(pipe(end), 0);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int s : {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE})
            signal(s, SIG_DFL);
        dup2(end[1], 2);
        close(end[0]);
        fault();
        _exit(0);
    }
    close(end[1]);
    std::string words;
    char part[512];
    for (ssize_t n; (n = read(end[0], part, sizeof part)) > 0;)
        words.append(part, (size_t)n);
    close(end[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        fail_msg("the bug was not detected");
    return words;
}

static inline void assert_says(const std::string &words, const char *part)
{
    if (words.find(part) == std::string::npos)
        fail_msg("'%s' is not in:\n%s", part, words.c_str());
}

/* The bug is detected in all orders, and the message contains `part`. */
static inline void assert_found(void (*fault)(void), const char *part)
{
    for (const char *order : orders) {
        setenv("CUDA_ON_CPU_ORDER", order, 1);
        const std::string words = stderr_of(fault);
        if (part)
            assert_says(words, part);
    }
}

#endif
