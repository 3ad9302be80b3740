/* The states of the random generators in a .pt file. DeepTaxa resumes a run with those of PyTorch,
 * NumPy and Python; this program draws from Philox (core/philox.h), which has none. So the file
 * gets the states of new generators, MT19937 in all three, seeded with the run's seed plus its
 * number of epochs: another order than that of the first epochs.
 */
#ifndef DT_RUN_TORCH_GENERATORS_H
#define DT_RUN_TORCH_GENERATORS_H

#include "io/torch_writer.h"
#include "run/run.h"

#define DT_TORCH_GENERATOR_BYTES 5056

/* Sets `out` to the state of PyTorch's generator: its tensor. */
void dt_torch_generator_state(const dt_run *run, unsigned char out[DT_TORCH_GENERATOR_BYTES]);

/* Adds the value of the key "rng_state", with one tensor. */
void dt_torch_put_generators(dt_torch_writer *file, const dt_run *run);

#endif
