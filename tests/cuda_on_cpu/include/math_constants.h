/* Constants of CUDA's math_constants.h. */
#ifndef CUDA_ON_CPU_MATH_CONSTANTS_H
#define CUDA_ON_CPU_MATH_CONSTANTS_H

#include <math.h>

#define CUDART_INF_F ((float)INFINITY)
#define CUDART_NAN_F ((float)NAN)
#define CUDART_INF ((double)INFINITY)
#define CUDART_NAN ((double)NAN)
#define CUDART_PI_F 3.141592654f
#define CUDART_PI 3.1415926535897931e+0
#define CUDART_SQRT_HALF_F 0.707106781f
#define CUDART_SQRT_HALF 7.0710678118654757e-1

#endif
