/* Emulates NCCL for ranks that are processes on one machine: see include/nccl.h. */
#include "nccl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "cuda_bf16.h"
#include "engine.h"

#define MOST_RANKS 16
#define PIECE 65536 /* numbers exchanged at a time */

/* Shared by the processes. */
struct meeting {
    std::atomic<int> joined;
    std::atomic<int> arrived;
    std::atomic<unsigned> round; /* of the barrier */
    float values[MOST_RANKS][PIECE]; /* or bf16 */
};

struct ncclComm {
    meeting *shared;
    int ranks, rank;
    bool fails, early;
    std::atomic<int> sums;
    std::atomic<int> error;
};

namespace
{

/* Waits for all ranks; afterwards each sees what the others wrote. */
void barrier(ncclComm_t comm)
{
    meeting *m = comm->shared;
    const unsigned round = m->round.load();
    if (m->arrived.fetch_add(1) + 1 == comm->ranks) {
        m->arrived.store(0);
        m->round.fetch_add(1);
        return;
    }
    while (m->round.load() == round)
        usleep(50);
}

template <typename T> void sum_piece(ncclComm_t comm, T *out, const T *in, size_t count)
{
    memcpy((void *)comm->shared->values[comm->rank], (const void *)in, count * sizeof *in);
    barrier(comm);
    for (size_t i = 0; i < count; ++i) {
        T sum = ((const T *)comm->shared->values[0])[i];
        for (int q = 1; q < comm->ranks; ++q)
            sum = sum + ((const T *)comm->shared->values[q])[i];
        out[i] = sum;
    }
    barrier(comm);
}

template <typename T> void sum_pieces(ncclComm_t comm, void *out, const void *in, size_t count)
{
    for (size_t i = 0; i < count; i += PIECE)
        sum_piece(comm, (T *)out + i, (const T *)in + i, count - i < PIECE ? count - i : PIECE);
}

/* From each rank `count` numbers to all, or those of `root` alone if it is a rank. */
void gather_pieces(ncclComm_t comm, float *out, const float *in, size_t count, int root)
{
    const int first = root < 0 ? 0 : root;
    const int end = root < 0 ? comm->ranks : root + 1;
    for (size_t i = 0; i < count; i += PIECE) {
        const size_t n = count - i < PIECE ? count - i : PIECE;
        memcpy(comm->shared->values[comm->rank], in + i, n * sizeof *in);
        barrier(comm);
        for (int q = first; q < end; ++q)
            memcpy(out + (q - first) * count + i, comm->shared->values[q], n * sizeof *in);
        barrier(comm);
    }
}

#define GATHER (-1)
#define SUM (-2)

struct nccl_work {
    ncclComm_t comm;
    const void *in;
    void *out;
    size_t count;
    ncclDataType_t type;
    int root; /* or GATHER or SUM */
};

void run_work(void *data)
{
    nccl_work *work = (nccl_work *)data;
    if (work->comm->fails && work->comm->sums > 0)
        work->comm->error = ncclRemoteError;
    while (work->comm->error)
        pause();
    if (work->root != SUM)
        gather_pieces(work->comm, (float *)work->out, (const float *)work->in, work->count,
                      work->root);
    else if (work->type == ncclFloat)
        sum_pieces<float>(work->comm, work->out, work->in, work->count);
    else
        sum_pieces<__nv_bfloat16>(work->comm, work->out, work->in, work->count);
    if (getenv("NCCL_ON_CPU_SLOW"))
        usleep(30000);
    if (getenv("NCCL_ON_CPU_WRONG")) /* a planted fault */
        *(char *)work->out ^= 1;
    ++work->comm->sums;
    delete work;
}

ncclResult_t enqueue(const nccl_work &what, cudaStream_t stream)
{
    nccl_work *work = new nccl_work(what);
    if (cudaLaunchHostFunc(stream, run_work, work) != cudaSuccess)
        return ncclSystemError;
    if (what.comm->early)
        cudaStreamSynchronize(stream);
    return ncclSuccess;
}

} // namespace

ncclResult_t ncclGetVersion(int *version)
{
    *version = 10203;
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    static int made;
    memset(id, 0, sizeof *id);
    snprintf(id->internal, sizeof id->internal, "/nccl_on_cpu_%d_%d", (int)getpid(), ++made);
    const int file = shm_open(id->internal, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, sizeof(meeting)) != 0)
        return ncclSystemError;
    close(file);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank)
{
    if (ranks > MOST_RANKS || rank < 0 || rank >= ranks)
        return ncclInvalidArgument;
    const int file = shm_open(id.internal, O_RDWR, 0600);
    if (file < 0)
        return ncclSystemError;
    void *memory = mmap(nullptr, sizeof(meeting), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        return ncclSystemError;
    const char *fails = getenv("NCCL_ON_CPU_ERROR");
    *comm = new ncclComm();
    (*comm)->shared = (meeting *)memory;
    (*comm)->ranks = ranks;
    (*comm)->rank = rank;
    (*comm)->fails = fails && atoi(fails) == rank;
    (*comm)->early = getenv("NCCL_ON_CPU_EARLY") != nullptr;
    (*comm)->shared->joined.fetch_add(1);
    while ((*comm)->shared->joined.load() < ranks)
        usleep(50);
    if (rank == 0)
        shm_unlink(id.internal);
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    munmap(comm->shared, sizeof(meeting));
    delete comm;
    return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error)
{
    *error = (ncclResult_t)comm->error.load();
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
    return result == ncclSuccess ? "no error" : result == ncclRemoteError ? "remote error" : "error";
}

const char *ncclGetLastError(ncclComm_t)
{
    return "";
}

ncclResult_t ncclAllReduce(const void *send, void *receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream)
{
    if ((type != ncclFloat && type != ncclBfloat16) || operation != ncclSum)
        return ncclInvalidArgument;
    return enqueue({comm, send, receive, count, type, SUM}, stream);
}

ncclResult_t ncclAllGather(const void *send, void *receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream)
{
    if (type != ncclFloat)
        return ncclInvalidArgument;
    return enqueue({comm, send, receive, count, type, GATHER}, stream);
}

ncclResult_t ncclBroadcast(const void *send, void *receive, size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream)
{
    if (type != ncclFloat || root < 0 || root >= comm->ranks)
        return ncclInvalidArgument;
    return enqueue({comm, send, receive, count, type, root}, stream);
}

ncclResult_t ncclGroupStart(void)
{
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void)
{
    return ncclSuccess;
}
