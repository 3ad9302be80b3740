/* Loads cuDNN at run time and creates its plans through cuDNN's frontend. C++ for the host: the
 * frontend's headers are large, and nvcc would read them several times. */
#include <dlfcn.h>
#include <math.h>

#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING /* the frontend takes cuDNN from cudnn_dlhandle */
#define CUDNN_FRONTEND_SKIP_JSON_LIB /* no plan is written to a file; half the time to compile */
#include <cudnn_frontend.h>

#include "cuda/cudnn_plan.h"

#define LIBRARY "libcudnn.so.9"

/* Earlier versions have attention bugs that cuDNN's frontend works around or rejects (9.10.0,
 * 9.10.1). */
#define OLDEST_VERSION 91002

namespace cudnn_frontend
{
void *cudnn_dlhandle;
}
namespace fe = cudnn_frontend;

typedef std::shared_ptr<fe::graph::Tensor_attributes> tensor;

struct dt_cudnn {
    cudnnHandle_t handle; /* NULL if only the description of a device is given */
    int32_t compute_capability, multiprocessors;
    std::shared_ptr<fe::DeviceProperties> device; /* that description, else none */
};

struct dt_cudnn_plan {
    dt_cudnn_shape shape;
    fe::graph::Graph graph;
    int64_t workspace;
};

/* ---- the library ---------------------------------------------------------------------------- */

/* Returns the error that the library rejected `what`, with its own message on one line. */
static dt_status refused(const char *what, std::string words)
{
    for (char &c : words)
        if (c == '\n' || c == '\t')
            c = ' ';
    return dt_fail(DT_ERR_DEVICE,
                   "attention method cudnn: cuDNN %d refuses %s: %.300s; use --attention auto",
                   (int)fe::detail::get_backend_version(), what, words.c_str());
}

static dt_status load_library()
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return dt_fail(DT_ERR_DEVICE,
                       "attention method cudnn: cuDNN cannot be loaded (%s); install cuDNN 9 or "
                       "add its folder to LD_LIBRARY_PATH, or use --attention auto",
                       dlerror());
    fe::cudnn_dlhandle = library;
    const int version = (int)fe::detail::get_backend_version();
    if (version < OLDEST_VERSION)
        return dt_fail(DT_ERR_DEVICE,
                       "attention method cudnn: cuDNN %d.%d.%d is too old, %d.%d.%d is required; "
                       "install a newer one, or use --attention auto",
                       version / 10000, version / 100 % 100, version % 100, OLDEST_VERSION / 10000,
                       OLDEST_VERSION / 100 % 100, OLDEST_VERSION % 100);
    return DT_OK;
}

static dt_status start(dt_cudnn *cudnn, cudaStream_t stream)
{
    cudnnStatus_t code = fe::detail::create_handle(&cudnn->handle);
    if (code != CUDNN_STATUS_SUCCESS) {
        cudnn->handle = NULL;
        return refused("to start", fe::detail::get_error_string(code));
    }
    code = fe::detail::set_stream(cudnn->handle, stream);
    return code == CUDNN_STATUS_SUCCESS ? DT_OK
                                        : refused("its stream", fe::detail::get_error_string(code));
}

static dt_status describe_device(dt_cudnn *cudnn, const std::string &json)
{
    cudnn->device = std::make_shared<fe::DeviceProperties>();
    fe::error_t error =
        cudnn->device->deserialize(std::vector<uint8_t>(json.begin(), json.end()));
    return error.is_good() ? DT_OK : refused("a device's description", error.get_message());
}

/* The frontend throws where a function of the library is missing. */
template <typename Body> static dt_status without_exceptions(Body body)
{
    try {
        return body();
    } catch (const std::exception &e) {
        return dt_fail(DT_ERR_DEVICE, "attention method cudnn: %.300s; use --attention auto",
                       e.what());
    }
}

dt_status dt_cudnn_open(dt_cudnn **out, cudaStream_t stream, const dt_cudnn_device *device)
{
    *out = NULL;
    return without_exceptions([&] {
        std::unique_ptr<dt_cudnn, void (*)(dt_cudnn *)> cudnn(new dt_cudnn(), dt_cudnn_close);
        cudnn->compute_capability = device->compute_capability;
        cudnn->multiprocessors = device->multiprocessors;
        DT_TRY(load_library());
        DT_TRY(device->json ? describe_device(cudnn.get(), device->json)
                            : start(cudnn.get(), stream));
        *out = cudnn.release();
        return DT_OK;
    });
}

