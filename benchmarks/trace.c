#include "trace.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define MARKS DT_EVENT_SLOTS

typedef struct {
    char name[64];
    double work;
    double clock; /* where there are no events */
} mark;

/* A backend's operations know nothing of who measures them: one trace at a time stands here. */
static struct {
    dt_backend *backend;
    const dt_backend_ops *own; /* the backend's table */
    dt_backend_ops table;      /* what stands in its place */
    int32_t marks;
    mark at[MARKS];
} trace;

static void set_mark(const char *name, double work)
{
    const int32_t slot = trace.marks++;
    if (slot >= MARKS)
        return;
    mark *m = &trace.at[slot];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->work = work;
    if (trace.own->event_seconds)
        trace.own->event_record(trace.backend, slot);
    else
        m->clock = dt_seconds();
}

/* A matrix product of rows · in · out, `products` times. */
static void mark_product(const char *what, int64_t rows, int64_t in, int64_t out, int products)
{
    char name[64];
    snprintf(name, sizeof name, "%s %lld -> %lld", what, (long long)in, (long long)out);
    set_mark(name, 2.0 * products * (double)rows * (double)in * (double)out);
}

/* ---- the table in between ----------------------------------------------------------------------
 */

static const dt_device_batch *batch_upload(dt_backend *b, const dt_batch *batch)
{
    const dt_device_batch *out = trace.own->batch_upload(b, batch);
    set_mark("batch upload", 0.0);
    return out;
}

static void linear_forward(dt_backend *b, void *y, const void *x, dt_param weight, dt_param bias,
                           int64_t rows, int32_t in, int32_t out)
{
    trace.own->linear_forward(b, y, x, weight, bias, rows, in, out);
    mark_product("linear", rows, in, out, 1);
}

static void linear_backward(dt_backend *b, void *dx, bool add_dx, const void *dy, const void *x,
                            dt_param weight, dt_param bias, int64_t rows, int32_t in, int32_t out)
{
    trace.own->linear_backward(b, dx, add_dx, dy, x, weight, bias, rows, in, out);
    mark_product("linear backward", rows, in, out, dx ? 2 : 1);
}

static void linear_gelu_forward(dt_backend *b, void *y, void *u, const void *x, dt_param weight,
                                dt_param bias, int64_t rows, int32_t in, int32_t out)
{
    trace.own->linear_gelu_forward(b, y, u, x, weight, bias, rows, in, out);
    mark_product("linear, GELU", rows, in, out, 1);
}

static void heads_forward(dt_backend *b, void *logits, const void *x, int32_t sequences,
                          const dt_heads *heads)
{
    trace.own->heads_forward(b, logits, x, sequences, heads);
    mark_product("heads", sequences, heads->hidden, heads->classes, 1);
}

static void heads_backward(dt_backend *b, void *dx, const void *dlogits, const void *x,
                           int32_t sequences, const dt_heads *heads)
{
    trace.own->heads_backward(b, dx, dlogits, x, sequences, heads);
    mark_product("heads backward", sequences, heads->hidden, heads->classes, 2);
}

#define TRACED(name, text, parameters, arguments)                                                  \
    static void name parameters                                                                    \
    {                                                                                              \
        trace.own->name arguments;                                                                 \
        set_mark(text, 0.0);                                                                       \
    }

TRACED(gradients_zero, "gradients to zero", (dt_backend * b), (b))
TRACED(embedding_forward, "embedding",
       (dt_backend * b, void *y, void *s, const dt_device_batch *d, const dt_embedding *e),
       (b, y, s, d, e))
TRACED(embedding_backward, "embedding backward",
       (dt_backend * b, const void *dy, const void *s, const dt_device_batch *d,
        const dt_embedding *e, void *scratch),
       (b, dy, s, d, e, scratch))
TRACED(gelu_backward, "GELU backward", (dt_backend * b, void *du, const void *u, int64_t n),
       (b, du, u, n))
TRACED(attention_forward, "attention",
       (dt_backend * b, void *y, void *l, const void *q, const void *k, const void *v,
        const dt_device_batch *d, const dt_attention *a),
       (b, y, l, q, k, v, d, a))
TRACED(attention_backward, "attention backward",
       (dt_backend * b, void *dq, void *dk, void *dv, void *dy, const void *y, const void *l,
        const void *q, const void *k, const void *v, const dt_device_batch *d,
        const dt_attention *a),
       (b, dq, dk, dv, dy, y, l, q, k, v, d, a))
TRACED(add_norm_forward, "add, LayerNorm",
       (dt_backend * b, void *y, void *x, void *s, const void *r, const dt_device_batch *d,
        const dt_add_norm *n),
       (b, y, x, s, r, d, n))
TRACED(add_norm_backward, "add, LayerNorm backward",
       (dt_backend * b, void *dx, void *dr, const void *dy, const void *s, const void *t,
        const dt_device_batch *d, const dt_add_norm *n),
       (b, dx, dr, dy, s, t, d, n))
