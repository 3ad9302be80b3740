/* The needed work of the hybrid in floating-point operations, counted as docs/performance.md does:
 * no padding, one position in the encoder's last layer, training three times the forward pass. */
#ifndef DT_BENCHMARKS_WORK_H
#define DT_BENCHMARKS_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"

/* Forward pass of one sequence of `tokens` tokens. */
double dt_forward_work(const dt_model_config *config, int64_t tokens);

/* The same by part: heads, CNN branch, encoder layer (the last one, or any other). */
double dt_heads_work(const dt_model_config *config);
double dt_cnn_work(const dt_model_config *config, int64_t tokens);
double dt_layer_work(const dt_model_config *config, int64_t tokens, bool last);

#endif
