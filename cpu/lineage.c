/* The lineage layer. Each sequence is computed by one thread. */
#include <math.h>

#include "cpu/backend_cpu.h"
#include "layers.h"

#define NO_LINEAGE ((dt_real)-1e30)

static int32_t node_count(const dt_lineages *lineages)
{
    return lineages->first[lineages->classes.tax_ranks];
}

/* Returns log Σ e^x of `count` >= 1 numbers; NaN if one is. */
static dt_real log_sum(const dt_real *x, int32_t count)
{
    dt_real largest = x[0];
    double sum = 0.0;
    if (count == 1)
        return largest;
    for (int32_t i = 1; i < count; ++i)
        largest = x[i] > largest ? x[i] : largest;
    DT_SIMD_SUM(sum)
    for (int32_t i = 0; i < count; ++i)
        sum += (double)dt_exp(x[i] - largest);
    return (dt_real)((double)largest + log(sum));
}

/* The same of the nodes of one column; NO_LINEAGE if it has none. */
static dt_real log_sum_of(const dt_real *x, const dt_lineages *lineages, int32_t column)
{
    const int32_t *node = lineages->node + lineages->of[column];
    const int32_t count = lineages->of[column + 1] - lineages->of[column];
    dt_real largest = NO_LINEAGE;
    double sum = 0.0;
    for (int32_t i = 0; i < count; ++i)
        largest = x[node[i]] > largest ? x[node[i]] : largest;
    for (int32_t i = 0; i < count; ++i)
        sum += (double)dt_exp(x[node[i]] - largest);
    return count > 0 ? (dt_real)((double)largest + log(sum)) : NO_LINEAGE;
}

/* From the root the sum of the logits on the path to each node, then from the leaves its logarithmic
 * sum. */
static void forward_row(dt_real *marginal, dt_real *x, const dt_real *logit,
                        const dt_lineages *lineages)
{
    const int32_t ranks = lineages->classes.tax_ranks;
    const int32_t *first = lineages->first;
    const int32_t *parent = lineages->parent;
    const int32_t *column = lineages->column;
    for (int32_t n = 0; n < first[1]; ++n)
        x[n] = logit[column[n]];
    for (int32_t r = 1; r < ranks; ++r) {
        DT_SIMD
        for (int32_t n = first[r]; n < first[r + 1]; ++n)
            x[n] = x[parent[n]] + logit[column[n]];
    }
    for (int32_t n = first[ranks - 1] - 1; n >= 0; --n)
        x[n] = log_sum(x + lineages->child[n], lineages->child[n + 1] - lineages->child[n]);
    for (int32_t n = 0; n < first[ranks]; ++n)
        marginal[column[n]] = x[n];
    for (int32_t i = 0; i < lineages->shared_count; ++i)
        marginal[lineages->shared[i]] = log_sum_of(x, lineages, lineages->shared[i]);
}

void dt_cpu_lineage_forward(dt_backend *backend, void *marginals, void *nodes, const void *logits,
                            int32_t sequences, const dt_lineages *lineages)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    const int64_t columns = lineages->classes.first[lineages->classes.tax_ranks];
    if (cpu->error)
        return;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t b = 0; b < sequences; ++b)
        forward_row((dt_real *)marginals + b * columns, (dt_real *)nodes + b * node_count(lineages),
                    (const dt_real *)logits + b * columns, lineages);
}

/* t of a node: the gradient that the lineages below it receive from this node and those above,
 * t = t(parent)·e^(x - x(parent)) + the class's gradient · e^(x - marginal). Then the sums of the
 * leaves' t are passed up. `dlogit` holds the shared columns' marginals at first. */
static void backward_row(dt_real *dlogit, dt_real *t, const dt_real *dmarginal, const dt_real *x,
                         const dt_lineages *lineages)
{
    const int32_t ranks = lineages->classes.tax_ranks;
    const int32_t *first = lineages->first;
    const int32_t *parent = lineages->parent;
    const int32_t *column = lineages->column;
    for (int32_t n = 0; n < first[ranks]; ++n)
        dlogit[column[n]] = x[n];
    for (int32_t i = 0; i < lineages->shared_count; ++i)
        dlogit[lineages->shared[i]] = log_sum_of(x, lineages, lineages->shared[i]);
    DT_SIMD
    for (int32_t n = 0; n < first[ranks]; ++n)
        t[n] = dmarginal[column[n]] * dt_exp(x[n] - dlogit[column[n]]);
    for (int32_t r = 1; r < ranks; ++r) {
        DT_SIMD
        for (int32_t n = first[r]; n < first[r + 1]; ++n)
            t[n] += t[parent[n]] * dt_exp(x[n] - x[parent[n]]);
    }
    for (int32_t n = first[ranks - 1] - 1; n >= 0; --n) {
        dt_real sum = 0;
        for (int32_t i = lineages->child[n]; i < lineages->child[n + 1]; ++i)
            sum += t[i];
        t[n] = sum;
    }
    for (int32_t n = 0; n < first[ranks]; ++n)
        dlogit[column[n]] = t[n];
    for (int32_t i = 0; i < lineages->shared_count; ++i) {
        const int32_t c = lineages->shared[i];
        dlogit[c] = 0;
        for (int32_t k = lineages->of[c]; k < lineages->of[c + 1]; ++k)
            dlogit[c] += t[lineages->node[k]];
    }
}

void dt_cpu_lineage_backward(dt_backend *backend, void *dlogits, void *scratch,
                             const void *dmarginals, const void *nodes, int32_t sequences,
                             const dt_lineages *lineages)
{
    const dt_cpu *cpu = dt_cpu_of(backend);
    const int64_t columns = lineages->classes.first[lineages->classes.tax_ranks];
    const int64_t count = node_count(lineages);
    if (cpu->error)
        return;
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t b = 0; b < sequences; ++b)
        backward_row((dt_real *)dlogits + b * columns, (dt_real *)scratch + b * count,
                     (const dt_real *)dmarginals + b * columns, (const dt_real *)nodes + b * count,
                     lineages);
}
