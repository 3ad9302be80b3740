/* The device of a command. --device cpu and --device cuda are taken as they are. With --device auto:
 *
 *   - a GPU, if there is one that has passed `deeptaxa selftest --quick` (once for a GPU type,
 *     driver and build: cli/verdict_cache.h);
 *   - otherwise the CPU; if there is a GPU, rank 0 prints a notice that says why;
 *   - but if GPUs were asked for, by --gpus or by a Slurm allocation with GPUs, an error.
 *
 * All ranks of a run take GPUs, or none does.
 *
 * The test runs in a process of its own: whatever a GPU or its driver does, this process is not
 * affected, has opened no device, and goes on after DT_GPU_SECONDS. */
#ifndef DT_CLI_DEVICE_H
#define DT_CLI_DEVICE_H

#include "comm.h"
#include "options/options.h"

#define DT_DEVICE_NAME 16

/* A passing test takes at most 5 seconds; drivers that must first start all GPUs of a host, or
 * compile for a new GPU type, need more. */
#define DT_GPU_SECONDS 120.0

/* The error of `deeptaxa selftest --quick` where there is nothing to test. */
#define DT_NO_GPU "no GPU was found"

typedef struct {
    const dt_command *command; /* with an option "device" */
    int choice;                /* its value */
    int64_t threads;           /* for the test; 0: all available */
    const char *asked_by;      /* what asks for GPUs, "--gpus"; NULL: only Slurm may */
} dt_device_wish;

/* Sets `device` to the name of the backend to open. comm: NULL for a command that is one process.
 * DT_ERR_DEVICE on every rank, with *agreed (may be NULL) set, if GPUs were asked for and cannot be
 * taken. Collective. */
dt_status dt_choose_device(const dt_device_wish *wish, dt_comm *comm, bool *agreed,
                           char device[DT_DEVICE_NAME]);

/* ---- individual steps, for tests ------------------------------------------------------------- */

typedef enum { DT_GPU_NONE, DT_GPU_PASSED, DT_GPU_FAILED } dt_gpu_verdict;

/* Runs `<program> --quick` with the arguments of a GPU; `why` says what failed. */
dt_gpu_verdict dt_test_gpu(const char *program, int32_t number, int32_t threads, double seconds,
                           char *why, size_t size);

/* Returns the variable by which Slurm tells of allocated GPUs; NULL: there are none. */
const char *dt_slurm_gpus(char *(*lookup)(const char *name));

#endif
