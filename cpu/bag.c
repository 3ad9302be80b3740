/* The bag of embeddings: a sum of rows of a table for each sequence.
 *
 * The table is large and the batch small. So the rows are taken in the order of their ids
 * (dt_cpu_batch), each once for all sequences that have it, and some columns at a time, whose part of
 * the sequences' matrix (a panel) stays in the first-level cache. A sequence's ids are added in
 * ascending order, whatever the number of threads. */
#include <math.h>
#include <string.h>

#include "cpu/backend_cpu.h"
#include "layers.h"

#define VECTOR_BYTES 64
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(dt_real)))
#define PARTS 4    /* vectors of a panel's row, at most */
#define GROUPS 512 /* ids of a task of the backward pass */
#define AHEAD 8    /* ids whose rows are fetched before they are needed */

typedef dt_real vector __attribute__((vector_size(VECTOR_BYTES)));

/* What both passes read of a batch, in scratch memory. */
typedef struct {
    const dt_cpu_batch *batch;
    const int32_t *sequence; /* (tokens) of each token in the order of the ids */
    const double *share;     /* (B) 1/√n of each sequence */
    int64_t sequences, dim, rows;
    int64_t parts; /* of a panel's row: PARTS or 1 */
} task;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `threads` share the columns. */
static task task_of(const dt_cpu *cpu, const dt_cpu_batch *b, const dt_bag *bag, int64_t threads)
{
    const int64_t sequences = b->device.size.sequences;
    int32_t *sequence = (int32_t *)(void *)(cpu->scratch + cpu->scratch_row);
    const bool wide =
        threads * PARTS * LANES <= bag->dim && sequences * PARTS * LANES <= cpu->scratch_row;
    for (int64_t i = 0; i < sequences; ++i)
        cpu->sequence_sums[i] = 1.0 / sqrt((double)(b->cu_seqlens[i + 1] - b->cu_seqlens[i]));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < b->device.size.tokens; ++i)
        sequence[i] = b->sequence_of_row[b->order[i]];
    return (task){b,        sequence,  cpu->sequence_sums, sequences,
                  bag->dim, bag->rows, wide ? PARTS : 1};
}

/* Returns the row of a group's id at `columns` of `table`; NULL: it has none. */
static inline dt_real *row_of(dt_real *columns, const task *t, int64_t group)
{
    const dt_cpu_batch *b = t->batch;
    const int64_t id = b->token_ids[b->order[b->group_first[group]]];
    return id == t->rows ? NULL : columns + id * t->dim;
}

static inline void fetch_row(dt_real *columns, const task *t, int64_t group, int64_t width)
{
    const dt_real *row = group < t->batch->groups ? row_of(columns, t, group) : NULL;
    for (int64_t k = 0; row && k < width; k += LANES)
        __builtin_prefetch(row + k);
}

/* Copies `width` elements between a row of a matrix and one of a panel, which has `parts` vectors and
 * zeros at its end. */
static inline void load_row(vector *to, const dt_real *from, int64_t width, int64_t parts)
{
    if (width == parts * LANES) {
        memcpy(to, from, (size_t)parts * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)parts * sizeof *to);
    memcpy(to, from, (size_t)width * sizeof *from);
}

/* ---- forward ---------------------------------------------------------------------------------- */

/* panel (B, parts): adds the row of each group to those of its sequences. */
static inline void add_rows(vector *panel, dt_real *table, const task *t, int64_t width,
                            int64_t parts)
{
    const int32_t *first = t->batch->group_first;
    for (int64_t group = 0; group < t->batch->groups; ++group) {
        vector values[PARTS];
        const dt_real *row = row_of(table, t, group);
        fetch_row(table, t, group + AHEAD, width);
        if (!row)
            continue;
        load_row(values, row, width, parts);
        for (int32_t i = first[group]; i < first[group + 1]; ++i)
            for (int64_t k = 0; k < parts; ++k)
                panel[t->sequence[i] * parts + k] += values[k];
    }
}

