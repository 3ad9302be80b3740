/* The table of kernels: one row and one formula for each. A formula counts what a launch has to do;
 * `share` and `chain` are estimates, whose reasons are given. */
#include <math.h>
#include <stddef.h>

#include "gpu_cost.h"

#define A 2.0 /* bytes of an activation or weight: bf16 */
#define F 4.0 /* of a float */

/* A Philox call for four values: ten rounds of two 32 x 32 -> 64-bit products, which count twice, and
 * of two exclusive ors; then four comparisons and selections. */
#define PHILOX_PRODUCTS 40.0
#define PHILOX_OTHERS 28.0

#define UNROLL 4.0 /* loads that a loop has under way, where nvcc unrolls it */

typedef const dt_gpu gpu;
typedef const dt_gpu_shape shape;
typedef const dt_gpu_call call;

static dt_gpu_cost with_draws(dt_gpu_cost cost, shape *s, double values)
{
    if (s->training && s->config.dropout > 0.0) {
        cost.integer += values / 4.0 * PHILOX_PRODUCTS;
        cost.other += values / 4.0 * PHILOX_OTHERS;
    }
    return cost;
}

static double columns_of_table(shape *s)
{
    double widths = 0.0;
    for (int32_t i = 0; i < s->config.kernels; ++i)
        widths += s->config.width[i];
    return widths * s->config.filters;
}

static double channels(shape *s)
{
    return (double)s->config.filters * s->config.kernels;
}

static double classes(shape *s)
{
    double sum = 0.0;
    for (int32_t r = 0; r < s->config.tax_ranks; ++r)
        sum += s->config.classes[r];
    return sum;
}

/* Clocks of a kernel whose blocks take `each` clocks and run in waves. */
static double waves(gpu *g, double blocks, double resident, double each)
{
    return ceil(blocks / (g->sms * resident)) * each;
}

/* ---- matrix products --------------------------------------------------------------------------- */

#define INNER_START 128.0 /* assumed: a tile's start and end take as long as so many terms */
#define FIRST 0.95        /* assumed: rate of cuBLASLt's first proposal in that of its best */

/* The share of the matrix rate with tiles of (rows, columns) and the inner dimension divided by
 * `split`: what tiles hang over, the last wave, the start and end of a tile. */
static double tile_share(gpu *g, call *c, double rows, double columns, double split)
{
    const double tiles = ceil(c->rows / rows) * ceil(c->columns / columns);
    const double inside = c->rows * c->columns / (tiles * rows * columns);
    const double wave = tiles * split / (ceil(tiles * split / g->sms) * g->sms);
    const double inner = c->inner / split;
    return inside * wave * inner / (inner + INNER_START);
}

/* The best of a few tile sizes and divisions of the inner dimension. A training times cuBLASLt's
 * proposals (cuda/product_choice.cu); a prediction takes the first. Partial results go through the
 * workspace of 32 MiB. Small tiles need more operands for each operation. */
static dt_gpu_cost product(gpu *g, shape *s, call *c)
{
    static const struct {
        double rows, columns, rate;
    } tile[] = {{128, 256, 1.0}, {256, 128, 1.0}, {128, 128, 0.9}, {64, 128, 0.7}, {64, 64, 0.5}};
    const double results = c->rows * c->columns;
    const double once =
        A * c->inner * (c->rows + c->columns) + c->bytes * results * (c->add ? 2 : 1);
    dt_gpu_cost best = {0};
    double least = INFINITY;
    for (size_t t = 0; t < sizeof tile / sizeof *tile; ++t)
        for (int split = 1; split <= 8; split *= 2) {
            const double partial = split > 1 ? F * results * split : 0.0;
            if (partial > 32.0 * 1024 * 1024)
                break;
            const double share = (s->training ? 1.0 : FIRST) * tile[t].rate *
                                 tile_share(g, c, tile[t].rows, tile[t].columns, split);
            const dt_gpu_cost cost = {.bytes = once + 2.0 * partial,
                                      .matrix = 2.0 * results * c->inner,
                                      .matrix_share = share};
            const double seconds = dt_gpu_expected(g, &cost, NULL);
            if (seconds < least) {
                least = seconds;
                best = cost;
            }
        }
    return best;
}

