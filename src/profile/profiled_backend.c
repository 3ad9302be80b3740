#include "profile/profiled_backend.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "layers.h"

/* Maximum number of operations whose events have not been read. The slot after the newest stays
 * free: it holds the event that the time of the next one is measured from. */
#define PENDING ((DT_PROFILE_EVENTS - 1) / 2)

typedef struct {
    dt_backend_ops ops; /* must be first: backend->ops points to it */
    dt_backend *backend;
    const dt_backend_ops *own; /* the backend's operations */
    dt_profile *profile;
    const dt_param_table *parameters; /* NULL: names unknown */
    dt_batch_size size;               /* of the last uploaded batch */
    double squares;                   /* sum of the squared lengths of its sequences */
    bool events;                      /* the device has a clock of its own */
    dt_profiled pending[PENDING];     /* launched, events not read yet */
    int64_t launched, read;           /* counts; operation n is in slot n % PENDING */
    int32_t last;                     /* event that corresponds to `time` */
    double time;                      /* on the clock of dt_seconds() */
} wrapper;

static wrapper *of(dt_backend *backend)
{
    return (wrapper *)backend->ops;
}

/* ---- the device's clock -------------------------------------------------------------------- */

#define ANCHOR DT_EVENT_SLOTS /* the event that aligns the device's clock with the host's */

static int32_t event_before(int64_t number)
{
    return ANCHOR + 1 + 2 * (int32_t)(number % PENDING);
}

/* Reads the events of the oldest operations, up to number `end`. Times are summed from event to
 * event, since long intervals have a lower resolution. */
static void read_events(wrapper *s, int64_t end)
{
    const dt_backend_ops *op = s->own;
    for (; s->read < end; ++s->read) {
        const int32_t before = event_before(s->read);
        const double began = s->time + op->event_seconds(s->backend, s->last, before);
        const double seconds = op->event_seconds(s->backend, before, before + 1);
        dt_profile_add(s->profile, DT_TRACK_DEVICE, &s->pending[s->read % PENDING], began, seconds);
        s->last = before + 1;
        s->time = began + seconds;
    }
}

static dt_status set_anchor(wrapper *s)
{
    const dt_backend_ops *op = s->own;
    DT_TRY(op->sync(s->backend));
    op->event_record(s->backend, ANCHOR);
    DT_TRY(op->sync(s->backend));
    s->last = ANCHOR;
    s->time = dt_seconds();
    return DT_OK;
}

/* ---- measuring ----------------------------------------------------------------------------- */

/* Call before an operation. Returns the host's time; negative: the profile is paused. */
static double begin(wrapper *s)
{
    if (!dt_profile_runs(s->profile))
        return -1.0;
    const double now = dt_seconds();
    if (s->events && s->launched - s->read == PENDING - 1)
        read_events(s, s->read + PENDING / 2); /* finished long ago */
    if (s->events)
        s->own->event_record(s->backend, event_before(s->launched));
    return now;
}

static void end_on_device(wrapper *s, const dt_profiled *operation, double began)
{
    const dt_profiled asking = {.category = DT_CATEGORY_LAUNCH, .outer = operation->outer};
    s->own->event_record(s->backend, event_before(s->launched) + 1);
    s->pending[s->launched++ % PENDING] = *operation;
    dt_profile_add(s->profile, DT_TRACK_MAIN, &asking, began, dt_seconds() - began);
}

static void end(wrapper *s, double began, dt_profiled operation)
{
    if (began < 0.0)
        return;
    operation.outer = dt_profile_outer(s->profile, DT_TRACK_MAIN);
    if (s->events)
        end_on_device(s, &operation, began);
    else
        dt_profile_add(s->profile, DT_TRACK_MAIN, &operation, began, dt_seconds() - began);
    if (operation.work > 0.0)
        dt_profile_credit(s->profile, operation.work);
}

/* ---- required work (docs/performance.md) --------------------------------------------------- */

/* The number of `rows` that need computing: those of a token matrix without its extra rows. */
static double needed_rows(const wrapper *s, int64_t rows)
{
    return (double)(rows == s->size.rows ? s->size.tokens : rows);
}

