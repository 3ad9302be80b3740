#include "core/convolution.h"

int64_t dt_conv_taps(int64_t *column, const int32_t *width, int32_t kernels, int32_t filters)
{
    int64_t taps = 0;
    for (int32_t k = 0; k < kernels; ++k) {
        column[k] = taps;
        taps += (int64_t)width[k] * filters;
    }
    return taps;
}

int32_t dt_conv_widest(const int32_t *width, int32_t kernels)
{
    int32_t widest = 1;
    for (int32_t k = 0; k < kernels; ++k)
        if (width[k] > widest)
            widest = width[k];
    return widest;
}

dt_conv_window_sizes dt_conv_window_sizes_of(const dt_conv_windows *windows)
{
    const int64_t seen =
        (int64_t)dt_conv_widest(windows->width, windows->kernels) * windows->channels;
    const int64_t of_sequence = windows->max_length * seen;
    int64_t chunk = windows->elements / of_sequence;
    if (chunk > windows->sequences)
        chunk = windows->sequences;
    if (chunk < 1)
        chunk = 1;
    return (dt_conv_window_sizes){
        .chunk = chunk,
        .weights = windows->filters * seen,
        .window = chunk * of_sequence,
    };
}