/* ---- attention --------------------------------------------------------------------------------- */

/* The fused kernels go through shared memory for every operand: a warp reads 1,024 bytes for each
 * 16 x 16 x 16 product of scores, 576 for each product with values. */
#define SCORE_BYTES 1024.0
#define VALUE_BYTES 576.0

/* Two blocks of four warps on an SM (one in the backward kernels) and generic loads instead of
 * ldmatrix: assumed to reach half of the rate that is reached otherwise. */
#define FUSED_SHARE 0.55

/* scores, values: products of a tile (16 own rows, 64 others) of each kind; tile_bytes: of the
 * scores, probabilities and, in the forward kernel, outputs that a tile stores and reads; matrices:
 * (tokens, hidden) read or written. */
static dt_gpu_cost fused(gpu *g, shape *s, double scores, double values, double tile_bytes,
                         double matrices)
{
    const dt_model_config *c = &s->config;
    const double pairs = s->tiles16 * c->heads; /* queries x keys, in tiles */
    const double head = (double)c->hidden / c->heads;
    const double each = pairs / 256.0 * head / 16.0; /* 16 x 16 x 16 products */
    return with_draws(
        (dt_gpu_cost){
            .bytes = A * matrices * s->tokens * c->hidden,
            .l2 = A * 2.0 * s->tiles64 / 64.0 *
                  c->hidden, /* tiles of two matrices, again per block */
            .shared =
                each * (scores * SCORE_BYTES + values * VALUE_BYTES) + pairs / 1024.0 * tile_bytes,
            .matrix = 2.0 * (scores + values) * pairs * head,
            .matrix_share = g->mma_sync_share,
            .fp32 = 12.0 * pairs,
            .special = pairs,
            .share = FUSED_SHARE,
        },
        s, s->squares * c->heads);
}

static dt_gpu_cost fused_forward(gpu *g, shape *s, call *c)
{
    (void)c;
    return fused(g, s, 1, 1, 38e3, 4);
}

static dt_gpu_cost fused_query(gpu *g, shape *s, call *c)
{
    (void)c;
    return fused(g, s, 2, 1, 18e3, 5);
}

static dt_gpu_cost fused_key(gpu *g, shape *s, call *c)
{
    (void)c;
    return fused(g, s, 2, 2, 20e3, 6);
}

/* dy · y, (rows, columns) */
static dt_gpu_cost attention_product(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)s;
    return (dt_gpu_cost){.bytes = 2.0 * A * c->rows * c->columns, .share = 0.8};
}

/* The plain kernels compute the single query of the last layer in tiles of 32 keys, each in strips
 * that are loaded and used in turn: clocks of a tile's scores, of its softmax with draws for four
 * rows, of its sums. One query leaves three of a warp's four rows and three of four warps idle. */
#define DOTS 3400.0
#define SOFTMAX 2400.0
#define SUMS 4400.0
#define PLAIN_TILE 32.0

static double plain_tiles(shape *s)
{
    return ceil(s->longest / PLAIN_TILE);
}

static dt_gpu_cost plain_forward(gpu *g, shape *s, call *c)
{
    const double blocks = s->sequences * s->config.heads;
    const double clocks = plain_tiles(s) * (DOTS + SOFTMAX + SUMS);
    (void)c;
    return (dt_gpu_cost){.bytes = 2.0 * A * s->tokens * s->config.hidden,
                         .fp32 = 4.0 * s->tokens * s->config.hidden,
                         .chain = waves(g, blocks, dt_gpu_resident(g, 128, 64, 21e3), clocks)};
}

