#include "number.h"

#include <stdint.h>

#include "core/bf16.h"
#include "mpi_world.h"

/* MPI_User_function: inout[i] = in[i] + inout[i] */
static void add_bf16(void *in, void *inout, int *count, MPI_Datatype *type)
{
    const uint16_t *a = in;
    uint16_t *b = inout;
    const int n = *count;
    (void)type;
    for (int i = 0; i < n; ++i)
        b[i] = dt_bf16_of(dt_bf16_value(a[i]) + dt_bf16_value(b[i]));
}

dt_status dt_mpi_bf16_make(MPI_Op *add)
{
    enum { COMMUTES = 1 };
    return dt_mpi_check(MPI_Op_create(add_bf16, COMMUTES, add), "MPI_Op_create");
}

void dt_mpi_bf16_free(MPI_Op *add)
{
    MPI_Op_free(add);
}

MPI_Datatype dt_mpi_type(dt_mpi_number number)
{
    return number == DT_MPI_NUMBER_DOUBLE ? MPI_DOUBLE
           : number == DT_MPI_NUMBER_BF16 ? MPI_UINT16_T
                                          : MPI_FLOAT;
}
