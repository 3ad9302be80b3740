/* The values of a .pt file other than tensors, under the keys of DeepTaxa 1.3.0. */
#ifndef DT_RUN_TORCH_CONTENT_H
#define DT_RUN_TORCH_CONTENT_H

#include "io/pickle_writer.h"
#include "run/run.h"

/* Add keys and values to the open dict: what every file has; and, of the state of a training,
 * scheduler and loss scale. */
void dt_torch_put_content(dt_pickle_writer *pickle, const dt_run *run, const char *tokenizer_name);
void dt_torch_put_schedule(dt_pickle_writer *pickle, const dt_run *run);

/* Adds the value of "param_groups" in the optimizer's state, for `parameters` tensors. */
void dt_torch_put_param_groups(dt_pickle_writer *pickle, const dt_run *run, int32_t parameters);

#endif
