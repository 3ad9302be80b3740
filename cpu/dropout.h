/* The dropout masks of a batch's rows, for the draws of vector_math.h. */
#ifndef DT_CPU_DROPOUT_H
#define DT_CPU_DROPOUT_H

#include "cpu/backend_cpu.h"
#include "layers.h"

/* Returns the mask of the row of token `position` of sequence `sequence`. */
static inline dt_mask dt_cpu_mask(const dt_cpu_batch *batch, const dt_dropout *dropout,
                                  int64_t sequence, int64_t position)
{
    return (dt_mask){
        .seed = batch->seed,
        .stream = dropout->stream,
        .position = (uint32_t)position,
        .sequence = (uint32_t)(batch->first_sequence + sequence),
        .step = batch->step,
        .threshold = dt_dropout_threshold(dropout->p),
        .kept = (dt_real)(1.0 / (1.0 - dropout->p)),
    };
}

/* The same for a row of a matrix of the given row kind. */
static inline dt_mask dt_cpu_row_mask(const dt_cpu_batch *batch, const dt_dropout *dropout,
                                      dt_row_kind rows, int64_t row)
{
    if (rows == DT_ROWS_SEQUENCES)
        return dt_cpu_mask(batch, dropout, row, 0);
    const int32_t sequence = batch->sequence_of_row[row];
    return dt_cpu_mask(batch, dropout, sequence, row - batch->cu_seqlens[sequence]);
}

#endif
