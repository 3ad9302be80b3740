/* Loads cuDNN at run time and creates its plans; the graphs are in cudnn_nodes.cu. */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cudnn_nodes.h"
#include "cuda/cudnn_plan.h"

#define LIBRARY "libcudnn.so.9"

/* Earlier versions have attention bugs that cuDNN's frontend works around or rejects (9.10.0,
 * 9.10.1). */
#define OLDEST_VERSION 91002

/* ---- the library ---------------------------------------------------------------------------- */

static dt_status find_functions(dt_cudnn *cudnn)
{
    cudnn->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!cudnn->library)
        return dt_fail(DT_ERR_DEVICE,
                       "attention method cudnn: cuDNN cannot be loaded (%s); install cuDNN 9 or "
                       "add its folder to LD_LIBRARY_PATH, or use --attention auto",
                       dlerror());
    const char *missing = NULL;
#define FIND(name)                                                                                 \
    cudnn->call.name = (decltype(cudnn->call.name))dlsym(cudnn->library, "cudnn" #name);           \
    if (!cudnn->call.name)                                                                         \
        missing = "cudnn" #name;
    DT_CUDNN_FUNCTIONS(FIND)
#undef FIND
    const int version = cudnn->call.GetVersion ? (int)cudnn->call.GetVersion() : 0;
    if (version < OLDEST_VERSION)
        return dt_fail(DT_ERR_DEVICE,
                       "attention method cudnn: cuDNN %d.%d.%d is too old, %d.%d.%d is required; "
                       "install a newer one, or use --attention auto",
                       version / 10000, version / 100 % 100, version % 100, OLDEST_VERSION / 10000,
                       OLDEST_VERSION / 100 % 100, OLDEST_VERSION % 100);
    if (missing)
        return dt_fail(DT_ERR_DEVICE,
                       "attention method cudnn: " LIBRARY " has no %s; reinstall cuDNN, or use "
                       "--attention auto",
                       missing);
    return DT_OK;
}

static dt_status start(dt_cudnn *cudnn, cudaStream_t stream)
{
    cudnnStatus_t code = cudnn->call.Create(&cudnn->handle);
    if (code != CUDNN_STATUS_SUCCESS) {
        cudnn->handle = NULL;
        return dt_cudnn_refused(cudnn, code, "to start");
    }
    code = cudnn->call.SetStream(cudnn->handle, stream);
    return code == CUDNN_STATUS_SUCCESS ? DT_OK : dt_cudnn_refused(cudnn, code, "its stream");
}

static dt_status describe_device(dt_cudnn *cudnn, const char *json)
{
    cudnnStatus_t code =
        cudnn->call.BackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &cudnn->device);
    if (code == CUDNN_STATUS_SUCCESS)
        code = cudnn->call.BackendSetAttribute(cudnn->device,
                                               CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                               CUDNN_TYPE_CHAR, (int64_t)strlen(json), json);
    if (code == CUDNN_STATUS_SUCCESS)
        code = cudnn->call.BackendFinalize(cudnn->device);
    return code == CUDNN_STATUS_SUCCESS ? DT_OK
                                        : dt_cudnn_refused(cudnn, code, "a device's description");
}

dt_status dt_cudnn_open(dt_cudnn **out, cudaStream_t stream, const char *device_json)
{
    *out = NULL;
    dt_cudnn *cudnn = (dt_cudnn *)calloc(1, sizeof *cudnn);
    if (!cudnn)
        return dt_fail(DT_ERR_MEMORY, "no memory for cuDNN");
    dt_status status = find_functions(cudnn);
    if (status == DT_OK)
        status = device_json ? describe_device(cudnn, device_json) : start(cudnn, stream);
    if (status != DT_OK) {
        dt_cudnn_close(cudnn);
        return status;
    }
    *out = cudnn;
    return DT_OK;
}

/* The library remains loaded, since it has its own threads and kernels. */
void dt_cudnn_close(dt_cudnn *cudnn)
{
    if (!cudnn)
        return;
    if (cudnn->handle)
        cudnn->call.Destroy(cudnn->handle);
    if (cudnn->device)
        cudnn->call.BackendDestroyDescriptor(cudnn->device);
    free(cudnn);
}

/* ---- plans ---------------------------------------------------------------------------------- */

