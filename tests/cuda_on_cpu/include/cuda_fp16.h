/* fp16 numbers (IEEE binary16); conversions round to the nearest even. */
#ifndef CUDA_ON_CPU_CUDA_FP16_H
#define CUDA_ON_CPU_CUDA_FP16_H

#include "device_functions.h"

struct __half_raw {
    unsigned short x;
};

namespace cuda_on_cpu
{
static inline float half_to_float(unsigned short bits)
{
    const unsigned sign = (unsigned)(bits & 0x8000) << 16;
    const unsigned rest = (unsigned)(bits & 0x7fff) << 13;
    if (rest >= 0x0f800000) /* infinity or NaN */
        return bits_as<float>(sign | 0x70000000 | rest);
    /* a product changes the exponent bias, and also handles subnormal numbers */
    const float magnitude = bits_as<float>(rest) * 0x1p112f;
    return bits_as<float>(sign | bits_as<unsigned>(magnitude));
}
static inline unsigned short float_to_half(float value)
{
    const unsigned bits = bits_as<unsigned>(value);
    const unsigned sign = bits >> 16 & 0x8000;
    const unsigned magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return 0x7fff;
    if (magnitude >= 0x477ff000) /* 65520 and more: rounds to infinity */
        return (unsigned short)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: a multiple of 2^-24 */
        const float multiple = rintf(bits_as<float>(magnitude) * 0x1p24f);
        return (unsigned short)(sign | (unsigned)multiple);
    }
    const unsigned rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (unsigned short)(sign | ((rounded - 0x38000000) >> 13));
}
} // namespace cuda_on_cpu

struct __half {
    unsigned short bits_;
    __half() = default;
    __half(__half_raw raw) : bits_(raw.x)
    {
    }
    template <typename T, typename = std::enable_if_t<std::is_arithmetic<T>::value>>
    __half(T value) : bits_(cuda_on_cpu::float_to_half((float)value))
    {
    }
    operator float() const
    {
        return cuda_on_cpu::half_to_float(bits_);
    }
    operator __half_raw() const
    {
        return __half_raw{bits_};
    }
};
struct alignas(4) __half2 {
    __half x, y;
    __half2() = default;
    __half2(__half x_, __half y_) : x(x_), y(y_)
    {
    }
};
/* each result is rounded */
static inline __half operator+(__half a, __half b)
{
    return __half((float)a + (float)b);
}
static inline __half operator-(__half a, __half b)
{
    return __half((float)a - (float)b);
}
static inline __half operator*(__half a, __half b)
{
    return __half((float)a * (float)b);
}
static inline __half operator/(__half a, __half b)
{
    return __half((float)a / (float)b);
}
typedef __half half;
typedef __half2 half2;

static inline float __half2float(__half x)
{
    return (float)x;
}
static inline __half __float2half(float x)
{
    return __half(x);
}
static inline __half __float2half_rn(float x)
{
    return __half(x);
}
static inline __half2 __floats2half2_rn(float x, float y)
{
    return __half2(__half(x), __half(y));
}
static inline __half2 __float22half2_rn(float2 v)
{
    return __floats2half2_rn(v.x, v.y);
}
static inline __half2 __float2half2_rn(float x)
{
    return __floats2half2_rn(x, x);
}
static inline float2 __half22float2(__half2 v)
{
    return float2{(float)v.x, (float)v.y};
}
static inline __half2 __halves2half2(__half x, __half y)
{
    return __half2(x, y);
}
static inline __half __low2half(__half2 v)
{
    return v.x;
}
static inline __half __high2half(__half2 v)
{
    return v.y;
}
static inline float __low2float(__half2 v)
{
    return (float)v.x;
}
static inline float __high2float(__half2 v)
{
    return (float)v.y;
}
static inline unsigned short __half_as_ushort(__half x)
{
    return x.bits_;
}
static inline __half __ushort_as_half(unsigned short bits)
{
    return __half(__half_raw{bits});
}

#endif
