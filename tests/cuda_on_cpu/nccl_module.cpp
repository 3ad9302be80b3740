/* mpi/reduce_nccl.c with the stand-ins of CUDA and NCCL, in the module of the CUDA backend on the
 * CPU: both must use one runtime. It is C, and reads its headers as such. */
extern "C" {
#include "comm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "mpi/reduce.h"
#include "mpi/watchdog.h"
}

#include "mpi/reduce_nccl.c"
