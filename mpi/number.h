/* The number types that MPI sums: their MPI data types and the addition of bf16. */
#ifndef DT_MPI_NUMBER_H
#define DT_MPI_NUMBER_H

#include <mpi.h>

#include "core/status.h"

typedef enum { DT_MPI_NUMBER_FLOAT, DT_MPI_NUMBER_DOUBLE, DT_MPI_NUMBER_BF16 } dt_mpi_number;

/* Creates the operation that adds bf16 numbers, which MPI lacks: it adds in float and rounds
 * (core/bf16.h). It is commutative, so that all ranks get the same bits. The MPI thread creates it,
 * and frees it before MPI_Finalize. */
dt_status dt_mpi_bf16_make(MPI_Op *add);
void dt_mpi_bf16_free(MPI_Op *add);

MPI_Datatype dt_mpi_type(dt_mpi_number number);

#endif