static double product_work(const wrapper *s, int64_t rows, int64_t in, int64_t out, int products)
{
    return 2.0 * products * needed_rows(s, rows) * (double)in * (double)out;
}

static int64_t width_of(const dt_attention *a)
{
    return (int64_t)a->heads * a->head_size;
}

/* Scores and their products with the values, for the queries of all tokens or of one per
 * sequence. */
static double attention_work(const wrapper *s, const dt_attention *a, int passes)
{
    const bool one = a->queries == DT_ROWS_SEQUENCES;
    return 4.0 * passes * (one ? (double)s->size.tokens : s->squares) * (double)width_of(a);
}

static double widths(const int32_t *width, int32_t kernels)
{
    double sum = 0.0;
    for (int32_t k = 0; k < kernels; ++k)
        sum += width[k];
    return sum;
}

static double conv_max_work(const wrapper *s, const dt_conv_max *c, int passes)
{
    return 2.0 * passes * c->embed_dim * c->filters * widths(c->width, c->kernels) *
           (double)s->size.tokens;
}

/* For all positions, including padding. */
static double conv_layer_work(const wrapper *s, const dt_conv_layer *c, int products)
{
    const double projections = c->residual == DT_RESIDUAL_PROJECTION ? c->kernels : 0.0;
    return 2.0 * products * c->channels * c->filters *
           (widths(c->width, c->kernels) + projections) * (double)s->size.sequences * c->max_length;
}

/* ---- categories of matrix products --------------------------------------------------------- */