TRACED(gather_first_forward, "first rows",
       (dt_backend * b, void *y, const void *x, const dt_device_batch *d, int32_t h),
       (b, y, x, d, h))
TRACED(gather_first_backward, "first rows backward",
       (dt_backend * b, void *dx, const void *dy, const dt_device_batch *d, int32_t h),
       (b, dx, dy, d, h))
TRACED(conv_max_forward, "convolution, maximum",
       (dt_backend * b, void *y, int32_t *p, void *scratch, const dt_device_batch *d,
        const dt_conv_max *c),
       (b, y, p, scratch, d, c))
TRACED(conv_max_backward, "convolution, maximum backward",
       (dt_backend * b, const void *dy, const void *y, const int32_t *p, void *scratch,
        const dt_device_batch *d, const dt_conv_max *c),
       (b, dy, y, p, scratch, d, c))
TRACED(fuse_forward, "fuse",
       (dt_backend * b, void *y, const void *c, const void *t, dt_param wc, dt_param wb,
        const dt_device_batch *d, int32_t h, const dt_dropout *p),
       (b, y, c, t, wc, wb, d, h, p))
TRACED(fuse_backward, "fuse backward",
       (dt_backend * b, void *dc, void *db, const void *dy, const void *c, const void *t,
        dt_param wc, dt_param wb, const dt_device_batch *d, int32_t h, const dt_dropout *p),
       (b, dc, db, dy, c, t, wc, wb, d, h, p))
TRACED(loss, "loss", (dt_backend * b, void *l, const dt_device_batch *d, const dt_loss *s),
       (b, l, d, s))
TRACED(update, "update", (dt_backend * b, int64_t n, const dt_update_rule *r), (b, n, r))

/* Fills the table; what is not measured stays the backend's own. Recorded steps are left out, since
 * a replay cannot be looked into. */
static void fill_table(void)
{
    trace.table = *trace.own;
    trace.table.step_begin = NULL;
    trace.table.step_end = NULL;
    trace.table.batch_upload = batch_upload;
    trace.table.linear_forward = linear_forward;
    trace.table.linear_backward = linear_backward;
    trace.table.linear_gelu_forward = linear_gelu_forward;
    trace.table.heads_forward = heads_forward;
    trace.table.heads_backward = heads_backward;
    trace.table.gradients_zero = gradients_zero;
    trace.table.embedding_forward = embedding_forward;
    trace.table.embedding_backward = embedding_backward;
    trace.table.gelu_backward = gelu_backward;
    trace.table.attention_forward = attention_forward;
    trace.table.attention_backward = attention_backward;
    trace.table.add_norm_forward = add_norm_forward;
    trace.table.add_norm_backward = add_norm_backward;
    trace.table.gather_first_forward = gather_first_forward;
    trace.table.gather_first_backward = gather_first_backward;
    trace.table.conv_max_forward = conv_max_forward;
    trace.table.conv_max_backward = conv_max_backward;
    trace.table.fuse_forward = fuse_forward;
    trace.table.fuse_backward = fuse_backward;
    trace.table.loss = loss;
    trace.table.update = update;
}

/* The events are the trace's: who reports gradient ranges would record over them. */
static void no_event(dt_backend *backend, int32_t slot)
{
    (void)backend;
    (void)slot;
}

void dt_trace_start(dt_backend *backend)
{
    trace.backend = backend;
    trace.own = backend->ops;
    trace.marks = 0;
    fill_table();
    trace.table.event_record = no_event;
    backend->ops = &trace.table;
    set_mark("start", 0.0);
}

/* Seconds from mark i-1 to mark i. */
static double interval(int32_t i)
{
    return trace.own->event_seconds ? trace.own->event_seconds(trace.backend, i - 1, i)
                                    : trace.at[i].clock - trace.at[i - 1].clock;
}

static dt_trace_part *part_of(dt_trace_list *list, const char *name)
{
    for (int32_t i = 0; i < list->count; ++i)
        if (strcmp(list->part[i].name, name) == 0)
            return &list->part[i];
    if (list->count == DT_TRACE_PARTS)
        return NULL;
    dt_trace_part *part = &list->part[list->count++];
    *part = (dt_trace_part){0};
    snprintf(part->name, sizeof part->name, "%s", name);
    return part;
}

dt_status dt_trace_stop(dt_trace_list *list)
{
    trace.backend->ops = trace.own;
    DT_TRY(trace.own->sync(trace.backend));
    if (trace.marks > MARKS)
        return dt_fail(DT_ERR_INTERNAL, "a step has %d operations, and %d can be measured",
                       trace.marks, MARKS);
    for (int32_t i = 1; i < trace.marks; ++i) {
        dt_trace_part *part = part_of(list, trace.at[i].name);
        if (!part)
            return dt_fail(DT_ERR_INTERNAL, "a step has more than %d parts", DT_TRACE_PARTS);
        const double seconds = interval(i);
        part->calls++;
        part->seconds += seconds;
        part->work += trace.at[i].work;
        list->seconds += seconds;
    }
    return trace.own->check(trace.backend);
}