static dt_gpu_cost plain_query(gpu *g, shape *s, call *c)
{
    const double blocks = s->sequences * s->config.heads;
    const double clocks = plain_tiles(s) * (2.0 * DOTS + SOFTMAX / 2.0 + SUMS);
    (void)c;
    return (dt_gpu_cost){.bytes = 2.0 * A * s->tokens * s->config.hidden,
                         .fp32 = 6.0 * s->tokens * s->config.hidden,
                         .chain = waves(g, blocks, dt_gpu_resident(g, 128, 64, 29e3), clocks)};
}

/* A block for 16 keys of a sequence and head. */
static dt_gpu_cost plain_key(gpu *g, shape *s, call *c)
{
    const double blocks = s->tokens / 16.0 * s->config.heads;
    (void)c;
    return (dt_gpu_cost){.bytes = 4.0 * A * s->tokens * s->config.hidden,
                         .fp32 = 8.0 * s->tokens * s->config.hidden,
                         .chain = waves(g, blocks, dt_gpu_resident(g, 128, 64, 37e3),
                                        2.0 * (DOTS + SUMS) + SOFTMAX)};
}

/* At most a few rows. */
static dt_gpu_cost zero_excess(gpu *g, shape *s, call *c)
{
    (void)g;
    return (dt_gpu_cost){.bytes = A * (s->rows - s->tokens) * c->columns};
}

/* ---- one pass over a matrix (rows, columns) ---------------------------------------------------- */

/* Instructions counted in nvcc's output: conversions and addresses included, without special
 * functions. */
static dt_gpu_cost gelu(gpu *g, shape *s, call *c)
{
    const double values = c->rows * c->columns;
    (void)g;
    (void)s;
    return (dt_gpu_cost){
        .bytes = 2.0 * A * values, .fp32 = 29.0 * values, .special = 2.0 * values, .share = 0.9};
}

static dt_gpu_cost gelu_backward(gpu *g, shape *s, call *c)
{
    const double values = c->rows * c->columns;
    (void)g;
    (void)s;
    return (dt_gpu_cost){
        .bytes = 3.0 * A * values, .fp32 = 33.0 * values, .special = 2.0 * values, .share = 0.9};
}

/* A block per row, whose 112 of 128 threads wait for each other at several barriers. */
#define ROW_SHARE 0.75

static dt_gpu_cost add_norm(gpu *g, shape *s, call *c)
{
    const double values = c->rows * c->columns;
    (void)g;
    return with_draws((dt_gpu_cost){.bytes = 4.0 * A * values,
                                    .l2 = 4.0 * A * values, /* the row stays in registers */
                                    .fp32 = 15.0 * values,
                                    .share = ROW_SHARE},
                      s, values);
}

/* Eight blocks on an SM keep `sums` sums over the rows that they handle one after another. */
static double norm_blocks(gpu *g, double rows)
{
    return fmin(ceil(rows / 4.0), 8.0 * g->sms);
}

static dt_gpu_cost add_norm_backward(gpu *g, shape *s, call *c)
{
    const double values = c->rows * c->columns;
    const double blocks = norm_blocks(g, c->rows);
    const double partials = 2.0 * F * blocks * c->columns;
    return with_draws(
        (dt_gpu_cost){.bytes = 4.0 * A * values,
                      .l2 = 4.0 * A * values + partials,
                      .fp32 = 24.0 * values,
                      .share = ROW_SHARE,
                      .chain = ceil(c->rows / blocks) * (g->memory_latency_clocks + 500.0)},
        s, values);
}

static dt_gpu_cost embedding(gpu *g, shape *s, call *c)
{
    const dt_model_config *m = &s->config;
    const double values = s->rows * m->hidden;
    (void)g;
    (void)c;
    return with_draws((dt_gpu_cost){.bytes = A * (values + (s->groups + s->longest) * m->hidden),
                                    .l2 = 4.0 * A * values,
                                    .fp32 = 20.0 * values,
                                    .share = ROW_SHARE},
                      s, values);
}

