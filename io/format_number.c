/* Formats numbers as the shortest decimal text that reads back as the same value. */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/output.h"

static size_t not_finite(char *out, double number)
{
    const char *name = isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
    return (size_t)snprintf(out, DT_NUMBER_SIZE, "%s", name);
}

/* Appends ".0" to a text of digits only, so that it reads as a floating-point number. */
static size_t with_point(char *out)
{
    size_t length = strlen(out);
    if (!strpbrk(out, ".e")) {
        memcpy(out + length, ".0", 3);
        length += 2;
    }
    return length;
}

size_t dt_format_double(char *out, double number)
{
    if (!isfinite(number))
        return not_finite(out, number);
    for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; ++digits) {
        snprintf(out, DT_NUMBER_SIZE, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    return with_point(out);
}

static size_t format_float_slowly(char *out, float number)
{
    /* %g trims a normal float whose shortest text has fewer than six digits; denormal ones may need
     * fewer than six */
    for (int digits = fabsf(number) < FLT_MIN ? 1 : 6; digits <= 9; ++digits) {
        snprintf(out, DT_NUMBER_SIZE, "%.*g", digits, (double)number);
        if (strtof(out, NULL) == number)
            break;
    }
    return with_point(out);
}

/* Returns true if digits/scale, correctly rounded, is `number`. With digits < 2^53 and scale a
 * power of ten <= 10^22, both are exact and the quotient is the nearest double. Rounding that to
 * float gives the nearest float unless it is half-way between two floats; then the result is false.
 */
static bool reads_back(double digits, double scale, float number)
{
    const double value = digits / scale;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (float)value == number && (bits & 0x1fffffffu) != 0x10000000u;
}

/* Writes digits · 10^-decimals, decimals >= 1. */
static size_t put_decimal(char *out, uint64_t digits, int decimals)
{
    char text[24];
    size_t at = sizeof text;
    for (int i = 0; digits || i <= decimals; ++i, digits /= 10) {
        if (i == decimals)
            text[--at] = '.';
        text[--at] = (char)('0' + digits % 10);
    }
    const size_t length = sizeof text - at;
    memcpy(out, text + at, length);
    out[length] = '\0';
    return length;
}

/* The same as d.ddde-XX with `count` digits, for 10^-99 < number < 1. */
static size_t put_scientific(char *out, uint64_t digits, int count, int decimals)
{
    const int exponent = decimals - (count - 1);
    size_t length = (size_t)(count > 1 ? count + 1 : 1);
    for (int i = count - 1; i >= 0; --i, digits /= 10)
        out[i ? i + 1 : 0] = (char)('0' + digits % 10);
    if (count > 1)
        out[1] = '.';
    memcpy(out + length, "e-", 2);
    out[length + 2] = (char)('0' + exponent / 10);
    out[length + 3] = (char)('0' + exponent % 10);
    length += 4;
    out[length] = '\0';
    return length;
}

/* Fast path for probabilities and entropies, including those near zero, without the C library's
 * slow conversions: six significant digits, and more until the text reads back as the same value.
 */
size_t dt_format_float(char *out, float number)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!isfinite(number))
        return not_finite(out, (double)number);
    if (!(number >= 1e-13f && number < 1e5f))
        return format_float_slowly(out, number);
    int exponent = 4; /* 10^exponent <= number */
    while (exponent > 0 && (double)number < power[exponent])
        exponent--;
    while (exponent <= 0 && exponent > -14 && (double)number * power[-exponent] < 1.0)
        exponent--;
    for (int count = 6; count <= 9; ++count) {
        int decimals = count - 1 - exponent;
        uint64_t digits = (uint64_t)((double)number * power[decimals] + 0.5);
        if (!reads_back((double)digits, power[decimals], number))
            continue;
        int left = (double)digits < power[count] ? count : count + 1; /* 999999.9 is 1000000 */
        for (; decimals > 1 && digits % 10 == 0; --decimals, --left)
            digits /= 10;
        if (left - 1 - decimals >= -4)
            return put_decimal(out, digits, decimals);
        return put_scientific(out, digits, left, decimals);
    }
    return format_float_slowly(out, number);
}

char *dt_with_commas(int64_t number, char *out)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    int at = 0;
    for (int i = 0; i < length; ++i) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}
