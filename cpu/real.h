/* The floating-point type of the backend: float, or double in the build for tests
 * (DT_REAL_DOUBLE). */
#ifndef DT_CPU_REAL_H
#define DT_CPU_REAL_H

#include <math.h>

#if defined(DT_REAL_DOUBLE)
typedef double dt_real;
#define DT_SQRT sqrt
#else
typedef float dt_real;
#define DT_SQRT sqrtf
#endif

/* Vectorises the following loop, whose iterations are independent. With DT_SIMD_SUM the sum is
 * split over the lanes of a vector, in an order that depends only on the build. */
#define DT_PRAGMA(text) _Pragma(#text)
#if defined(_OPENMP)
#define DT_SIMD DT_PRAGMA(omp simd)
#define DT_SIMD_SUM(...) DT_PRAGMA(omp simd reduction(+ : __VA_ARGS__))
/* a pragma takes no parentheses here: NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define DT_SIMD_MAX(variable) DT_PRAGMA(omp simd reduction(max : variable))
#else
#define DT_SIMD
#define DT_SIMD_SUM(...)
#define DT_SIMD_MAX(variable)
#endif

#endif