static dt_gpu_cost embedding_backward(gpu *g, shape *s, call *c)
{
    const dt_model_config *m = &s->config;
    const double values = s->rows * m->hidden;
    const double blocks = norm_blocks(g, s->rows);
    (void)c;
    return with_draws(
        (dt_gpu_cost){.bytes = A * (2.0 * values + (s->groups + s->longest) * m->hidden),
                      .l2 = 5.0 * A * values + 3.0 * F * blocks * m->hidden,
                      .fp32 = 28.0 * values,
                      .share = ROW_SHARE,
                      .chain = ceil(s->rows / blocks) * (2.0 * g->memory_latency_clocks + 500.0)},
        s, values);
}

/* ---- sums over rows ---------------------------------------------------------------------------- */

/* Blocks over the rows (cuda/column_sums.cu). */
static double row_blocks(call *c)
{
    const double blocks = fmin(ceil(c->rows / 64.0), 128.0);
    return fmax(1.0, fmin(blocks, floor(4.0 * 1024 * 1024 / c->columns)));
}

/* bytes: of an element. */
static dt_gpu_cost column_sums(gpu *g, shape *s, call *c)
{
    const double values = c->rows * c->columns;
    const double blocks = ceil(c->columns / 256.0) * row_blocks(c);
    const double steps = ceil(c->rows / row_blocks(c) / 8.0 / UNROLL);
    (void)s;
    return (dt_gpu_cost){.bytes = c->bytes * values + F * row_blocks(c) * c->columns,
                         .fp32 = 3.0 * values,
                         .share = 0.8,
                         .chain = waves(g, blocks, dt_gpu_resident(g, 256, 40, 8192),
                                        (steps + 2.0) * g->memory_latency_clocks)};
}

/* bytes: as of column_sums, or 0 after a LayerNorm; inner: sums. Up to 32 lanes have eight loads
 * under way. */
static dt_gpu_cost add_partials(gpu *g, shape *s, call *c)
{
    const double partials = c->bytes > 0 ? row_blocks(c) : norm_blocks(g, c->rows);
    const double blocks = c->inner * ceil(c->columns / 32.0);
    const double threads = 32.0 * fmin(partials, 32.0);
    (void)s;
    return (dt_gpu_cost){.l2 = F * c->inner * c->columns * partials,
                         .bytes = 2.0 * F * c->inner * c->columns,
                         .chain = waves(g, blocks, dt_gpu_resident(g, threads, 32, 4096),
                                        ceil(partials / 32.0 / 8.0) * g->l2_latency_clocks +
                                            32.0 * 30.0 + g->memory_latency_clocks)};
}

#define PIECE 16.0 /* tokens of a piece (cuda/group_sums.cu) */

static dt_gpu_cost group_sums(gpu *g, shape *s, call *c)
{
    const double hidden = s->config.hidden;
    const double pieces = ceil(s->rows / PIECE);
    const double ids = 2.0; /* that a piece touches, each with four dependent loads */
    (void)c;
    return (dt_gpu_cost){.bytes = A * s->tokens * hidden + 2.0 * F * s->groups * hidden,
                         .l2 = F * pieces * hidden,
                         .share = 0.8,
                         .chain = waves(g, pieces, dt_gpu_resident(g, 128, 42, 0),
                                        ids * (4.0 * g->l2_latency_clocks) +
                                            PIECE / UNROLL * g->memory_latency_clocks)};
}

static dt_gpu_cost add_group_partials(gpu *g, shape *s, call *c)
{
    const double hidden = s->config.hidden;
    (void)c;
    return (dt_gpu_cost){.l2 = F * ceil(s->rows / PIECE) * hidden,
                         .bytes = 2.0 * F * hidden,
                         .chain = 4.0 * g->l2_latency_clocks +
                                  ceil(s->largest / PIECE / UNROLL) * g->l2_latency_clocks +
                                  g->memory_latency_clocks};
}

