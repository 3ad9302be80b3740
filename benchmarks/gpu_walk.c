#include "gpu_walk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *dt_gpu_group_name(dt_gpu_group group)
{
    static const char *const name[DT_GPU_GROUPS] = {
        "matrix products",
        "attention, whole layers",
        "attention, single query",
        "CNN branch",
        "GELU",
        "add, LayerNorm",
        "bias sums",
        "AdamW, norm",
        "embedding, heads, loss",
    };
    return name[group];
}

/* ---- lines ------------------------------------------------------------------------------------- */

static const dt_gpu_kernel *find_kernel(const char *name)
{
    int count;
    const dt_gpu_kernel *table = dt_gpu_kernels(&count);
    for (int i = 0; i < count; ++i)
        if (strcmp(table[i].name, name) == 0)
            return table[i].cost ? &table[i] : NULL;
    return NULL;
}

/* Returns the line, new or begun; NULL if there is no place. */
static dt_gpu_line *find_line(dt_gpu_walk *w, dt_gpu_group group, const char *operation,
                              const dt_gpu_kernel *kernel)
{
    for (int i = 0; i < w->count; ++i) {
        dt_gpu_line *line = &w->line[i];
        if (line->group == group && line->kernel == kernel &&
            strcmp(line->operation, operation) == 0)
            return line;
    }
    if (w->count == DT_GPU_LINES)
        return NULL;
    dt_gpu_line *line = &w->line[w->count++];
    *line = (dt_gpu_line){.group = group, .kernel = kernel};
    snprintf(line->operation, sizeof line->operation, "%s", operation);
    return line;
}

static void launch_in(dt_gpu_walk *w, dt_gpu_group group, const char *operation, const char *name,
                      dt_gpu_call call)
{
    const dt_gpu_kernel *kernel = find_kernel(name);
    dt_gpu_line *line = kernel ? find_line(w, group, operation, kernel) : NULL;
    if (!line) {
        w->known = false;
        return;
    }
    const char *bound;
    const dt_gpu_cost cost = kernel->cost(w->gpu, w->shape, &call);
    const double expected = dt_gpu_expected(w->gpu, &cost, &bound);
    line->launches += 1.0;
    line->bytes += cost.bytes;
    line->matrix += cost.matrix;
    line->floor += dt_gpu_floor(w->gpu, &cost);
    line->expected += expected;
    if (expected >= line->longest) {
        line->longest = expected;
        line->bound = bound;
    }
}

static void launch(dt_gpu_walk *w, const char *operation, const char *kernel, dt_gpu_call call)
{
    launch_in(w, w->group, operation, kernel, call);
}

/* A kernel whose sizes are those of the micro-batch. */
static void launch_one(dt_gpu_walk *w, const char *operation, const char *kernel)
{
    launch(w, operation, kernel, (dt_gpu_call){0});
}

/* The gradients of a table, of which the kernels write only some rows. */
static void clear(dt_gpu_walk *w, const char *operation, double rows, double columns)
{
    launch(w, operation, "clearing", (dt_gpu_call){.rows = rows, .columns = columns});
}

/* ---- operations of the backend (cuda/ *.cu) ------------------------------------------------------ */

#define ACTIVATION 2 /* bytes */
#define FLOAT 4

static void column_sums(dt_gpu_walk *w, dt_gpu_group group, const char *operation, double rows,
                        double columns, int bytes)
{
    const dt_gpu_call call = {.rows = rows, .columns = columns, .inner = 1.0, .bytes = bytes};
    launch_in(w, group, operation, "column_sums_kernel", call);
    launch_in(w, group, operation, "add_partials_kernel", call);
}

/* The second stage of a kernel with LayerNorm, which has kept `sums` sums. */
static void add_partials(dt_gpu_walk *w, dt_gpu_group group, const char *operation, double rows,
                         double sums)
{
    launch_in(w, group, operation, "add_partials_kernel",
              (dt_gpu_call){.rows = rows, .columns = w->shape->config.hidden, .inner = sums});
}

static dt_gpu_call product(double m, double n, double k, int bytes, bool add)
{
    return (dt_gpu_call){.rows = m, .columns = n, .inner = k, .bytes = bytes, .add = add};
}