/* The library remains loaded, since it has its own threads and kernels. */
void dt_cudnn_close(dt_cudnn *cudnn)
{
    if (cudnn && cudnn->handle)
        fe::detail::destroy_handle(cudnn->handle);
    delete cudnn;
}

/* ---- graphs --------------------------------------------------------------------------------- */

/* Sets the layout of an output, or describes an input. */
static void describe(fe::graph::Tensor_attributes &t, const dt_cudnn_shape *shape,
                     dt_cudnn_tensor name, int64_t stride, int64_t columns, const tensor &at)
{
    const int64_t b = shape->sequences;
    const int64_t a = shape->heads;
    const int64_t s = shape->positions;
    t.set_uid(name).set_dim({b, a, s, columns});
    if (columns == 1 && !shape->packed)
        t.set_stride({a * s, s, 1, 1});
    else
        t.set_stride({s * stride, columns, stride, 1});
    if (shape->packed)
        t.set_ragged_offset(at);
    if (columns == 1)
        t.set_data_type(fe::DataType_t::FLOAT);
}

/* The inputs that both directions share. */
struct inputs {
    tensor at_query, at_key, at_output, at_statistics, lengths, seed, offset, q, k, v;
};

static tensor numbers(fe::graph::Graph &graph, dt_cudnn_tensor name, int64_t count,
                      fe::DataType_t type)
{
    return graph.tensor(fe::graph::Tensor_attributes()
                            .set_uid(name)
                            .set_dim({count, 1, 1, 1})
                            .set_stride({1, 1, 1, 1})
                            .set_data_type(type));
}

static tensor matrix(fe::graph::Graph &graph, const dt_cudnn_shape *shape, dt_cudnn_tensor name,
                     int64_t stride, int64_t columns, const tensor &at)
{
    fe::graph::Tensor_attributes t;
    describe(t, shape, name, stride, columns, at);
    return graph.tensor(t);
}

static inputs make_inputs(fe::graph::Graph &graph, const dt_cudnn_shape *shape)
{
    const int64_t b = shape->sequences;
    const int64_t d = shape->head_size;
    inputs in;
    if (shape->packed) {
        in.at_query = numbers(graph, DT_CUDNN_AT_QUERY, b + 1, fe::DataType_t::INT32);
        in.at_key = numbers(graph, DT_CUDNN_AT_KEY, b + 1, fe::DataType_t::INT32);
        in.at_output = numbers(graph, DT_CUDNN_AT_OUTPUT, b + 1, fe::DataType_t::INT32);
        in.at_statistics = numbers(graph, DT_CUDNN_AT_STATISTICS, b + 1, fe::DataType_t::INT32);
    }
    in.lengths = numbers(graph, DT_CUDNN_LENGTHS, b, fe::DataType_t::INT32);
    if (shape->dropout > 0.0) {
        in.seed = numbers(graph, DT_CUDNN_SEED, 1, fe::DataType_t::INT64);
        in.offset = numbers(graph, DT_CUDNN_OFFSET, 1, fe::DataType_t::INT64);
    }
    in.q = matrix(graph, shape, DT_CUDNN_Q, shape->query_stride, d, in.at_query);
    in.k = matrix(graph, shape, DT_CUDNN_K, shape->key_stride, d, in.at_key);
    in.v = matrix(graph, shape, DT_CUDNN_V, shape->key_stride, d, in.at_key);
    return in;
}

/* What both directions' attributes have in common. */
template <typename Attributes>
static Attributes attributes_of(const dt_cudnn_shape *shape, const inputs &in)
{
    Attributes out;
    out.set_name("attention")
        .set_attn_scale((float)(1.0 / sqrt((double)shape->head_size)))
        .set_padding_mask(true)
        .set_seq_len_q(in.lengths)
        .set_seq_len_kv(in.lengths);
    if (shape->dropout > 0.0)
        out.set_dropout((float)shape->dropout, in.seed, in.offset);
    return out;
}

static void add_forward(fe::graph::Graph &graph, const dt_cudnn_shape *shape, const inputs &in)
{
    const int64_t hidden = (int64_t)shape->heads * shape->head_size;
    auto attributes = attributes_of<fe::graph::SDPA_attributes>(shape, in);
    attributes.set_generate_stats(true);
    auto [y, statistics] = graph.sdpa(in.q, in.k, in.v, attributes);
    describe(y->set_output(true), shape, DT_CUDNN_Y, hidden, shape->head_size, in.at_output);
    describe(statistics->set_output(true), shape, DT_CUDNN_STATISTICS, shape->heads, 1,
             in.at_statistics);
}