struct dt_cudnn_plan {
    dt_cudnn_shape shape;
    dt_cudnn_graph graph; /* holds all descriptors */
    cudnnBackendDescriptor_t plan;
    cudnnBackendDescriptor_t pack; /* addresses; NULL before the first bind */
    int64_t workspace;
    float constant[DT_CUDNN_NAMED - DT_CUDNN_TENSORS];
};

static cudnnBackendDescriptor_t operation_graph(dt_cudnn_graph *graph)
{
    const cudnnBackendDescriptor_t out =
        dt_cudnn_make(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    dt_cudnn_set(graph, out, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                 graph->operations, graph->operation);
    if (graph->cudnn->handle)
        dt_cudnn_set(graph, out, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
                     &graph->cudnn->handle);
    dt_cudnn_finish(graph, out, "the graph of attention");
    return out;
}

/* Returns the heuristics descriptor with the library's engine configurations for the graph, best
 * first. */
static cudnnBackendDescriptor_t proposals(dt_cudnn_graph *graph, cudnnBackendDescriptor_t whole)
{
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    const cudnnBackendDescriptor_t out = dt_cudnn_make(graph, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    dt_cudnn_set(graph, out, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                 1, &whole);
    dt_cudnn_set(graph, out, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (graph->cudnn->device)
        dt_cudnn_set(graph, out, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                     &graph->cudnn->device);
    dt_cudnn_finish(graph, out, "attention of this shape on this GPU");
    return out;
}

#define PROPOSALS 8

/* Returns true if the engine of a configuration declares itself deterministic. */
static bool repeatable(const dt_cudnn *cudnn, cudnnBackendDescriptor_t configuration)
{
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t count = 0;
    int64_t notes = 0;
    bool out = true;
    if (cudnn->call.BackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    if (cudnn->call.BackendGetAttribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                        &engine) != CUDNN_STATUS_SUCCESS ||
        cudnn->call.BackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                        CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
                                        &notes, note) != CUDNN_STATUS_SUCCESS)
        out = false;
    for (int64_t i = 0; out && i < notes && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; ++i)
        out = note[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    cudnn->call.BackendDestroyDescriptor(engine);
    return out;
}

/* Tries to create a plan from a configuration; returns false if that is not possible. */
static bool try_configuration(dt_cudnn_plan *plan, cudnnBackendDescriptor_t configuration)
{
    const dt_cudnn_functions *call = &plan->graph.cudnn->call;
    int64_t count = 0;
    cudnnBackendDescriptor_t out = NULL;
    if (call->BackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &out) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    if (call->BackendSetAttribute(out, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                  &configuration) != CUDNN_STATUS_SUCCESS ||
        call->BackendFinalize(out) != CUDNN_STATUS_SUCCESS ||
        call->BackendGetAttribute(out, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                                  1, &count, &plan->workspace) != CUDNN_STATUS_SUCCESS) {
        call->BackendDestroyDescriptor(out);
        return false;
    }
    plan->plan = out;
    return true;
}

/* Creates the plan from the first configuration that works. */
static dt_status choose(dt_cudnn_plan *plan)
{
    dt_cudnn_graph *graph = &plan->graph;
    const dt_cudnn_functions *call = &graph->cudnn->call;
    const cudnnBackendDescriptor_t heuristics = proposals(graph, operation_graph(graph));
    cudnnBackendDescriptor_t configuration[PROPOSALS] = {};
    int64_t count = 0;
    for (int i = 0; i < PROPOSALS; ++i)
        configuration[i] = dt_cudnn_make(graph, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    DT_TRY(graph->status);
    const cudnnStatus_t code =
        call->BackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS, &count, configuration);
    if (code != CUDNN_STATUS_SUCCESS)
        return dt_cudnn_refused(graph->cudnn, code, "attention of this shape on this GPU");
    for (int64_t i = 0; i < count && i < PROPOSALS; ++i)
        if (repeatable(graph->cudnn, configuration[i]) && try_configuration(plan, configuration[i]))
            return DT_OK;
    return dt_fail(DT_ERR_DEVICE,
                   "attention method cudnn: cuDNN %d has no deterministic engine for %s "
                   "of %d heads of %d elements, %d positions on this GPU; use --attention auto",
                   (int)call->GetVersion(), plan->shape.backward ? "the gradients" : "attention",
                   plan->shape.heads, plan->shape.head_size, plan->shape.positions);
}

dt_status dt_cudnn_plan_make(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out)
{
    *out = NULL;
    dt_cudnn_plan *plan = (dt_cudnn_plan *)calloc(1, sizeof *plan);
    if (!plan)
        return dt_fail(DT_ERR_MEMORY, "no memory for a plan of attention");
    plan->shape = *shape;
    plan->graph.cudnn = cudnn;
    plan->graph.shape = &plan->shape;
    plan->graph.next_id = DT_CUDNN_NAMED;
    const double kept = 1.0 - shape->dropout;
    plan->constant[DT_CUDNN_SCALE - DT_CUDNN_TENSORS] = (float)(1.0 / sqrt(shape->head_size));
    plan->constant[DT_CUDNN_MASKED - DT_CUDNN_TENSORS] = -INFINITY;
    plan->constant[DT_CUDNN_KEPT_FACTOR - DT_CUDNN_TENSORS] = (float)(1.0 / kept);
    plan->constant[DT_CUDNN_KEPT_SHARE - DT_CUDNN_TENSORS] = (float)kept;
    if (shape->backward)
        dt_cudnn_backward(&plan->graph);
    else
        dt_cudnn_forward(&plan->graph);
    const dt_status status = plan->graph.status == DT_OK ? choose(plan) : plan->graph.status;
    if (status != DT_OK) {
        dt_cudnn_plan_free(cudnn, plan);
        return status;
    }
    *out = plan;
    return DT_OK;
}

void dt_cudnn_plan_free(dt_cudnn *cudnn, dt_cudnn_plan *plan)
{
    if (!plan)
        return;
    if (plan->pack)
        cudnn->call.BackendDestroyDescriptor(plan->pack);
    if (plan->plan)
        cudnn->call.BackendDestroyDescriptor(plan->plan);
    for (int i = plan->graph.made_count - 1; i >= 0; --i)
        cudnn->call.BackendDestroyDescriptor(plan->graph.made[i]);
    free(plan);
}

int64_t dt_cudnn_plan_workspace(const dt_cudnn_plan *plan)
{
    return plan->workspace;
}

dt_status dt_cudnn_plan_bind(dt_cudnn *cudnn, dt_cudnn_plan *plan,
                             void *const address[DT_CUDNN_TENSORS], void *workspace)
{
    const dt_cudnn_functions *call = &cudnn->call;
    int64_t id[DT_CUDNN_NAMED];
    void *place[DT_CUDNN_NAMED];
    int64_t count = 0;
    for (int i = 0; i < DT_CUDNN_NAMED; ++i)
        if (plan->graph.named[i]) {
            id[count] = i;
            place[count++] =
                i < DT_CUDNN_TENSORS ? address[i] : &plan->constant[i - DT_CUDNN_TENSORS];
        }
    if (plan->pack)
        call->BackendDestroyDescriptor(plan->pack);
    plan->pack = NULL;
    cudnnStatus_t code =
        call->BackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &plan->pack);
    if (code == CUDNN_STATUS_SUCCESS)
        code = call->BackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
                                         CUDNN_TYPE_INT64, count, id);
    if (code == CUDNN_STATUS_SUCCESS)
        code = call->BackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                         CUDNN_TYPE_VOID_PTR, count, place);
    if (code == CUDNN_STATUS_SUCCESS)
        code = call->BackendSetAttribute(plan->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                                         CUDNN_TYPE_VOID_PTR, 1, &workspace);
    if (code == CUDNN_STATUS_SUCCESS)
        code = call->BackendFinalize(plan->pack);
    return code == CUDNN_STATUS_SUCCESS
               ? DT_OK
               : dt_cudnn_refused(cudnn, code, "the addresses of attention");
}

dt_status dt_cudnn_plan_run(dt_cudnn *cudnn, dt_cudnn_plan *plan)
{
    const cudnnStatus_t code = cudnn->call.BackendExecute(cudnn->handle, plan->plan, plan->pack);
    return code == CUDNN_STATUS_SUCCESS ? DT_OK : dt_cudnn_refused(cudnn, code, "to run attention");
}
