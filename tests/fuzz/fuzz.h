/* What the fuzz targets share. A target is a file fuzz_<name>.c that defines
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
 *
 * and is linked with libFuzzer or another engine, or with replay.c, a main() that feeds it the files
 * of a corpus. A target ends the process where the program under test breaks a promise: with a
 * sanitizer's report, or with FUZZ_CHECK().
 */
#ifndef DT_TESTS_FUZZ_H
#define DT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* The interface of libFuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t most);

#define FUZZ_FILES 4

/* Returns the path of a file in memory with these bytes. It lasts until the next call for the same
 * `number`, 0 … FUZZ_FILES - 1. Messages of the program are off from the first call on. */
const char *fuzz_file(int number, const void *bytes, size_t size);

/* Returns the descriptor of that file. */
int fuzz_descriptor(int number);

/* Returns the path of an empty folder of this process, in memory where there is a place; the same for
 * all calls. It is removed at exit. */
const char *fuzz_folder(void);

/* Checks the message of a call that failed: there is one, of one line without control characters,
 * and it does not speak of a fault of the program. Returns true if the call succeeded. */
bool fuzz_succeeded(dt_status status);

/* Ends the process. */
_Noreturn void fuzz_broken(const char *file, int line, const char *what);
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))

/* Numbers for a mutator, from its seed: splitmix64. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#endif
