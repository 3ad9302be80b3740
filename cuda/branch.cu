/* Branches: operations on a second stream, beside those on the first. In a recorded step they are a
 * branch of the graph, since the second stream joins the capture with the first event it waits for.
 *
 * The backend's fields `stream`, `sums` and `workspace` are those of the current stream; beginning
 * and ending a branch exchanges them with cuda->other, so that operations need not know of it.
 */
#include <utility>

#include "cuda/backend_cuda.h"

dt_status dt_cuda_branch_open(dt_cuda *cuda)
{
    dt_cuda_lane *other = &cuda->other;
    if (dt_cuda_ready(cuda) &&
        dt_cuda_ok(cuda, cudaStreamCreateWithFlags(&other->stream, cudaStreamNonBlocking),
                   "making a stream"))
        for (cudaEvent_t *event : {&cuda->branch_begun, &cuda->branch_ended})
            dt_cuda_ok(cuda, cudaEventCreateWithFlags(event, cudaEventDisableTiming),
                       "making an event");
    DT_TRY(dt_cuda_check(&cuda->base));
    DT_TRY(dt_cuda_memory_new(cuda, (void **)&other->sums, DT_CUDA_SUMS * (int64_t)sizeof(float)));
    return dt_cuda_memory_new(cuda, &other->workspace, DT_CUDA_WORKSPACE);
}

void dt_cuda_branch_close(dt_cuda *cuda)
{
    for (cudaEvent_t event : {cuda->branch_begun, cuda->branch_ended})
        if (event)
            cudaEventDestroy(event);
    cudaFree(cuda->other.sums);
    cudaFree(cuda->other.workspace);
    if (cuda->other.stream)
        cudaStreamDestroy(cuda->other.stream);
}

static void exchange_lanes(dt_cuda *cuda)
{
    std::swap(cuda->stream, cuda->other.stream);
    std::swap(cuda->sums, cuda->other.sums);
    std::swap(cuda->workspace, cuda->other.workspace);
}

/* Makes `later` wait for the work in `earlier`; also after an error, because a capture can only end
 * when its streams have been joined. */
static void order(dt_cuda *cuda, cudaStream_t earlier, cudaEvent_t event, cudaStream_t later)
{
    if (dt_cuda_ok(cuda, cudaEventRecord(event, earlier), "recording an event"))
        dt_cuda_ok(cuda, cudaStreamWaitEvent(later, event, 0), "waiting for an event");
}

void dt_cuda_branch(dt_backend *backend, dt_branch_point point)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    if (dt_cuda_rehearses(cuda))
        return; /* work on another stream would disturb the times */
    switch (point) {
    case DT_BRANCH_BEGIN:
        order(cuda, cuda->stream, cuda->branch_begun, cuda->other.stream);
        exchange_lanes(cuda);
        break;
    case DT_BRANCH_END:
        exchange_lanes(cuda);
        break;
    case DT_BRANCH_JOIN:
        order(cuda, cuda->other.stream, cuda->branch_ended, cuda->stream);
        break;
    }
}