/* Products of the encoder are a group of their own; others count where they are used. */
static dt_gpu_group product_group(const dt_gpu_walk *w)
{
    return w->group == DT_GPU_CNN || w->group == DT_GPU_ENDS ? w->group : DT_GPU_PRODUCTS;
}

static void linear(dt_gpu_walk *w, const char *what, double rows, double in, double out)
{
    char operation[40];
    snprintf(operation, sizeof operation, "%s %.0f -> %.0f", what, in, out);
    launch_in(w, product_group(w), operation, "product", product(rows, out, in, ACTIVATION, false));
    if (strcmp(what, "linear, GELU") == 0)
        launch_in(w, DT_GPU_GELU, operation, "gelu_kernel",
                  (dt_gpu_call){.rows = rows, .columns = out});
}

/* bias: its gradient is not summed by the operation that writes dy, as it is in the encoder. */
static void linear_backward(dt_gpu_walk *w, double rows, double in, double out, bool add, bool bias)
{
    char operation[40];
    snprintf(operation, sizeof operation, "linear backward %.0f -> %.0f", in, out);
    launch_in(w, product_group(w), operation, "product", product(rows, in, out, ACTIVATION, add));
    launch_in(w, product_group(w), operation, "product", product(out, in, rows, FLOAT, false));
    if (bias)
        column_sums(w, w->group, operation, rows, out, ACTIVATION);
}

static void gelu_backward(dt_gpu_walk *w, double rows)
{
    static const char operation[] = "GELU backward";
    const dt_gpu_call call = {
        .rows = rows, .columns = w->shape->config.intermediate, .inner = 1.0, .bytes = ACTIVATION};
    launch_in(w, DT_GPU_GELU, operation, "gelu_backward_kernel", call);
    launch_in(w, DT_GPU_GELU, operation, "add_partials_kernel", call);
}

static void add_norm(dt_gpu_walk *w, double rows)
{
    launch_in(w, DT_GPU_NORM, "add, LayerNorm", "add_norm_kernel",
              (dt_gpu_call){.rows = rows, .columns = w->shape->config.hidden});
}

static void add_norm_backward(dt_gpu_walk *w, double rows)
{
    launch_in(w, DT_GPU_NORM, "add, LayerNorm backward", "add_norm_backward_kernel",
              (dt_gpu_call){.rows = rows, .columns = w->shape->config.hidden});
    add_partials(w, DT_GPU_NORM, "add, LayerNorm backward", rows, 3.0);
}

static void attention(dt_gpu_walk *w, bool single)
{
    w->group = single ? DT_GPU_SINGLE_QUERY : DT_GPU_ATTENTION;
    launch_one(w, "scores and values",
               single ? "single_attention_kernel" : "fused_attention_kernel");
    w->group = DT_GPU_PRODUCTS;
}

static void attention_backward(dt_gpu_walk *w)
{
    static const char operation[] = "scores and values backward";
    const dt_gpu_shape *s = w->shape;
    w->group = DT_GPU_ATTENTION;
    launch_one(w, operation, "fused_query_gradient_kernel");
    launch_one(w, operation, "fused_key_gradient_kernel");
    w->group = DT_GPU_PRODUCTS;
    launch_in(w, DT_GPU_BIAS, operation, "add_partials_kernel",
              (dt_gpu_call){.columns = s->config.hidden,
                            .inner = 3.0,
                            .blocks = s->sequences * ceil(s->longest / 64.0)});
}

static void single_attention_backward(dt_gpu_walk *w)
{
    static const char operation[] = "single query backward";
    const dt_gpu_shape *s = w->shape;
    const double h = s->config.hidden;
    const double rows = s->sequences * s->config.heads;
    w->group = DT_GPU_SINGLE_QUERY;
    launch_one(w, operation, "single_gradient_kernel");
    for (int part = 0; part < 2; ++part)
        launch(w, operation, "product", product(rows, h, h, ACTIVATION, false));
    for (int32_t first = 0; first < s->config.heads; first += 8)
        launch_one(w, operation, "single_input_kernel");
    for (int part = 0; part < 2; ++part)
        launch(w, operation, "product", product(h, h, rows, FLOAT, false));
    column_sums(w, DT_GPU_BIAS, operation, s->sequences, 3.0 * h, FLOAT);
    w->group = DT_GPU_PRODUCTS;
}