static void add_backward(fe::graph::Graph &graph, const dt_cudnn_shape *shape, const inputs &in)
{
    const int64_t hidden = (int64_t)shape->heads * shape->head_size;
    const int64_t d = shape->head_size;
    const tensor y = matrix(graph, shape, DT_CUDNN_Y, hidden, d, in.at_output);
    const tensor dy = matrix(graph, shape, DT_CUDNN_DY, hidden, d, in.at_output);
    const tensor statistics =
        matrix(graph, shape, DT_CUDNN_STATISTICS, shape->heads, 1, in.at_statistics);
    auto attributes = attributes_of<fe::graph::SDPA_backward_attributes>(shape, in);
    attributes.set_deterministic_algorithm(true);
    auto [dq, dk, dv] = graph.sdpa_backward(in.q, in.k, in.v, y, dy, statistics, attributes);
    describe(dq->set_output(true), shape, DT_CUDNN_DQ, shape->query_stride, d, in.at_query);
    describe(dk->set_output(true), shape, DT_CUDNN_DK, shape->key_stride, d, in.at_key);
    describe(dv->set_output(true), shape, DT_CUDNN_DV, shape->key_stride, d, in.at_key);
}

/* ---- plans ---------------------------------------------------------------------------------- */

static void set_up(const dt_cudnn *cudnn, dt_cudnn_plan *plan)
{
    const dt_cudnn_shape *shape = &plan->shape;
    plan->graph
        .set_io_data_type(shape->half ? fe::DataType_t::HALF : fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT)
        .set_sm_version(cudnn->compute_capability)
        .set_sm_count(cudnn->multiprocessors);
    if (cudnn->device)
        plan->graph.set_device_properties(cudnn->device);
    const inputs in = make_inputs(plan->graph, shape);
    if (shape->backward)
        add_backward(plan->graph, shape, in);
    else
        add_forward(plan->graph, shape, in);
}

static fe::error_t build(const dt_cudnn *cudnn, dt_cudnn_plan *plan)
{
    fe::graph::Graph &graph = plan->graph;
    fe::error_t error = graph.validate();
    if (error.is_good())
        error = cudnn->handle ? graph.build_operation_graph(cudnn->handle)
                              : graph.build_operation_graph();
    if (error.is_good())
        error = graph.create_execution_plans({fe::HeurMode_t::A});
    if (error.is_good()) {
        graph.deselect_numeric_notes({fe::NumericalNote_t::NONDETERMINISTIC});
        error = graph.check_support();
    }
    if (error.is_good())
        error = graph.build_plans();
    if (error.is_good())
        error = graph.get_workspace_size(plan->workspace);
    return error;
}

dt_status dt_cudnn_plan_make(dt_cudnn *cudnn, const dt_cudnn_shape *shape, dt_cudnn_plan **out)
{
    *out = NULL;
    return without_exceptions([&] {
        std::unique_ptr<dt_cudnn_plan> plan(new dt_cudnn_plan());
        char what[160];
        plan->shape = *shape;
        set_up(cudnn, plan.get());
        fe::error_t error = build(cudnn, plan.get());
        snprintf(what, sizeof what, "%s of %d heads of %d elements, %d positions on this GPU",
                 shape->backward ? "the gradients" : "attention", shape->heads, shape->head_size,
                 shape->positions);
        if (error.is_bad())
            return refused(what, error.get_message());
        *out = plan.release();
        return DT_OK;
    });
}

void dt_cudnn_plan_free(dt_cudnn_plan *plan)
{
    delete plan;
}

int64_t dt_cudnn_plan_workspace(const dt_cudnn_plan *plan)
{
    return plan->workspace;
}

dt_status dt_cudnn_plan_run(dt_cudnn *cudnn, const dt_cudnn_plan *plan,
                            void *const address[DT_CUDNN_TENSORS], void *workspace)
{
    return without_exceptions([&] {
        std::unordered_map<int64_t, void *> pack;
        for (int i = 0; i < DT_CUDNN_TENSORS; ++i)
            if (address[i])
                pack[i] = address[i];
        fe::error_t error = plan->graph.execute(cudnn->handle, pack, workspace);
        return error.is_good() ? DT_OK : refused("to run attention", error.get_message());
    });
}

extern "C" {
extern const dt_cudnn_functions dt_cudnn_module __attribute__((visibility("default")));
const dt_cudnn_functions dt_cudnn_module = {dt_cudnn_open,      dt_cudnn_close,
                                            dt_cudnn_plan_make, dt_cudnn_plan_free,
                                            dt_cudnn_plan_workspace, dt_cudnn_plan_run};
}