static dt_gpu_cost position_gradient(gpu *g, shape *s, call *c)
{
    const double hidden = s->config.hidden;
    const double blocks = s->longest * ceil(hidden / 256.0);
    (void)c;
    return (dt_gpu_cost){.bytes = A * s->tokens * hidden + 2.0 * F * s->longest * hidden,
                         .share = 0.8,
                         .chain = waves(g, blocks, dt_gpu_resident(g, 256, 32, 8192),
                                        ceil(s->sequences / 8.0) *
                                            (g->l2_latency_clocks + g->memory_latency_clocks))};
}

/* ---- CNN branch -------------------------------------------------------------------------------- */

/* Every tap reads the whole filter again, with a stride. */
static dt_gpu_cost pack_weights(gpu *g, shape *s, call *c)
{
    const double values = columns_of_table(s) * s->config.embed_dim;
    (void)c;
    return (dt_gpu_cost){.bytes = 2.0 * A * values,
                         .l2 = A * values * 6.0,
                         .share = 0.5,
                         .chain =
                             7.0 * s->config.embed_dim / 128.0 / UNROLL * g->memory_latency_clocks};
}

static dt_gpu_cost gather_ids(gpu *g, shape *s, call *c)
{
    (void)c;
    return (dt_gpu_cost){.bytes = 2.0 * A * s->groups * s->config.embed_dim,
                         .chain = 6.0 * g->memory_latency_clocks};
}

/* A thread computes four filters at every eighth position: for each tap some 15 instructions for
 * its address, conversion and addition. */
static dt_gpu_cost conv_max(gpu *g, shape *s, call *c)
{
    const dt_model_config *m = &s->config;
    const double past = m->mask_padding ? 0.0 : 3.0 * s->sequences;
    const double values = (s->tokens + past) * channels(s);
    (void)g;
    (void)c;
    return with_draws(
        (dt_gpu_cost){.bytes = A * s->groups * columns_of_table(s),
                      .l2 = A * s->tokens * columns_of_table(s),
                      .fp32 = 15.0 * s->tokens * columns_of_table(s) / 4.0 + 8.0 * values,
                      .share = 0.6},
        s, values);
}

/* Blocks of 32 columns and 256 ids look up 16 sequences at a time: two dependent loads, then
 * additions in shared memory. */
static dt_gpu_cost table_gradient(gpu *g, shape *s, call *c)
{
    const double tiles = ceil(s->groups / 256.0);
    const double columns = columns_of_table(s);
    const double lookups = tiles * columns * s->sequences;
    const double rounds = ceil(s->sequences / 16.0);
    (void)c;
    return (dt_gpu_cost){
        .bytes = A * s->groups * columns,
        .l2 = 24.0 * lookups, /* two indices, two values, a group; offsets are in L1 */
        .shared = 2.0 * F * s->groups * columns + 4.0 * (8.0 + 8.0) * lookups,
        .other = lookups * (30.0 + 4.0 * 8.0),
        .chain = waves(g, tiles * ceil(columns / 32.0), dt_gpu_resident(g, 128, 56, 36864),
                       rounds * (2.0 * g->l2_latency_clocks + 16.0 * 30.0) +
                           2.0 * g->memory_latency_clocks)};
}

/* A row of floats for each id. */
static dt_gpu_cost add_id_rows(gpu *g, shape *s, call *c)
{
    (void)c;
    return (dt_gpu_cost){.bytes = 3.0 * F * s->groups * s->config.embed_dim,
                         .share = 0.8,
                         .chain = 5.0 * g->memory_latency_clocks};
}

static dt_gpu_cost unpack_weights(gpu *g, shape *s, call *c)
{
    (void)c;
    return (dt_gpu_cost){.bytes = 3.0 * F * columns_of_table(s) * s->config.embed_dim,
                         .other = 20.0 * columns_of_table(s) * s->config.embed_dim,
                         .share = 0.7,
                         .chain =
                             7.0 * s->config.embed_dim / 256.0 / UNROLL * g->memory_latency_clocks};
}

/* ---- vectors of a sequence, heads, loss -------------------------------------------------------- */

static dt_gpu_cost first_rows(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.bytes = 3.0 * A * s->sequences * s->config.hidden};
}

