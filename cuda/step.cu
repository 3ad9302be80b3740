/* Recorded steps: the operations on a batch as a CUDA graph, which the next batch of the same shape
 * replays with a single launch.
 *
 * When: the first time a shape occurs, its operations run as they are called; the second time they
 * are recorded; from the third time on they are replayed. A shape that occurs only once therefore
 * costs nothing. When recording starts, the first run has already loaded every kernel and chosen
 * the algorithm of every product, neither of which may happen during a capture.
 *
 * What: kernels, products and gradient events of the operations, and nothing else; a branch of
 * operations is a branch of the graph. The upload of
 * the batch precedes them in the same stream and is not recorded; neither are gradients_zero and
 * update, which run once per update and consist of the same few launches for every batch.
 *
 * Validity: a recording contains addresses and grid sizes. It is valid for one dt_batch_shape,
 * whose `slot` identifies which of the two batch buffers holds the batch, and one key of the
 * caller. The host's checks of a batch are repeated before each replay, with the limits that the
 * operations requested.
 *
 * Capacity: DT_CUDA_STEPS recordings; the least recently used one is replaced. Batches of 64
 * full-length 16S sequences have 22 shapes per epoch (11, in two slots), V4 amplicons 16; twice as
 * many slots leave enough for the micro-batches of accumulated and last batches. A mixture of both
 * has 270 shapes, most of which are rare; most steps of such a run are not recorded.
 */
#include <stdlib.h>
#include <string.h>

#include "cuda/backend_cuda.h"

extern "C" {
#include "core/log.h"
}

#define DT_CUDA_STEPS 64

typedef struct {
    bool used;
    uint64_t key;
    dt_batch_shape shape;
    int64_t last_use;      /* number of the step that last used it */
    cudaGraphExec_t graph; /* NULL: the operations have run but have not been recorded */
    dt_batch_limits limits;
} recorded_step;

struct dt_step_cache {
    recorded_step step[DT_CUDA_STEPS];
    recorded_step *current; /* the step being recorded */
    int64_t steps;          /* number of steps begun */
    bool off;               /* recording failed and is disabled */
};

dt_status dt_cuda_steps_open(dt_cuda *cuda)
{
    cuda->limits = dt_cuda_no_limits();
    cuda->steps = (dt_step_cache *)calloc(1, sizeof *cuda->steps);
    return cuda->steps ? DT_OK : dt_fail(DT_ERR_MEMORY, "no memory for recorded steps");
}

/* CUDA frees a running graph after it has finished. */
static void forget(recorded_step *step)
{
    if (step->graph)
        cudaGraphExecDestroy(step->graph);
    memset(step, 0, sizeof *step);
}

void dt_cuda_steps_forget(dt_cuda *cuda)
{
    for (int i = 0; cuda->steps && i < DT_CUDA_STEPS; ++i)
        forget(&cuda->steps->step[i]);
}

void dt_cuda_steps_close(dt_cuda *cuda)
{
    dt_cuda_steps_forget(cuda);
    free(cuda->steps);
    cuda->steps = NULL;
}

/* Returns the entry of a step, creating it if necessary. */
static recorded_step *entry_of(dt_step_cache *cache, uint64_t key, const dt_batch_shape *shape)
{
    recorded_step *oldest = &cache->step[0];
    for (int i = 0; i < DT_CUDA_STEPS; ++i) {
        recorded_step *step = &cache->step[i];
        if (step->used && step->key == key && memcmp(&step->shape, shape, sizeof *shape) == 0)
            return step;
        if (oldest->used && (!step->used || step->last_use < oldest->last_use))
            oldest = step;
    }
    forget(oldest);
    oldest->key = key;
    oldest->shape = *shape;
    return oldest;
}

/* Disables recording: from now on operations run as they are called. The CUDA error is cleared; if
 * its cause persists, it is reported when it occurs outside a recording. */
static void give_up(dt_cuda *cuda)
{
    if (cuda->error != DT_ERR_DEVICE && cuda->error != DT_ERR_MEMORY)
        return;
    dt_notice("steps are not recorded as CUDA graphs, so they run slightly slower: %s",
              cuda->message);
    cuda->error = DT_OK;
    cudaGetLastError();
    cuda->steps->off = true;
    dt_cuda_steps_forget(cuda);
}

/* Starts a capture that does not restrict the use of the device by other threads. */
static bool begin_recording(dt_cuda *cuda, recorded_step *step)
{
    if (!dt_cuda_ok(cuda, cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal),
                    "beginning to record a step")) {
        give_up(cuda);
        return false;
    }
    cuda->steps->current = step;
    cuda->recording = true;
    cuda->limits = dt_cuda_no_limits();
    return true;
}

static void replay(dt_cuda *cuda, const recorded_step *step)
{
    dt_cuda_ok(cuda, cudaGraphLaunch(step->graph, cuda->stream), "starting a recorded step");
}

int dt_cuda_step_begin(dt_backend *backend, const dt_device_batch *batch, uint64_t key)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    const dt_cuda_batch *b = dt_cuda_batch_of(batch);
    if (!dt_cuda_ready(cuda) || cuda->steps->off)
        return DT_STEP_RUN;
    recorded_step *step = entry_of(cuda->steps, key, &b->shape);
    step->last_use = ++cuda->steps->steps;
    if (dt_cuda_rehearsed(cuda, step->used))
        return DT_STEP_REPLAYED;
    if (!step->used) {
        step->used = true;
        return DT_STEP_RUN;
    }
    if (!step->graph)
        return begin_recording(cuda, step) ? DT_STEP_RECORD : DT_STEP_RUN;
    if (!dt_cuda_batch_in(cuda, b, &step->limits))
        return DT_STEP_RUN; /* the operations do nothing after an error */
    replay(cuda, step);
    return DT_STEP_REPLAYED;
}

bool dt_cuda_step_end(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    recorded_step *step = cuda->steps->current;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t launchable = NULL;
    cuda->recording = false;
    const cudaError_t ended = cudaStreamEndCapture(cuda->stream, &graph);
    if (dt_cuda_ready(cuda) && dt_cuda_ok(cuda, ended, "recording a step") &&
        dt_cuda_ok(cuda, cudaGraphInstantiate(&launchable, graph, 0), "making a step's graph")) {
        step->graph = launchable;
        step->limits = cuda->limits;
    }
    if (graph)
        cudaGraphDestroy(graph);
    if (cuda->error) {
        give_up(cuda);
        return false;
    }
    replay(cuda, step);
    return true;
}
