#include "mpi_world.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

dt_status dt_mpi_check(int code, const char *call)
{
    if (code == MPI_SUCCESS)
        return DT_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(code, text, &length);
    return dt_fail(DT_ERR_COMM, "%s failed: %s", call, text);
}

/* This module, and with it the MPI library, was loaded with local symbols; the components that Open
 * MPI loads look up the library's symbols in the global scope. */
static void make_library_global(void)
{
    Dl_info info;
    int (*address)(int *, char ***, int, int *) = MPI_Init_thread;
    void *library;
    memcpy(&library, &address, sizeof library);
    if (dladdr(library, &info) && info.dli_fname)
        dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

/* MPICH's begins "MPICH Version:      4.2.1", the others' with one line of prose. */
static void name_library(char *out, size_t size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    char version[64];
    int length;
    MPI_Get_library_version(text, &length);
    if (sscanf(text, "MPICH Version: %63s", version) == 1)
        snprintf(out, size, "MPICH %s", version);
    else
        snprintf(out, size, "%.*s", (int)strcspn(text, ",\n"), text);
}

static dt_status check_world(const dt_mpi_info *info, int32_t expected)
{
    if (info->world_size >= expected)
        return DT_OK;
    return dt_fail(
        DT_ERR_COMM,
        "%d processes were started together, but MPI connects only %d: they would overwrite each "
        "other's files. Start them with the launcher of the MPI library that deeptaxa was built "
        "with (%s); under Slurm: " DT_MPI_SRUN ", or mpirun inside sbatch",
        expected, info->world_size, info->library);
}

dt_status dt_mpi_world_begin(dt_mpi_world *world, int32_t expected)
{
    dt_mpi_info *info = &world->info;
    int level;
    make_library_global();
    DT_TRY(dt_mpi_check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "MPI_Init"));
    if (level < MPI_THREAD_FUNNELED)
        return dt_fail(DT_ERR_COMM, "this build of the MPI library does not support threads "
                                    "(MPI_THREAD_FUNNELED is required): use another one");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    name_library(info->library, sizeof info->library);
    MPI_Comm_rank(MPI_COMM_WORLD, &info->world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &info->world_size);
    DT_TRY(check_world(info, expected));
    DT_TRY(dt_mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &world->host_comm), "MPI_Comm_dup"));
    DT_TRY(dt_mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &world->gradient_comm), "MPI_Comm_dup"));
    gethostname(info->host, sizeof info->host - 1);
    return DT_OK;
}

/* Counts the hosts: one rank per host contributes 1. */
dt_status dt_mpi_world_find_hosts(dt_mpi_world *world)
{
    dt_mpi_info *f = &world->info;
    DT_TRY(dt_mpi_check(MPI_Comm_split_type(world->host_comm, MPI_COMM_TYPE_SHARED, f->world_rank,
                                            MPI_INFO_NULL, &world->local_comm),
                        "MPI_Comm_split_type"));
    MPI_Comm_rank(world->local_comm, &f->local_rank);
    MPI_Comm_size(world->local_comm, &f->local_size);
    f->local_first = f->world_rank;
    DT_TRY(dt_mpi_check(MPI_Bcast(&f->local_first, 1, MPI_INT32_T, 0, world->local_comm),
                        "MPI_Bcast"));
    const int first = f->local_rank == 0;
    int hosts;
    DT_TRY(dt_mpi_check(MPI_Allreduce(&first, &hosts, 1, MPI_INT, MPI_SUM, world->host_comm),
                        "MPI_Allreduce"));
    f->hosts = hosts;
    return DT_OK;
}

dt_status dt_mpi_world_end(dt_mpi_world *world)
{
    MPI_Comm_free(&world->local_comm);
    MPI_Comm_free(&world->gradient_comm);
    MPI_Comm_free(&world->host_comm);
    return dt_mpi_check(MPI_Finalize(), "MPI_Finalize");
}
