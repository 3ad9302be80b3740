/* mpi/reduce_nccl.c with the emulated CUDA and NCCL, in the module of the CUDA backend on the CPU,
 * since both must use the same runtime. It is C code, hence extern "C". */
extern "C" {
#include "comm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "mpi/reduce.h"
#include "mpi/watchdog.h"
}

#include "mpi/reduce_nccl.c"
