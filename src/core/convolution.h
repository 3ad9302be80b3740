/* Sizes of what convolutions are computed with, the same on every device. Kernel k of `kernels` is
 * width[k] >= 1 positions wide and has F filters. Nothing here fails. */
#ifndef DT_CORE_CONVOLUTION_H
#define DT_CORE_CONVOLUTION_H

#include <stdint.h>

/* Numbers the taps of all kernels from 0: tap j of filter f of kernel k is number
 * column[k] + j · F + f. Returns how many there are, Σ width · F. */
int64_t dt_conv_taps(int64_t *column /* (kernels) */, const int32_t *width /* (kernels) */,
                     int32_t kernels, int32_t filters);

/* The width of the widest kernel; 1 where there is none. */
int32_t dt_conv_widest(const int32_t *width /* (kernels) */, int32_t kernels);

/* A convolution as one matrix product a chunk of sequences: the `width` rows of x, of `channels`
 * elements, that a position sees stand side by side in a row of the chunk's windows. */
typedef struct {
    const int32_t *width;               /* (kernels) */
    int32_t kernels, filters, channels; /* each >= 1 */
    int32_t max_length;                 /* L >= 1: positions of a sequence */
    int64_t sequences;                  /* at most so many in a chunk */
    int64_t elements; /* at most so many in the windows of a chunk, unless it is one sequence */
} dt_conv_windows;

/* All of the widest kernel, so that every one fits. */
typedef struct {
    int64_t chunk;   /* sequences at a time, 1 or more */
    int64_t weights; /* elements of (F, width · channels) */
    int64_t window;  /* elements of (chunk · L, width · channels) */
} dt_conv_window_sizes;

dt_conv_window_sizes dt_conv_window_sizes_of(const dt_conv_windows *windows);

#endif
