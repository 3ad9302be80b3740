/* Sizes used for convolutions on all devices. Kernel k of `kernels` is width[k] >= 1 positions wide
 * and has F filters. These functions do not fail. */
#ifndef DT_CORE_CONVOLUTION_H
#define DT_CORE_CONVOLUTION_H

#include <stdint.h>

/* Numbers the taps of all kernels from 0: tap j of filter f of kernel k has number
 * column[k] + j · F + f. Returns the number of taps, Σ width · F. */
int64_t dt_conv_taps(int64_t *column /* (kernels) */, const int32_t *width /* (kernels) */,
                     int32_t kernels, int32_t filters);

/* Returns the width of the widest kernel; 1 if there is none. */
int32_t dt_conv_widest(const int32_t *width /* (kernels) */, int32_t kernels);

/* A convolution computed as one matrix product per chunk of sequences: the `width` rows of x, of
 * `channels` elements each, that a position sees are concatenated in one row of the chunk's
 * windows. */
typedef struct {
    const int32_t *width;               /* (kernels) */
    int32_t kernels, filters, channels; /* each >= 1 */
    int32_t max_length;                 /* L >= 1: positions of a sequence */
    int64_t sequences;                  /* maximum number of sequences in a chunk */
    int64_t
        elements; /* maximum number of elements in the windows of a chunk of several sequences */
} dt_conv_windows;

/* Sizes for the widest kernel, sufficient for all. */
typedef struct {
    int64_t chunk;   /* sequences per chunk, >= 1 */
    int64_t weights; /* elements of (F, width · channels) */
    int64_t window;  /* elements of (chunk · L, width · channels) */
} dt_conv_window_sizes;

dt_conv_window_sizes dt_conv_window_sizes_of(const dt_conv_windows *windows);

#endif
