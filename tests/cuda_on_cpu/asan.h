/* AddressSanitizer annotations, if the build has it (WITH_ASAN, which the build itself defines for
 * files that it does not instrument). */
#ifndef DT_TESTS_CUDA_ON_CPU_ASAN_H
#define DT_TESTS_CUDA_ON_CPU_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#undef ASAN_POISON_MEMORY_REGION
#undef ASAN_UNPOISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(address, size) __asan_poison_memory_region(address, size)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) __asan_unpoison_memory_region(address, size)
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)0)
#endif

#endif
