/* The required work of a model in floating-point operations, counted as in
 * docs/performance.md: no padding, one position in the last encoder layer, and three times the
 * forward pass for training. */
#ifndef DT_MODEL_WORK_H
#define DT_MODEL_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"

/* Returns the work of the forward pass of a sequence of `tokens` tokens, in the branches that the
 * model has. */
double dt_forward_work(const dt_model_config *config, int64_t tokens);

/* The same by component: heads, CNN branch, an encoder layer (the last one, or any other). */
double dt_heads_work(const dt_model_config *config);
double dt_cnn_work(const dt_model_config *config, int64_t tokens);
double dt_layer_work(const dt_model_config *config, int64_t tokens, bool last);

#endif