static void conv_max(dt_gpu_walk *w)
{
    static const char operation[] = "convolutions, maximum";
    const dt_gpu_shape *s = w->shape;
    launch_one(w, operation, "pack_weights_kernel");
    launch_one(w, operation, "gather_ids_kernel");
    launch(w, operation, "product",
           product(s->groups, s->taps, s->config.embed_dim, ACTIVATION, false));
    launch_one(w, operation, "conv_max_kernel");
}

static void conv_max_backward(dt_gpu_walk *w)
{
    static const char operation[] = "convolutions, maximum backward";
    const dt_gpu_shape *s = w->shape;
    clear(w, operation, s->config.vocabulary, s->config.embed_dim);
    launch_one(w, operation, "table_gradient_kernel");
    launch(w, operation, "product", product(s->groups, s->config.embed_dim, s->taps, FLOAT, false));
    launch_one(w, operation, "add_id_rows_kernel");
    launch(w, operation, "product", product(s->taps, s->config.embed_dim, s->groups, FLOAT, false));
    launch_one(w, operation, "unpack_weights_kernel");
}

static void heads(dt_gpu_walk *w)
{
    const dt_gpu_shape *s = w->shape;
    launch(w, "heads", "product",
           product(s->sequences, s->classes, s->config.hidden, FLOAT, false));
}

static void heads_backward(dt_gpu_walk *w)
{
    static const char operation[] = "heads backward";
    const dt_gpu_shape *s = w->shape;
    const double hidden = s->config.hidden;
    launch_one(w, operation, "round_kernel");
    launch(w, operation, "product", product(s->sequences, hidden, s->classes, ACTIVATION, false));
    launch(w, operation, "product", product(s->classes, hidden, s->sequences, FLOAT, false));
    column_sums(w, DT_GPU_ENDS, operation, s->sequences, s->classes, FLOAT);
}

static void embedding_backward(dt_gpu_walk *w)
{
    static const char operation[] = "embedding backward";
    const dt_model_config *c = &w->shape->config;
    launch_one(w, operation, "embedding_backward_kernel");
    clear(w, operation, c->vocabulary, c->hidden);
    clear(w, operation, c->max_length, c->hidden);
    clear(w, operation, 1.0, c->hidden);
    add_partials(w, DT_GPU_ENDS, operation, w->shape->rows, 3.0);
    launch_one(w, operation, "group_sums_kernel");
    launch_one(w, operation, "add_group_partials_kernel");
    launch_one(w, operation, "position_gradient_kernel");
}

static void update(dt_gpu_walk *w)
{
    launch_one(w, "update", "square_sums_kernel");
    launch_one(w, "update", "decide_kernel");
    launch_one(w, "update", "adamw_kernel");
}

/* ---- the model (src/model) --------------------------------------------------------------------- */

static void encoder_forward(dt_gpu_walk *w)
{
    const dt_gpu_shape *s = w->shape;
    const double h = s->config.hidden;
    w->group = DT_GPU_ENDS;
    launch_one(w, "embedding", "embedding_kernel");
    w->group = DT_GPU_PRODUCTS;
    for (int32_t layer = 0; layer < s->config.layers; ++layer) {
        const bool single = layer == s->config.layers - 1;
        const double rows = single ? s->sequences : s->rows;
        if (single) {
            launch_in(w, DT_GPU_ENDS, "first rows", "first_rows_kernel", (dt_gpu_call){0});
            linear(w, "linear", rows, h, h);
            linear(w, "linear", s->rows, h, 2.0 * h);
        } else {
            linear(w, "linear", rows, h, 3.0 * h);
        }
        attention(w, single);
        linear(w, "linear", rows, h, h);
        add_norm(w, rows);
        linear(w, "linear, GELU", rows, h, s->config.intermediate);
        linear(w, "linear", rows, s->config.intermediate, h);
        add_norm(w, rows);
    }
}

