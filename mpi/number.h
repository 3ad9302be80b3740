/* The kinds of numbers that MPI sums: as it calls them, and the operation that adds two of them. */
#ifndef DT_MPI_NUMBER_H
#define DT_MPI_NUMBER_H

#include <mpi.h>

#include "core/status.h"

typedef enum { DT_MPI_NUMBER_FLOAT, DT_MPI_NUMBER_DOUBLE, DT_MPI_NUMBER_BF16 } dt_mpi_number;

/* MPI does not know bf16: an operation of ours adds in float and rounds (core/bf16.h). It does not
 * matter which of two numbers comes first, so that all ranks get the same bits. The thread that
 * calls MPI makes it, and frees it before MPI_Finalize. */
dt_status dt_mpi_bf16_make(MPI_Op *add);
void dt_mpi_bf16_free(MPI_Op *add);

MPI_Datatype dt_mpi_type(dt_mpi_number number);

#endif
