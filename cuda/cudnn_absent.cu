/* Implements cudnn_plan.h in builds without cuDNN's header: every call fails. */
#include "cuda/cudnn_plan.h"

dt_status dt_cudnn_open(dt_cudnn **out, cudaStream_t stream, const char *device_json)
{
    (void)stream;
    (void)device_json;
    *out = NULL;
    return dt_fail(DT_ERR_DEVICE,
                   "attention method cudnn: DeepTaxa-MPI was built without cuDNN; build it where "
                   "cuDNN's header cudnn_graph.h is found, or use --attention auto");
}

void dt_cudnn_close(dt_cudnn *cudnn)
{
    (void)cudnn;
}

dt_status dt_cudnn_plan_make(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out)
{
    (void)shape;
    *out = NULL;
    return dt_cudnn_open(&cudnn, NULL, NULL);
}

void dt_cudnn_plan_free(dt_cudnn *cudnn, dt_cudnn_plan *plan)
{
    (void)cudnn;
    (void)plan;
}

int64_t dt_cudnn_plan_workspace(const dt_cudnn_plan *plan)
{
    (void)plan;
    return 0;
}

dt_status dt_cudnn_plan_bind(dt_cudnn *cudnn, dt_cudnn_plan *plan,
                             void *const address[DT_CUDNN_TENSORS], void *workspace)
{
    (void)plan;
    (void)address;
    (void)workspace;
    return dt_cudnn_open(&cudnn, NULL, NULL);
}

dt_status dt_cudnn_plan_run(dt_cudnn *cudnn, dt_cudnn_plan *plan)
{
    (void)plan;
    return dt_cudnn_open(&cudnn, NULL, NULL);
}