static void encoder_backward(dt_gpu_walk *w)
{
    const dt_gpu_shape *s = w->shape;
    const double h = s->config.hidden;
    const double i = s->config.intermediate;
    w->group = DT_GPU_PRODUCTS;
    for (int32_t layer = s->config.layers - 1; layer >= 0; --layer) {
        const bool single = layer == s->config.layers - 1;
        const double rows = single ? s->sequences : s->rows;
        add_norm_backward(w, rows);
        linear_backward(w, rows, i, h, false, false);
        gelu_backward(w, rows);
        linear_backward(w, rows, h, i, true, false);
        add_norm_backward(w, rows);
        linear_backward(w, rows, h, h, false, false);
        if (single) {
            single_attention_backward(w);
            linear_backward(w, rows, h, h, true, false);
            launch_in(w, DT_GPU_ENDS, "first rows backward", "first_rows_kernel", (dt_gpu_call){0});
        } else {
            attention_backward(w);
            linear_backward(w, rows, h, 3.0 * h, true, false);
        }
    }
    w->group = DT_GPU_ENDS;
    embedding_backward(w);
}

static void forward(dt_gpu_walk *w)
{
    const dt_gpu_shape *s = w->shape;
    w->group = DT_GPU_ENDS;
    launch_one(w, "batch", "copy of the batch");
    w->group = DT_GPU_CNN;
    conv_max(w);
    linear(w, "linear", s->sequences, s->channels, s->config.hidden);
    encoder_forward(w);
    w->group = DT_GPU_ENDS;
    launch_one(w, "fuse", "fuse_kernel");
    heads(w);
}

static void backward(dt_gpu_walk *w)
{
    const dt_gpu_shape *s = w->shape;
    w->group = DT_GPU_ENDS;
    launch_one(w, "loss", "loss_kernel");
    launch_one(w, "loss", "loss_sum_kernel");
    heads_backward(w);
    launch_one(w, "fuse backward", "fuse_backward_kernel");
    launch_one(w, "fuse backward", "fuse_share_kernel");
    w->group = DT_GPU_CNN;
    linear_backward(w, s->sequences, s->channels, s->config.hidden, false, true);
    conv_max_backward(w);
    encoder_backward(w);
}

static dt_status begin(dt_gpu_walk *walk, const dt_gpu *gpu, const dt_gpu_shape *shape)
{
    *walk = (dt_gpu_walk){.gpu = gpu, .shape = shape, .known = true};
    if (shape->config.type != DT_MODEL_HYBRID || shape->config.conv_layers != 1)
        return dt_fail(DT_ERR_INTERNAL,
                       "only the hybrid model with one convolution layer is listed");
    return DT_OK;
}

static dt_status end(const dt_gpu_walk *walk)
{
    return walk->known ? DT_OK
                       : dt_fail(DT_ERR_INTERNAL,
                                 "a kernel has no row with a formula, or there are "
                                 "more than %d lines",
                                 DT_GPU_LINES);
}

dt_status dt_gpu_walk_step(dt_gpu_walk *walk, const dt_gpu *gpu, const dt_gpu_shape *shape)
{
    DT_TRY(begin(walk, gpu, shape));
    forward(walk);
    backward(walk);
    walk->group = DT_GPU_UPDATE;
    update(walk);
    return end(walk);
}

dt_status dt_gpu_walk_prediction(dt_gpu_walk *walk, const dt_gpu *gpu, const dt_gpu_shape *shape)
{
    DT_TRY(begin(walk, gpu, shape));
    forward(walk);
    launch_one(walk, "choice of labels", "classify_kernel");
    return end(walk);
}

dt_gpu_line dt_gpu_walk_sum(const dt_gpu_walk *walk)
{
    const double launch = walk->gpu->launch_us * 1e-6;
    dt_gpu_line sum = {0};
    for (int i = 0; i < walk->count; ++i) {
        const dt_gpu_line *line = &walk->line[i];
        sum.launches += line->launches;
        sum.bytes += line->bytes;
        sum.matrix += line->matrix;
        sum.floor += line->floor;
        sum.expected +=
            line->group == DT_GPU_CNN ? line->floor : line->expected + launch * line->launches;
    }
    return sum;
}