static dt_gpu_cost fuse(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.bytes = 3.0 * A * s->sequences * s->config.hidden};
}

static dt_gpu_cost fuse_backward(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.bytes = 5.0 * A * s->sequences * s->config.hidden};
}

/* One thread adds a number of each sequence. */
static dt_gpu_cost sequence_sums(gpu *g, shape *s, call *c)
{
    (void)c;
    return (dt_gpu_cost){.bytes = 8.0 * s->sequences,
                         .chain = s->sequences / UNROLL * g->memory_latency_clocks};
}

static dt_gpu_cost round_logits(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.bytes = (F + A) * s->sequences * classes(s), .share = 0.8};
}

/* A block for each sequence and taxonomic rank; passes over the logits, of which the first reads
 * memory. */
static dt_gpu_cost over_logits(gpu *g, shape *s, double threads, double passes, double bytes)
{
    double widest = 0.0;
    for (int32_t r = 0; r < s->config.tax_ranks; ++r)
        widest = fmax(widest, s->config.classes[r]);
    const double values = s->sequences * classes(s);
    return (dt_gpu_cost){.bytes = bytes * values,
                         .l2 = F * passes * values,
                         .fp32 = 12.0 * values,
                         .special = 2.0 * values,
                         .share = 0.6,
                         .chain = passes * widest / threads / UNROLL * g->memory_latency_clocks};
}

static dt_gpu_cost loss(gpu *g, shape *s, call *c)
{
    (void)c;
    return over_logits(g, s, 1024.0, 4.0, 2.0 * F);
}

static dt_gpu_cost classify(gpu *g, shape *s, call *c)
{
    (void)c;
    return over_logits(g, s, 256.0, 2.0, F);
}

/* ---- update ------------------------------------------------------------------------------------ */

/* One block after another for 64 Ki gradients: a short last wave. */
static dt_gpu_cost square_sums(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.bytes = F * s->trained, .share = 0.8};
}

/* One block, then one thread with two powers in double precision. */
static dt_gpu_cost decide(gpu *g, shape *s, call *c)
{
    (void)c;
    return (dt_gpu_cost){.bytes = 8.0 * s->trained / 65536.0,
                         .chain = 12.0 * g->memory_latency_clocks + 4000.0};
}

/* Parameter, gradient, two moments; all but the gradient are written, and the parameter in bf16. */
static dt_gpu_cost adamw(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.bytes = (7.0 * F + A) * s->trained, .fp32 = 20.0 * s->trained};
}

static dt_gpu_cost clear_gradients(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)s;
    return (dt_gpu_cost){.bytes = F * c->rows * c->columns};
}

/* Five arrays of a number per row; labels and offsets (cuda/batch.cu). */
static dt_gpu_cost copy_batch(gpu *g, shape *s, call *c)
{
    (void)g;
    (void)c;
    return (dt_gpu_cost){.link =
                             4.0 * (5.0 * s->rows + s->sequences * (s->config.tax_ranks + 1.0))};
}

/* ---- the table --------------------------------------------------------------------------------- */

#define OTHER_MODELS "models of other types or with several convolution layers only"
#define OTHER_ATTENTION "--attention cudnn only"