static void sum_panel(dt_real *y, vector *panel, dt_real *table, const task *t, int64_t width)
{
    memset(panel, 0, (size_t)(t->sequences * t->parts) * sizeof *panel);
    if (t->parts == PARTS) /* constants, for which the loops are unrolled */
        add_rows(panel, table, t, width, PARTS);
    else
        add_rows(panel, table, t, width, 1);
    for (int64_t b = 0; b < t->sequences; ++b) {
        const dt_real *in = (const dt_real *)(panel + b * t->parts);
        const dt_real share = (dt_real)t->share[b];
        DT_SIMD
        for (int64_t k = 0; k < width; ++k)
            y[b * t->dim + k] = in[k] * share;
    }
}

void dt_cpu_bag_forward(dt_backend *backend, void *y, const dt_device_batch *batch,
                        const dt_bag *bag)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error || !dt_cpu_ids_in(cpu, b, bag->rows + 1) ||
        !dt_cpu_fits_scratch(cpu, batch->size.sequences * LANES, "a part of the bags"))
        return;
    const task t = task_of(cpu, b, bag, cpu->threads);
    dt_real *table = dt_cpu_param(cpu, bag->table);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < t.dim; first += t.parts * LANES)
        sum_panel((dt_real *)y + first, (vector *)(void *)dt_cpu_scratch(cpu, 0), table + first, &t,
                  least(t.parts * LANES, t.dim - first));
}

/* ---- backward --------------------------------------------------------------------------------- */

/* Adds the rows of the sequences of each group begin … end - 1 to that of its id. */
static inline void add_gradients(dt_real *gradient, const vector *panel, const task *t,
                                 int64_t begin, int64_t end, int64_t width, int64_t parts)
{
    const int32_t *first = t->batch->group_first;
    for (int64_t group = begin; group < end; ++group) {
        vector sum[PARTS];
        dt_real *row = row_of(gradient, t, group);
        fetch_row(gradient, t, group + AHEAD, width);
        if (!row)
            continue;
        load_row(sum, row, width, parts);
        for (int32_t i = first[group]; i < first[group + 1]; ++i)
            for (int64_t k = 0; k < parts; ++k)
                sum[k] += panel[t->sequence[i] * parts + k];
        memcpy(row, sum, (size_t)width * sizeof *row);
    }
}

static void spread_panel(dt_real *gradient, vector *panel, const dt_real *dy, const task *t,
                         int64_t begin, int64_t end, int64_t width)
{
    for (int64_t b = 0; b < t->sequences; ++b) {
        vector *row = panel + b * t->parts;
        const dt_real share = (dt_real)t->share[b];
        load_row(row, dy + b * t->dim, width, t->parts);
        for (int64_t k = 0; k < t->parts; ++k)
            row[k] *= share;
    }
    if (t->parts == PARTS)
        add_gradients(gradient, panel, t, begin, end, width, PARTS);
    else
        add_gradients(gradient, panel, t, begin, end, width, 1);
}

void dt_cpu_bag_backward(dt_backend *backend, const void *dy, const dt_device_batch *batch,
                         const dt_bag *bag)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    const dt_cpu_batch *b = dt_cpu_batch_of(batch);
    if (cpu->error)
        return;
    const task t = task_of(cpu, b, bag, 1);
    const int64_t columns = t.parts * LANES;
    dt_real *gradient = dt_cpu_gradient(cpu, bag->table);
#pragma omp parallel for collapse(2) num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < t.dim; first += columns)
        for (int64_t begin = 0; begin < b->groups; begin += GROUPS)
            spread_panel(gradient + first, (vector *)(void *)dt_cpu_scratch(cpu, 0),
                         (const dt_real *)dy + first, &t, begin, least(begin + GROUPS, b->groups),
                         least(columns, t.dim - first));
}