/* Returns the tensor that contains the offset, or NULL. */
static const dt_param_spec *tensor_at(const dt_param_table *table, dt_param offset)
{
    int32_t low = 0;
    int32_t high = table ? table->count : 0;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (table->spec[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &table->spec[low - 1] : NULL;
}

static dt_category category_of(const wrapper *s, dt_param parameter)
{
    static const struct {
        const char *in_name;
        dt_category category;
    } known[] = {{".attention.", DT_CATEGORY_ATTENTION},
                 {"bert.encoder.", DT_CATEGORY_FEED_FORWARD},
                 {"cnn_proj", DT_CATEGORY_CONVOLUTION}};
    const dt_param_spec *tensor = tensor_at(s->parameters, parameter);
    for (size_t i = 0; tensor && i < sizeof known / sizeof *known; ++i)
        if (strstr(tensor->name, known[i].in_name))
            return known[i].category;
    return DT_CATEGORY_PRODUCTS;
}

/* ---- operations that copy or wait: timed by the host --------------------------------------- */

static void end_copy(wrapper *s, double began, const char *what)
{
    if (began < 0.0)
        return;
    const dt_profiled copy = {.category = DT_CATEGORY_COPIES,
                              .outer = dt_profile_outer(s->profile, DT_TRACK_MAIN),
                              .what = what};
    dt_profile_add(s->profile, DT_TRACK_MAIN, &copy, began, dt_seconds() - began);
}

static double begin_copy(const wrapper *s)
{
    return dt_profile_runs(s->profile) ? dt_seconds() : -1.0;
}

#define COPIES(name, text, parameters, arguments)                                                  \
    static void measured_##name parameters                                                         \
    {                                                                                              \
        wrapper *s = of(b);                                                                        \
        const double began = begin_copy(s);                                                        \
        s->own->name arguments;                                                                    \
        end_copy(s, began, text);                                                                  \
    }

COPIES(upload, "upload", (dt_backend * b, void *device, const void *host, int64_t bytes),
       (b, device, host, bytes))
COPIES(download, "download", (dt_backend * b, void *host, const void *device, int64_t bytes),
       (b, host, device, bytes))
COPIES(download_start, "start of a download",
       (dt_backend * b, void *host, const void *device, int64_t rows, int64_t bytes, int64_t stride,
        int32_t slot),
       (b, host, device, rows, bytes, stride, slot))
COPIES(download_finish, "download", (dt_backend * b, int32_t slot), (b, slot))
COPIES(vector_write, "upload of parameters",
       (dt_backend * b, dt_vector which, int64_t offset, int64_t count, const void *host),
       (b, which, offset, count, host))
COPIES(vector_read, "download of parameters",
       (dt_backend * b, dt_vector which, int64_t offset, int64_t count, void *host),
       (b, which, offset, count, host))
COPIES(state_read, "state of the update", (dt_backend * b, dt_update_state *state), (b, state))

static dt_status measured_sync(dt_backend *b)
{
    wrapper *s = of(b);
    const double began = begin_copy(s);
    const dt_status status = s->own->sync(b);
    end_copy(s, began, "waiting for the device");
    return status;
}

static const dt_device_batch *measured_batch_upload(dt_backend *b, const dt_batch *batch)
{
    wrapper *s = of(b);
    const double began = begin_copy(s);
    const dt_device_batch *out = s->own->batch_upload(b, batch);
    end_copy(s, began, "batch");
    s->size = out->size;
    s->squares = 0.0;
    for (int32_t i = 0; i < batch->sequences && out->size.tokens > 0; ++i) { /* 0: the batch was
                                                                                refused */
        const double tokens = batch->cu_seqlens[i + 1] - batch->cu_seqlens[i];
        s->squares += tokens * tokens;
    }
    return out;
}

/* ---- operations that compute: timed by the device ------------------------------------------ */

static dt_profiled product(const wrapper *s, const char *what, dt_param weight, int64_t rows,
                           int32_t in, int32_t out, int products)
{
    return (dt_profiled){.category = category_of(s, weight),
                         .what = what,
                         .in = in,
                         .out = out,
                         .work = product_work(s, rows, in, out, products)};
}

static void measured_linear_forward(dt_backend *b, void *y, const void *x, dt_param weight,
                                    dt_param bias, int64_t rows, int32_t in, int32_t out)
{
    wrapper *s = of(b);
    const double began = begin(s);
    s->own->linear_forward(b, y, x, weight, bias, rows, in, out);
    end(s, began, product(s, "linear", weight, rows, in, out, 1));
}

static void measured_linear_backward(dt_backend *b, void *dx, bool add_dx, const void *dy,
                                     const void *x, dt_param weight, dt_param bias, int64_t rows,
                                     int32_t in, int32_t out)
{
    wrapper *s = of(b);
    const double began = begin(s);
    s->own->linear_backward(b, dx, add_dx, dy, x, weight, bias, rows, in, out);
    end(s, began, product(s, "linear backward", weight, rows, in, out, dx ? 2 : 1));
}

static void measured_linear_gelu_forward(dt_backend *b, void *y, void *u, const void *x,
                                         dt_param weight, dt_param bias, int64_t rows, int32_t in,
                                         int32_t out)
{
    wrapper *s = of(b);
    const double began = begin(s);
    s->own->linear_gelu_forward(b, y, u, x, weight, bias, rows, in, out);
    end(s, began, product(s, "linear, GELU", weight, rows, in, out, 1));
}

/* Wraps an operation whose sizes are in its struct `o`; `counted` is its required work. */
#define MEASURED(name, in_category, text, counted, parameters, arguments)                          \
    static void measured_##name parameters                                                         \
    {                                                                                              \
        wrapper *s = of(b);                                                                        \
        const double began = begin(s);                                                             \
        s->own->name arguments;                                                                    \
        end(s, began,                                                                              \
            (dt_profiled){.category = (in_category), .what = (text), .work = (counted)});          \
    }

MEASURED(gradients_zero, DT_CATEGORY_OPTIMIZER, "gradients to zero", 0.0, (dt_backend * b), (b))
MEASURED(embedding_forward, DT_CATEGORY_EMBEDDING, "embedding", 0.0,
         (dt_backend * b, void *y, void *t, const dt_device_batch *d, const dt_embedding *o),
         (b, y, t, d, o))
MEASURED(embedding_backward, DT_CATEGORY_EMBEDDING, "embedding backward", 0.0,
         (dt_backend * b, const void *dy, const void *t, const dt_device_batch *d,
          const dt_embedding *o, void *scratch),
         (b, dy, t, d, o, scratch))
MEASURED(gelu_backward, DT_CATEGORY_FEED_FORWARD, "GELU backward", 0.0,
         (dt_backend * b, void *du, const void *u, dt_param bias, int64_t rows, int32_t columns),
         (b, du, u, bias, rows, columns))
MEASURED(attention_forward, DT_CATEGORY_ATTENTION, "scores and values", attention_work(s, o, 1),
         (dt_backend * b, void *y, void *l, const void *q, const void *k, const void *v,
          const dt_device_batch *d, const dt_attention *o),
         (b, y, l, q, k, v, d, o))
MEASURED(attention_backward, DT_CATEGORY_ATTENTION, "scores and values backward",
         attention_work(s, o, 2),
         (dt_backend * b, void *dq, void *dk, void *dv, void *dy, const void *y, const void *l,
          const void *q, const void *k, const void *v, dt_param bias, const dt_device_batch *d,
          const dt_attention *o, void *scratch),
         (b, dq, dk, dv, dy, y, l, q, k, v, bias, d, o, scratch))
MEASURED(single_attention_backward, DT_CATEGORY_ATTENTION, "single query backward",
         attention_work(s, o, 2) + product_work(s, s->size.rows, width_of(o), 2 * width_of(o), 2),
         (dt_backend * b, void *dq, void *dx, void *dy, const void *y, const void *l, const void *q,
          const void *k, const void *v, const void *x, dt_param weight, dt_param bias,
          const dt_device_batch *d, const dt_attention *o, void *scratch),
         (b, dq, dx, dy, y, l, q, k, v, x, weight, bias, d, o, scratch))
MEASURED(add_norm_forward, category_of(s, o->gamma), "add, LayerNorm", 0.0,
         (dt_backend * b, void *y, void *x, void *t, const void *r, const dt_device_batch *d,
          const dt_add_norm *o),
         (b, y, x, t, r, d, o))
MEASURED(add_norm_backward, category_of(s, o->gamma), "add, LayerNorm backward", 0.0,
         (dt_backend * b, void *dx, void *dr, const void *dy, const void *x, const void *t,
          const dt_device_batch *d, const dt_add_norm *o),
         (b, dx, dr, dy, x, t, d, o))
MEASURED(gather_first_forward, DT_CATEGORY_FUSION, "first rows", 0.0,
         (dt_backend * b, void *y, const void *x, const dt_device_batch *d, int32_t hidden),
         (b, y, x, d, hidden))
MEASURED(gather_first_backward, DT_CATEGORY_FUSION, "first rows backward", 0.0,
         (dt_backend * b, void *dx, const void *dy, const dt_device_batch *d, int32_t hidden),
         (b, dx, dy, d, hidden))
MEASURED(mean_forward, DT_CATEGORY_FUSION, "mean", 0.0,
         (dt_backend * b, void *y, const void *x, const dt_device_batch *d, int32_t hidden),
         (b, y, x, d, hidden))
MEASURED(mean_backward, DT_CATEGORY_FUSION, "mean backward", 0.0,
         (dt_backend * b, void *dx, const void *dy, const dt_device_batch *d, int32_t hidden),
         (b, dx, dy, d, hidden))
MEASURED(bag_forward, DT_CATEGORY_EMBEDDING, "bag of k-mers", 0.0,
         (dt_backend * b, void *y, const dt_device_batch *d, const dt_bag *o), (b, y, d, o))
MEASURED(bag_backward, DT_CATEGORY_EMBEDDING, "bag of k-mers backward", 0.0,
         (dt_backend * b, const void *dy, const dt_device_batch *d, const dt_bag *o), (b, dy, d, o))
MEASURED(activate_forward, DT_CATEGORY_FUSION, "activation", 0.0,
         (dt_backend * b, void *y, const void *x, const dt_device_batch *d, const dt_activation *o),
         (b, y, x, d, o))
MEASURED(activate_backward, DT_CATEGORY_FUSION, "activation backward", 0.0,
         (dt_backend * b, void *dx, const void *dy, const void *y, const dt_device_batch *d,
          const dt_activation *o),
         (b, dx, dy, y, d, o))
MEASURED(conv_max_forward, DT_CATEGORY_CONVOLUTION, "convolutions, maximum", conv_max_work(s, o, 1),
         (dt_backend * b, void *y, int32_t *p, void *scratch, const dt_device_batch *d,
          const dt_conv_max *o),
         (b, y, p, scratch, d, o))
MEASURED(conv_max_backward, DT_CATEGORY_CONVOLUTION, "convolutions, maximum backward",
         conv_max_work(s, o, 2),
         (dt_backend * b, const void *dy, const void *y, const int32_t *p, void *scratch,
          const dt_device_batch *d, const dt_conv_max *o),
         (b, dy, y, p, scratch, d, o))
MEASURED(lookup_forward, DT_CATEGORY_CONVOLUTION, "embedding of the CNN", 0.0,
         (dt_backend * b, void *y, const dt_device_batch *d, const dt_lookup *o), (b, y, d, o))
MEASURED(lookup_backward, DT_CATEGORY_CONVOLUTION, "embedding of the CNN backward", 0.0,
         (dt_backend * b, const void *dy, const dt_device_batch *d, const dt_lookup *o),
         (b, dy, d, o))
MEASURED(conv_layer_forward, DT_CATEGORY_CONVOLUTION, "convolutions", conv_layer_work(s, o, 1),
         (dt_backend * b, void *y, void *r, const void *x, void *scratch, const dt_device_batch *d,
          const dt_conv_layer *o),
         (b, y, r, x, scratch, d, o))
MEASURED(conv_layer_backward, DT_CATEGORY_CONVOLUTION, "convolutions backward",
         conv_layer_work(s, o, dx ? 2 : 1),
         (dt_backend * b, void *dx, void *dz, const void *dy, const void *r, const void *x,
          void *scratch, const dt_device_batch *d, const dt_conv_layer *o),
         (b, dx, dz, dy, r, x, scratch, d, o))
MEASURED(position_max_forward, DT_CATEGORY_CONVOLUTION, "maximum", 0.0,
         (dt_backend * b, void *y, int32_t *p, const void *x, const dt_device_batch *d,
          const dt_position_max *o),
         (b, y, p, x, d, o))
MEASURED(position_max_backward, DT_CATEGORY_CONVOLUTION, "maximum backward", 0.0,
         (dt_backend * b, void *dx, const void *dy, const int32_t *p, const dt_device_batch *d,
          const dt_position_max *o),
         (b, dx, dy, p, d, o))
MEASURED(fuse_forward, DT_CATEGORY_FUSION, "fuse", 0.0,
         (dt_backend * b, void *y, const void *c, const void *t, dt_param wc, dt_param wb,
          const dt_device_batch *d, int32_t hidden, const dt_dropout *o),
         (b, y, c, t, wc, wb, d, hidden, o))
MEASURED(fuse_backward, DT_CATEGORY_FUSION, "fuse backward", 0.0,
         (dt_backend * b, void *dc, void *db, const void *dy, const void *c, const void *t,
          dt_param wc, dt_param wb, const dt_device_batch *d, int32_t hidden, const dt_dropout *o),
         (b, dc, db, dy, c, t, wc, wb, d, hidden, o))
MEASURED(heads_forward, DT_CATEGORY_HEADS, "heads", product_work(s, n, o->hidden, o->classes, 1),
         (dt_backend * b, void *logits, const void *x, int32_t n, const dt_heads *o),
         (b, logits, x, n, o))
MEASURED(heads_backward, DT_CATEGORY_HEADS, "heads backward",
         product_work(s, n, o->hidden, o->classes, 2),
         (dt_backend * b, void *dx, const void *dl, const void *x, int32_t n, const dt_heads *o),
         (b, dx, dl, x, n, o))
MEASURED(lineage_forward, DT_CATEGORY_HEADS, "lineages", 0.0,
         (dt_backend * b, void *m, void *nodes, const void *logits, int32_t n,
          const dt_lineages *o),
         (b, m, nodes, logits, n, o))
MEASURED(lineage_backward, DT_CATEGORY_HEADS, "lineages backward", 0.0,
         (dt_backend * b, void *dl, void *scratch, const void *dm, const void *nodes, int32_t n,
          const dt_lineages *o),
         (b, dl, scratch, dm, nodes, n, o))
MEASURED(loss, DT_CATEGORY_HEADS, "loss", 0.0,
         (dt_backend * b, void *logits, const dt_device_batch *d, const dt_loss *o),
         (b, logits, d, o))
MEASURED(classify, DT_CATEGORY_HEADS, "choice of labels", 0.0,
         (dt_backend * b, dt_prediction *out, const void *logits, const dt_device_batch *d,
          const dt_class_layout *o, const double *temperature),
         (b, out, logits, d, o, temperature))
MEASURED(update, DT_CATEGORY_OPTIMIZER, "update", 0.0,
         (dt_backend * b, int64_t count, const dt_update_rule *o), (b, count, o))
MEASURED(event_wait, DT_CATEGORY_SUMS, "sums over the ranks", 0.0,
         (dt_backend * b, void *native_event), (b, native_event))

/* Not measured on a communicator's stream: there they are part of the sums, for which event_wait
 * waits. */
#define ROUNDS(name, text, parameters, arguments)                                                  \
    static void measured_##name parameters                                                         \
    {                                                                                              \
        wrapper *s = of(b);                                                                        \
        const double began = native_stream ? -1.0 : begin(s);                                      \
        s->own->name arguments;                                                                    \
        end(s, began, (dt_profiled){.category = DT_CATEGORY_SUMS, .what = (text)});                \
    }

ROUNDS(gradients_to_bf16, "gradients to bf16",
       (dt_backend * b, void *out, int64_t offset, int64_t count, void *native_stream),
       (b, out, offset, count, native_stream))
ROUNDS(gradients_from_bf16, "gradients from bf16",
       (dt_backend * b, const void *in, int64_t offset, int64_t count, void *native_stream),
       (b, in, offset, count, native_stream))

/* ---- wrapping ------------------------------------------------------------------------------ */

static void measured_destroy(dt_backend *b)
{
    wrapper *s = of(b);
    b->ops = s->own;
    free(s);
    b->ops->destroy(b);
}

/* Steps are not recorded while the profile runs: a graph's operations cannot be measured. */
static int measured_step_begin(dt_backend *b, const dt_device_batch *batch, uint64_t key)
{
    wrapper *s = of(b);
    return dt_profile_runs(s->profile) ? DT_STEP_RUN : s->own->step_begin(b, batch, key);
}

/* Operations are measured one after the other. */
static void measured_branch(dt_backend *b, dt_branch_point point)
{
    wrapper *s = of(b);
    if (!dt_profile_runs(s->profile))
        s->own->branch(b, point);
}

/* The operations that compute, and those of the others that copy, wait or need special
 * treatment. */
#define ENTRY(name) .name = measured_##name,
/* clang-format off */
static const dt_backend_ops measured = {
    DT_LAYER_OPERATIONS(ENTRY)
    DT_LOSS_OPERATIONS(ENTRY)
    ENTRY(sync) ENTRY(upload) ENTRY(download) ENTRY(download_start) ENTRY(download_finish)
    ENTRY(vector_write) ENTRY(vector_read) ENTRY(batch_upload) ENTRY(state_read)
    ENTRY(event_wait) ENTRY(step_begin) ENTRY(branch) ENTRY(destroy)
};
/* clang-format on */

dt_status dt_profiled_backend(dt_backend *backend, dt_profile *profile)
{
    wrapper *s;
    if (!profile)
        return DT_OK;
    DT_TRY(DT_NEW(s, 1));
    s->ops = *backend->ops;
#define WRAP(name)                                                                                 \
    if (measured.name && s->ops.name)                                                              \
        s->ops.name = measured.name;
    DT_BACKEND_OPERATIONS(WRAP)
    s->backend = backend;
    s->own = backend->ops;
    s->profile = profile;
    s->events = s->own->event_seconds && s->own->event_record;
    const dt_status status = s->events ? set_anchor(s) : DT_OK;
    if (status != DT_OK)
        free(s);
    else
        backend->ops = &s->ops;
    return status;
}

void dt_profiled_backend_parameters(dt_backend *backend, const dt_profile *profile,
                                    const dt_param_table *parameters)
{
    if (profile)
        of(backend)->parameters = parameters;
}

dt_status dt_profiled_backend_collect(dt_backend *backend, const dt_profile *profile)
{
    if (!profile)
        return DT_OK;
    wrapper *s = of(backend);
    DT_TRY(s->own->sync(backend));
    if (s->events)
        read_events(s, s->launched);
    return DT_OK;
}