static const dt_gpu_kernel kernels[] = {
    {"product", NULL, product, NULL}, /* cublasLtMatmul */
    {"clearing", NULL, clear_gradients, NULL},
    {"copy of the batch", NULL, copy_batch, NULL},
    {"fused_attention_kernel", "cuda/attention_fused.cu", fused_forward, NULL},
    {"fused_query_gradient_kernel", "cuda/attention_fused.cu", fused_query, NULL},
    {"fused_key_gradient_kernel", "cuda/attention_fused.cu", fused_key, NULL},
    {"attention_product_kernel", "cuda/attention.cu", attention_product, NULL},
    {"attention_kernel", "cuda/attention.cu", plain_forward, NULL},
    {"query_gradient_kernel", "cuda/attention.cu", plain_query, NULL},
    {"key_gradient_kernel", "cuda/attention.cu", plain_key, NULL},
    {"zero_excess_kernel", "cuda/attention.cu", zero_excess, NULL},
    {"gelu_kernel", "cuda/gelu.cu", gelu, NULL},
    {"gelu_backward_kernel", "cuda/gelu.cu", gelu_backward, NULL},
    {"add_norm_kernel", "cuda/norm.cu", add_norm, NULL},
    {"add_norm_backward_kernel", "cuda/norm.cu", add_norm_backward, NULL},
    {"column_sums_kernel", "cuda/column_sums.cu", column_sums, NULL},
    {"add_partials_kernel", "cuda/column_sums.cu", add_partials, NULL},
    {"group_sums_kernel", "cuda/group_sums.cu", group_sums, NULL},
    {"add_group_partials_kernel", "cuda/group_sums.cu", add_group_partials, NULL},
    {"embedding_kernel", "cuda/embedding.cu", embedding, NULL},
    {"embedding_backward_kernel", "cuda/embedding.cu", embedding_backward, NULL},
    {"position_gradient_kernel", "cuda/embedding.cu", position_gradient, NULL},
    {"pack_weights_kernel", "cuda/conv_max.cu", pack_weights, NULL},
    {"gather_ids_kernel", "cuda/conv_max.cu", gather_ids, NULL},
    {"conv_max_kernel", "cuda/conv_max.cu", conv_max, NULL},
    {"table_gradient_kernel", "cuda/conv_max.cu", table_gradient, NULL},
    {"add_id_rows_kernel", "cuda/conv_max.cu", add_id_rows, NULL},
    {"unpack_weights_kernel", "cuda/conv_max.cu", unpack_weights, NULL},
    {"first_rows_kernel", "cuda/fuse.cu", first_rows, NULL},
    {"fuse_kernel", "cuda/fuse.cu", fuse, NULL},
    {"fuse_backward_kernel", "cuda/fuse.cu", fuse_backward, NULL},
    {"fuse_share_kernel", "cuda/fuse.cu", sequence_sums, NULL},
    {"round_kernel", "cuda/linear.cu", round_logits, NULL},
    {"loss_kernel", "cuda/loss.cu", loss, NULL},
    {"loss_sum_kernel", "cuda/loss.cu", sequence_sums, NULL},
    {"classify_kernel", "cuda/loss.cu", classify, NULL},
    {"square_sums_kernel", "cuda/update.cu", square_sums, NULL},
    {"decide_kernel", "cuda/update.cu", decide, NULL},
    {"adamw_kernel", "cuda/update.cu", adamw, NULL},
    {"refresh_kernel", "cuda/update.cu", NULL, "once, when parameters are loaded"},
    {"convert_kernel", "cuda/gradients.cu", NULL, "several GPUs and --grad-dtype bf16 only"},
    {"plain_product_kernel", "cuda/plain_product.cu", NULL, "only where cuBLASLt has no algorithm"},
    {"bias_rows_kernel", "cuda/plain_product.cu", NULL,
     "biases that are not aligned: single heads"},
    {"pad_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"unpad_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"statistics_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"facts_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"pack_layer_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"unpack_gradient_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"windows_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"add_windows_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"finish_layer_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"start_layer_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"lookup_kernel", "cuda/lookup.cu", NULL, OTHER_MODELS},
    {"mean_kernel", "cuda/pool.cu", NULL, OTHER_MODELS},
    {"mean_backward_kernel", "cuda/pool.cu", NULL, OTHER_MODELS},
    {"activate_kernel", "cuda/pool.cu", NULL, OTHER_MODELS},
    {"position_max_kernel", "cuda/position_max.cu", NULL, OTHER_MODELS},
    {"position_max_backward_kernel", "cuda/position_max.cu", NULL, OTHER_MODELS},
};

const dt_gpu_kernel *dt_gpu_kernels(int *count)
{
    *count = (int)(sizeof kernels / sizeof *kernels);
    return kernels;
}
