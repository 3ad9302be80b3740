/* Faults for test_preflight.sh, preloaded into a rank:
 *     OTHER_VERSION=9.9.9    the version of the program
 *     WRONG_SUM=1            one number of what this rank contributes to each sum of MPI is changed */
#include <dlfcn.h>
#include <mpi.h>
#include <stdlib.h>

const char *dt_version(void);

const char *dt_version(void)
{
    const char *(*next)(void);
    *(void **)&next = dlsym(RTLD_NEXT, "dt_version");
    return getenv("OTHER_VERSION") ? getenv("OTHER_VERSION") : next();
}

int MPI_Iallreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op operation,
                   MPI_Comm comm, MPI_Request *request)
{
    int (*sum)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm, MPI_Request *);
    *(void **)&sum = dlsym(RTLD_DEFAULT, "PMPI_Iallreduce");
    if (getenv("WRONG_SUM"))
        ((float *)out)[count / 2] += 1.0f;
    return sum(in, out, count, type, operation, comm, request);
}
