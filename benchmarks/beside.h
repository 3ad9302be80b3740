/* Another program that times its own steps on request, so that both are measured in turn: it says
 * "ready ..." when it is, then answers each line "N" with the seconds of one of N steps
 * (deeptaxa_torch/train_step.py).
 */
#ifndef DT_BENCHMARKS_BESIDE_H
#define DT_BENCHMARKS_BESIDE_H

#include <stdio.h>
#include <sys/types.h>

#include "core/status.h"

typedef struct {
    pid_t pid;
    FILE *to, *from;
    char description[256]; /* what it said of itself */
} dt_beside;

/* Starts a shell command and waits until it is ready. DT_ERR_IO when it ends before. */
dt_status dt_beside_start(dt_beside *beside, const char *command);

/* Seconds of one of `steps` steps. */
dt_status dt_beside_step(dt_beside *beside, int steps, double *seconds);

/* Ends it and waits for it. */
void dt_beside_stop(dt_beside *beside);

#endif
