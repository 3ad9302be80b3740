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

/* Most formulas need only some of these. */
#define FORMULA(name)                                                                              \
    static dt_gpu_cost name(__attribute__((unused)) gpu *g, __attribute__((unused)) shape *s,      \
                            __attribute__((unused)) call *c)

/* The share of the memory's rate that a kernel reaches which loads ahead: the lower estimate is that
 * of such a kernel without loading ahead, the higher one assumes that this hides most of what such a
 * kernel waits for. */
static double share_of(gpu *g, double low, double high)
{
    return g->high_shares ? high : low;
}

static dt_gpu_cost with_draws(dt_gpu_cost cost, shape *s, double values)
{
    if (s->training && s->config.dropout > 0.0) {
        cost.integer += values / 4.0 * PHILOX_PRODUCTS;
        cost.other += values / 4.0 * PHILOX_OTHERS;
    }
    return cost;
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
FORMULA(product)
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

/* Blocks of 64 rows of each head. */
static double attention_blocks(shape *s)
{
    return s->sequences * ceil(s->longest / 64.0);
}

/* A warp has 16 rows of its own in registers and reads 32 others from shared memory, once for each
 * product: `products` of them. An instruction multiplies 16 by 8 by 16 elements; one load brings the
 * operands of two. instructions: for each pair of rows besides, without draws; matrices: (rows,
 * hidden) read or written, extra rows are cleared; share: few warps on a multiprocessor, which wait
 * for the next tile; sums: matrices whose columns a block sums at its end, with 4 instructions on
 * tensor cores and 2 loads of a warp for 64 rows and 8 columns: 350 clocks of some 40,000. */
static dt_gpu_cost fused(gpu *g, shape *s, double products, double instructions, double matrices,
                         double share, double sums)
{
    const dt_model_config *c = &s->config;
    const double pairs = s->tiles * c->heads;
    const double head = (double)c->hidden / c->heads;
    const double steps = products * head / 16.0; /* of 16 elements of a head */
    const double summed = sums * s->tokens * c->hidden;
    return with_draws(
        (dt_gpu_cost){.bytes = A * matrices * s->rows * c->hidden,
                      .l2 = A * 2.0 * s->block_tiles / 64.0 * c->hidden +
                            F * sums * attention_blocks(s) * c->hidden,
                      .shared = pairs * steps * A +
                                s->block_tiles * c->heads / 64.0 * head * 2.0 * A + A * summed,
                      .matrix = 2.0 * products * pairs * head,
                      .matrix_share = g->mma_sync_share,
                      .fp32 = instructions * pairs,
                      .special = pairs,
                      .other =
                          pairs * steps * 32.0 * 1.5 / 128.0 + summed * 32.0 * 6.0 / (64.0 * 8.0),
                      .share = share - 0.005 * sums},
        s, pairs);
}

FORMULA(fused_forward)
{
    return fused(g, s, 2, 6, 4, 0.75, 0); /* three blocks */
}

FORMULA(fused_query)
{
    return fused(g, s, 3, 5, 6, 0.65, 1); /* two blocks */
}

FORMULA(fused_key)
{
    return fused(g, s, 4, 9, 6, 0.65, 2);
}

/* The last layer's single query: a block for each sequence and head, whose eight groups of lanes
 * read the keys and values once (keys twice backward), four rows at a time. `again`: of the two
 * matrices (rows, hidden), read a second time; bytes: of what it writes. */
static dt_gpu_cost single(gpu *g, shape *s, double again, double bytes)
{
    const double values = s->rows * s->config.hidden;
    const double reads = 2.0;
    const double rounds = ceil(s->longest / 8.0 / UNROLL);
    const double blocks = s->sequences * s->config.heads;
    return with_draws(
        (dt_gpu_cost){
            .bytes = A * reads * values + bytes,
            .l2 = A * again * values,
            .fp32 = 4.0 * (reads + again) * values,
            .share = 0.6,
            .chain = waves(g, blocks, dt_gpu_resident(g, 128, 64, 8192),
                           (reads + again) * rounds * (g->memory_latency_clocks + 100.0) + 3000.0)},
        s, s->tokens * s->config.heads);
}

FORMULA(single_forward)
{
    return single(g, s, 0, 0);
}

/* The elements of a matrix with a row for each sequence and head. */
static double wide_values(shape *s)
{
    return s->sequences * s->config.heads * s->config.hidden;
}

/* Two factors for each key and head, the wide rows of q and dy, and three sums. */
FORMULA(single_backward)
{
    const double factors = 2.0 * s->tokens * s->config.heads;
    return single(g, s, 1,
                  F * factors + A * 2.0 * wide_values(s) +
                      F * 3.0 * s->sequences * s->config.hidden);
}

#define INPUT_HEADS 8.0    /* of a launch (cuda/attention_single_input.cu) */
#define INPUT_COLUMNS 64.0 /* of a block */

/* Reads x and writes dx. A thread handles two columns of a key at a time: a load, a store, their
 * conversions and addresses, four loads of 16 bytes from shared memory, each one address for the
 * warp, and 64 multiply-adds with the vectors of eight heads in its registers. 128 registers: two
 * blocks on a multiprocessor, which share the work in whole waves. */
FORMULA(single_input)
{
    const double hidden = s->config.hidden;
    const double columns = ceil(hidden / INPUT_COLUMNS);
    const double values = s->tokens * hidden;
    const double slots = g->sms * dt_gpu_resident(g, 256, 128, 36864);
    const double blocks = columns * s->sequences;
    return (dt_gpu_cost){.bytes = A * 2.0 * values + A * 4.0 * wide_values(s),
                         .l2 = F * 2.0 * s->tokens * s->config.heads * columns,
                         .shared = s->tokens * columns * 4.0 * 128.0,
                         .fp32 = 4.0 * INPUT_HEADS * values,
                         .other = 9.0 * values,
                         .share = 0.75 * blocks / (ceil(blocks / slots) * slots),
                         .chain = waves(g, blocks, slots / g->sms,
                                        ceil(s->longest / 8.0 / 2.0) * g->memory_latency_clocks)};
}

/* ---- one pass over a matrix (rows, columns) ---------------------------------------------------- */

/* Instructions counted in nvcc's output: conversions and addresses included, without special
 * functions. */
FORMULA(gelu)
{
    const double values = c->rows * c->columns;
    return (dt_gpu_cost){.bytes = 2.0 * A * values,
                         .fp32 = 29.0 * values,
                         .special = 2.0 * values,
                         .share = share_of(g, 0.8, 0.9)};
}

/* Blocks over the rows of a kernel that sums them (cuda/column_sums.cu). */
static double row_blocks(call *c)
{
    const double blocks = fmin(ceil(c->rows / 16.0), 256.0);
    return fmax(1.0, fmin(blocks, floor(4.0 * 1024 * 1024 / c->columns)));
}

/* The clocks of such blocks, which wait `loads` times for each row, or piece of rows, of a lane. */
static double row_chain(gpu *g, call *c, double registers, double loads, double unroll)
{
    const double blocks = ceil(c->columns / 256.0) * row_blocks(c);
    const double steps = ceil(c->rows / row_blocks(c) / 8.0 / unroll);
    return waves(g, blocks, dt_gpu_resident(g, 256, registers, 8192),
                 (loads * steps + 2.0) * g->memory_latency_clocks);
}

/* Sums the rows that it writes. A row's two loads, which nvcc moves apart, find it in the L2 cache. */
FORMULA(gelu_backward)
{
    const double values = c->rows * c->columns;
    const double in_l2 = 2.0 * g->l2_latency_clocks / g->memory_latency_clocks;
    return (dt_gpu_cost){.bytes = 3.0 * A * values + F * row_blocks(c) * c->columns,
                         .fp32 = 33.0 * values,
                         .other = 4.0 / 8.0 * values, /* of the next row */
                         .special = 2.0 * values,
                         .share = share_of(g, 0.8, 0.9),
                         .chain = row_chain(g, c, 40, in_l2, 1.0)};
}

/* A block per row, whose 112 of 128 threads wait for each other at several barriers. */
#define ROW_SHARE 0.75
/* Where a block brings its next row to the L2 cache meanwhile (cuda/norm.cu). */
static double next_row_share(gpu *g)
{
    return share_of(g, ROW_SHARE, 0.85);
}

/* Eight blocks on an SM handle the rows one after another; the row stays in registers. */
FORMULA(add_norm)
{
    const double values = c->rows * c->columns;
    const double blocks = fmin(c->rows, 8.0 * g->sms);
    return with_draws(
        (dt_gpu_cost){.bytes = 4.0 * A * values,
                      .l2 = 4.0 * A * values,
                      .fp32 = 16.0 * values,
                      .share = next_row_share(g),
                      .chain = ceil(c->rows / blocks) * (g->memory_latency_clocks + 500.0)},
        s, values);
}

/* The blocks also keep sums over their rows. */
static double norm_blocks(gpu *g, double rows)
{
    return fmin(ceil(rows / 4.0), 8.0 * g->sms);
}

FORMULA(add_norm_backward)
{
    const double values = c->rows * c->columns;
    const double blocks = norm_blocks(g, c->rows);
    const double partials = 3.0 * F * blocks * c->columns;
    return with_draws(
        (dt_gpu_cost){.bytes = 4.0 * A * values,
                      .l2 = 4.0 * A * values + partials,
                      .fp32 = 25.0 * values,
                      .share = next_row_share(g),
                      .chain = ceil(c->rows / blocks) * (g->memory_latency_clocks + 500.0)},
        s, values);
}

FORMULA(embedding)
{
    const dt_model_config *m = &s->config;
    const double values = s->rows * m->hidden;
    return with_draws((dt_gpu_cost){.bytes = A * (values + (s->groups + s->longest) * m->hidden),
                                    .l2 = 4.0 * A * values,
                                    .fp32 = 20.0 * values,
                                    .share = ROW_SHARE},
                      s, values);
}

FORMULA(embedding_backward)
{
    const dt_model_config *m = &s->config;
    const double values = s->rows * m->hidden;
    const double blocks = norm_blocks(g, s->rows);
    return with_draws(
        (dt_gpu_cost){.bytes = A * (2.0 * values + (s->groups + s->longest) * m->hidden),
                      .l2 = 5.0 * A * values + 3.0 * F * blocks * m->hidden,
                      .fp32 = 28.0 * values,
                      .share = ROW_SHARE,
                      .chain = ceil(s->rows / blocks) * (2.0 * g->memory_latency_clocks + 500.0)},
        s, values);
}

/* ---- sums over rows ---------------------------------------------------------------------------- */

/* bytes: of an element. */
FORMULA(column_sums)
{
    const double values = c->rows * c->columns;
    return (dt_gpu_cost){.bytes = c->bytes * values + F * row_blocks(c) * c->columns,
                         .fp32 = 3.0 * values,
                         .share = 0.8,
                         .chain = row_chain(g, c, 40, 1.0, UNROLL)};
}

/* After kernels with `blocks` blocks, or, where these are 0, with row_blocks() if bytes are not 0, or
 * after a LayerNorm; inner: sums. Up to 32 lanes have eight loads under way. */
FORMULA(add_partials)
{
    const double partials = c->blocks > 0.0 ? c->blocks
                            : c->bytes > 0  ? row_blocks(c)
                                            : norm_blocks(g, c->rows);
    const double blocks = c->inner * ceil(c->columns / 32.0);
    const double threads = 32.0 * fmin(partials, 32.0);
    return (dt_gpu_cost){.l2 = F * c->inner * c->columns * partials,
                         .bytes = F * c->inner * c->columns,
                         .chain = waves(g, blocks, dt_gpu_resident(g, threads, 32, 4096),
                                        ceil(partials / 32.0 / 8.0) * g->l2_latency_clocks +
                                            32.0 * 30.0 + g->memory_latency_clocks)};
}

#define PIECE 16.0 /* tokens of a piece (cuda/group_sums.cu) */

FORMULA(group_sums)
{
    const double hidden = s->config.hidden;
    const double pieces = ceil(s->rows / PIECE);
    const double ids = 2.0; /* that a piece touches, each with four dependent loads */
    return (dt_gpu_cost){.bytes = A * s->tokens * hidden + 2.0 * F * s->groups * hidden,
                         .l2 = F * pieces * hidden,
                         .share = 0.8,
                         .chain = waves(g, pieces, dt_gpu_resident(g, 128, 42, 0),
                                        ids * (4.0 * g->l2_latency_clocks) +
                                            PIECE / UNROLL * g->memory_latency_clocks)};
}

FORMULA(add_group_partials)
{
    const double hidden = s->config.hidden;
    return (dt_gpu_cost){.l2 = F * ceil(s->rows / PIECE) * hidden,
                         .bytes = 2.0 * F * hidden,
                         .chain = 4.0 * g->l2_latency_clocks +
                                  ceil(s->largest / PIECE / UNROLL) * g->l2_latency_clocks +
                                  g->memory_latency_clocks};
}

FORMULA(position_gradient)
{
    const double hidden = s->config.hidden;
    const double blocks = s->longest * ceil(hidden / 256.0);
    return (dt_gpu_cost){.bytes = A * s->tokens * hidden + 2.0 * F * s->longest * hidden,
                         .share = 0.8,
                         .chain = waves(g, blocks, dt_gpu_resident(g, 256, 32, 8192),
                                        ceil(s->sequences / 8.0) *
                                            (g->l2_latency_clocks + g->memory_latency_clocks))};
}

/* ---- CNN branch -------------------------------------------------------------------------------- */

/* Every tap reads the whole filter again, with a stride. */
FORMULA(pack_weights)
{
    const double values = s->taps * s->config.embed_dim;
    return (dt_gpu_cost){.bytes = 2.0 * A * values,
                         .l2 = A * values * 6.0,
                         .share = 0.5,
                         .chain =
                             7.0 * s->config.embed_dim / 128.0 / UNROLL * g->memory_latency_clocks};
}

FORMULA(gather_ids)
{
    return (dt_gpu_cost){.bytes = 2.0 * A * s->groups * s->config.embed_dim,
                         .chain = 6.0 * g->memory_latency_clocks};
}

/* A thread computes four filters at every eighth position: for each tap some 15 instructions for
 * its address, conversion and addition. */
FORMULA(conv_max)
{
    const dt_model_config *m = &s->config;
    const double past = m->mask_padding ? 0.0 : 3.0 * s->sequences;
    const double values = (s->tokens + past) * s->channels;
    return with_draws((dt_gpu_cost){.bytes = A * s->groups * s->taps,
                                    .l2 = A * s->tokens * s->taps,
                                    .fp32 = 15.0 * s->tokens * s->taps / 4.0 + 8.0 * values,
                                    .share = 0.6},
                      s, values);
}

/* Blocks of 32 columns and 256 ids look up 16 sequences at a time: two dependent loads, then
 * additions in shared memory. */
FORMULA(table_gradient)
{
    const double tiles = ceil(s->groups / 256.0);
    const double columns = s->taps;
    const double lookups = tiles * columns * s->sequences;
    const double rounds = ceil(s->sequences / 16.0);
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
FORMULA(add_id_rows)
{
    return (dt_gpu_cost){.bytes = 3.0 * F * s->groups * s->config.embed_dim,
                         .share = 0.8,
                         .chain = 5.0 * g->memory_latency_clocks};
}

FORMULA(unpack_weights)
{
    return (dt_gpu_cost){.bytes = 2.0 * F * s->taps * s->config.embed_dim,
                         .other = 20.0 * s->taps * s->config.embed_dim,
                         .share = 0.7,
                         .chain =
                             7.0 * s->config.embed_dim / 256.0 / UNROLL * g->memory_latency_clocks};
}

/* ---- vectors of a sequence, heads, loss -------------------------------------------------------- */

FORMULA(first_rows)
{
    return (dt_gpu_cost){.bytes = 3.0 * A * s->sequences * s->config.hidden};
}

FORMULA(fuse)
{
    return (dt_gpu_cost){.bytes = 3.0 * A * s->sequences * s->config.hidden};
}

FORMULA(fuse_backward)
{
    return (dt_gpu_cost){.bytes = 5.0 * A * s->sequences * s->config.hidden};
}

/* One thread adds a number of each sequence, in double precision, with 16 loads under way. */
FORMULA(sequence_sums)
{
    return (dt_gpu_cost){.bytes = 8.0 * s->sequences,
                         .chain = ceil(s->sequences / 16.0) * g->memory_latency_clocks +
                                  16.0 * s->sequences};
}

FORMULA(round_logits)
{
    return (dt_gpu_cost){.bytes = (F + A) * s->sequences * s->classes, .share = 0.8};
}

/* A block for each sequence and taxonomic rank; passes over the logits, of which the first reads
 * memory. */
static dt_gpu_cost over_logits(gpu *g, shape *s, double threads, double passes, double bytes)
{
    int32_t widest = 0; /* not a double: GCC 12 for aarch64 cannot compile this loop with fmax() */
    for (int32_t r = 0; r < s->config.tax_ranks; ++r)
        if (s->config.classes[r] > widest)
            widest = s->config.classes[r];
    const double values = s->sequences * s->classes;
    return (dt_gpu_cost){.bytes = bytes * values,
                         .l2 = F * passes * values,
                         .fp32 = 12.0 * values,
                         .special = 2.0 * values,
                         .share = 0.6,
                         .chain = passes * widest / threads / UNROLL * g->memory_latency_clocks};
}

FORMULA(loss)
{
    return over_logits(g, s, 1024.0, 4.0, 2.0 * F);
}

FORMULA(classify)
{
    return over_logits(g, s, 256.0, 2.0, F);
}

/* ---- update ------------------------------------------------------------------------------------ */

#define NORM_BLOCK 16384.0 /* gradients (cuda/update.cu) */

/* A thread has several loads under way; at the end of a block's 16 pieces, a sum over its threads. */
FORMULA(square_sums)
{
    return (dt_gpu_cost){
        .bytes = F * s->trained, .other = 3.0 * s->trained, .share = share_of(g, 0.8, 0.95)};
}

/* One block, then one thread with two powers in double precision. */
FORMULA(decide)
{
    return (dt_gpu_cost){.bytes = 8.0 * s->trained / NORM_BLOCK,
                         .chain = 14.0 * g->memory_latency_clocks + 4000.0};
}

/* Parameter, gradient, two moments; all but the gradient are written, and the parameter in bf16. */
FORMULA(adamw)
{
    return (dt_gpu_cost){.bytes = (7.0 * F + A) * s->trained, .fp32 = 20.0 * s->trained};
}

FORMULA(clear_gradients)
{
    return (dt_gpu_cost){.bytes = F * c->rows * c->columns};
}

/* Five arrays of a number per row; labels and offsets (cuda/batch.cu). */
FORMULA(copy_batch)
{
    return (dt_gpu_cost){.link =
                             4.0 * (5.0 * s->rows + s->sequences * (s->config.tax_ranks + 1.0))};
}

/* ---- the table --------------------------------------------------------------------------------- */

#define OTHER_MODELS "models of other types or with several convolution layers only"
#define PLAIN_ATTENTION "fp32, heads of other sizes, --attention plain only"
#define OTHER_ATTENTION "--attention cudnn only"

static const dt_gpu_kernel kernels[] = {
    {"product", NULL, product, NULL}, /* cublasLtMatmul */
    {"clearing", NULL, clear_gradients, NULL},
    {"copy of the batch", NULL, copy_batch, NULL},
    {"fused_attention_kernel", "cuda/attention_fused.cu", fused_forward, NULL},
    {"fused_query_gradient_kernel", "cuda/attention_fused_backward.cu", fused_query, NULL},
    {"fused_key_gradient_kernel", "cuda/attention_fused_backward.cu", fused_key, NULL},
    {"single_attention_kernel", "cuda/attention_single.cu", single_forward, NULL},
    {"single_gradient_kernel", "cuda/attention_single.cu", single_backward, NULL},
    {"single_input_kernel", "cuda/attention_single_input.cu", single_input, NULL},
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
    {"lineage_kernel", "cuda/lineage.cu", NULL, "with --loss-type lineage"},
    {"lineage_backward_kernel", "cuda/lineage.cu", NULL, "with --loss-type lineage"},
    {"square_sums_kernel", "cuda/update.cu", square_sums, NULL},
    {"decide_kernel", "cuda/update.cu", decide, NULL},
    {"adamw_kernel", "cuda/update.cu", adamw, NULL},
    {"lamb_sums_kernel", "cuda/update.cu", NULL, "with --optimizer-type lamb"},
    {"trust_kernel", "cuda/update.cu", NULL, "with --optimizer-type lamb"},
    {"refresh_kernel", "cuda/update.cu", NULL,
     "when parameters are loaded; with --shard-optimizer after each update"},
    {"convert_kernel", "cuda/gradients.cu", NULL, "several GPUs and --grad-dtype bf16 only"},
    {"plain_product_kernel", "cuda/plain_product.cu", NULL, "only where cuBLASLt has no algorithm"},
    {"bias_rows_kernel", "cuda/plain_product.cu", NULL,
     "biases that are not aligned: single heads"},
    {"attention_kernel", "cuda/attention.cu", NULL, PLAIN_ATTENTION},
    {"attention_product_kernel", "cuda/attention.cu", NULL, PLAIN_ATTENTION},
    {"query_gradient_kernel", "cuda/attention.cu", NULL, PLAIN_ATTENTION},
    {"key_gradient_kernel", "cuda/attention.cu", NULL, PLAIN_ATTENTION},
    {"pad_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"unpad_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"statistics_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"facts_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"clear_excess_kernel", "cuda/attention_cudnn.cu", NULL, OTHER_ATTENTION},
    {"pack_layer_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"unpack_gradient_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"windows_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"add_windows_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"finish_layer_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"start_layer_kernel", "cuda/conv_layers.cu", NULL, OTHER_MODELS},
    {"bag_kernel", "cuda/bag.cu", NULL, OTHER_MODELS},
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
