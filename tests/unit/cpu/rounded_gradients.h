/* Gradients rounded to bf16 and back, on any backend: the numbers of core/bf16.h, in the elements
 * that were asked for and no others, wherever they begin. */
#ifndef DT_TESTS_ROUNDED_GRADIENTS_H
#define DT_TESTS_ROUNDED_GRADIENTS_H

#include "backend.h"
#include "core/bf16.h"
#include "core/philox.h"
#include "test.h"

enum { GRADIENTS = 5000, UNTOUCHED = 0x1234 };

/* All kinds of numbers: random bits are now and then infinite, subnormal or no number. */
static inline float gradient_number(int64_t i)
{
    static const uint32_t special[] = {0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 0x00008001,
                                       0x3f808000, 0x3f818000, 0x7f7fffff, 0x80000000};
    uint32_t draw[4];
    float value;
    dt_philox(3, 4, (uint32_t)i, 0, 0, 0, draw);
    if (i % 7 == 0)
        draw[0] = special[(size_t)i / 7 % (sizeof special / sizeof *special)];
    memcpy(&value, &draw[0], sizeof value);
    return value;
}

static inline void write_gradient_numbers(dt_backend *be, bool zero)
{
    float *narrow = calloc(GRADIENTS, sizeof *narrow);
    double *wide = calloc(GRADIENTS, sizeof *wide);
    for (int64_t i = 0; i < GRADIENTS; ++i)
        wide[i] = narrow[i] = zero ? 0.0F : gradient_number(i);
    be->ops->vector_write(be, DT_GRADIENTS, 0, GRADIENTS,
                          be->master_size == 8 ? (void *)wide : (void *)narrow);
    free(narrow);
    free(wide);
}

static inline void check_rounded(dt_backend *be, uint16_t *device, int64_t offset, int64_t count)
{
    uint16_t host[GRADIENTS];
    for (int i = 0; i < GRADIENTS; ++i)
        host[i] = UNTOUCHED;
    be->ops->upload(be, device, host, sizeof host);
    write_gradient_numbers(be, false);
    be->ops->gradients_to_bf16(be, device, offset, count, NULL);
    be->ops->download(be, host, device, sizeof host);
    ASSERT_OK(be->ops->check(be));
    for (int64_t i = 0; i < GRADIENTS; ++i)
        assert_int_equal(host[i], i < count ? dt_bf16_of(gradient_number(offset + i)) : UNTOUCHED);
}

/* A NaN of a number type may come back as another. */
static inline void check_widened(dt_backend *be, const uint16_t *device, int64_t offset,
                                 int64_t count)
{
    float narrow[GRADIENTS];
    double wide[GRADIENTS];
    write_gradient_numbers(be, true);
    be->ops->gradients_from_bf16(be, device, offset, count, NULL);
    be->ops->vector_read(be, DT_GRADIENTS, 0, GRADIENTS,
                         be->master_size == 8 ? (void *)wide : (void *)narrow);
    ASSERT_OK(be->ops->check(be));
    for (int64_t i = 0; i < GRADIENTS; ++i) {
        const bool inside = i >= offset && i < offset + count;
        const float got = be->master_size == 8 ? (float)wide[i] : narrow[i];
        const float expected = inside ? dt_bf16_value(dt_bf16_of(gradient_number(i))) : 0.0F;
        assert_true(isnan(expected) ? isnan(got) : memcmp(&got, &expected, sizeof got) == 0);
    }
}

static inline void check_rounding_of_gradients(dt_backend *be)
{
    static const int64_t ranges[][2] = {{0, GRADIENTS}, {0, 4096}, {8, 2048}, {1, 4098},
                                        {4, 9},         {17, 1},   {3, 0},    {4992, 8}};
    void *memory;
    ASSERT_OK(be->ops->vectors_alloc(be, GRADIENTS, true));
    ASSERT_OK(be->ops->alloc(be, &memory, GRADIENTS * (int64_t)sizeof(uint16_t)));
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; ++i) {
        check_rounded(be, memory, ranges[i][0], ranges[i][1]);
        check_widened(be, memory, ranges[i][0], ranges[i][1]);
    }
    be->ops->free(be, memory);
}

#endif
