/* A second program that times its own steps on request, so that both can be measured alternately.
 * It prints "ready ..." when it is ready, then answers each line "N" with the seconds per step over
 * N steps (deeptaxa_torch/train_step.py).
 */
#ifndef DT_BENCHMARKS_BESIDE_H
#define DT_BENCHMARKS_BESIDE_H

#include <stdio.h>
#include <sys/types.h>

#include "core/status.h"

typedef struct {
    pid_t pid;
    FILE *to, *from;
    char description[256]; /* its description of itself */
} dt_beside;

/* Starts a shell command and waits until it is ready. Returns DT_ERR_IO if it ends before that. */
dt_status dt_beside_start(dt_beside *beside, const char *command);

/* Runs `steps` steps; *seconds: per step. */
dt_status dt_beside_step(dt_beside *beside, int steps, double *seconds);

/* Ends the program and waits for it. */
void dt_beside_stop(dt_beside *beside);

#endif
