#include "predict/temperature.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "eval/metrics.h"
#include "layers.h"

#define CHUNK 64 /* sequences per thread at a time; their sums are added in order */
#define MOST_STEPS 100
#define ENOUGH 1e-7

/* Negative log-likelihood of a set of sequences and its derivatives with respect to β. */
typedef struct {
    double loss, slope, curvature;
} likelihood;

/* One pass over all sequences. */
typedef struct {
    const dt_heldout *heldout;
    const double *beta; /* (tax_ranks) */
    const bool *wanted; /* (tax_ranks) */
    likelihood *part;   /* (chunks, tax_ranks) */
    float *confidence;  /* (count, tax_ranks) largest probability; NULL: not needed */
    bool *right;        /* (count, tax_ranks) its label is the true one; NULL likewise */
} walk;

/* Adds sequence i at tax_rank r. */
static dt_status add_sequence(const walk *w, likelihood *sum, int64_t i, int32_t r)
{
    const dt_class_layout *layout = w->heldout->layout;
    const int64_t cell = i * layout->tax_ranks + r;
    const int32_t label = w->heldout->labels[cell];
    const int32_t classes = layout->first[r + 1] - layout->first[r];
    const float *z = w->heldout->logits + i * layout->first[layout->tax_ranks] + layout->first[r];
    if (label < 0)
        return DT_OK;
    int32_t best = 0;
    for (int32_t c = 1; c < classes; ++c)
        best = z[c] > z[best] ? c : best;
    double s0 = 0.0;
    double s1 = 0.0;
    double s2 = 0.0;
    for (int32_t c = 0; c < classes; ++c) {
        const double d = (double)z[c] - (double)z[best];
        const double e = exp(w->beta[r] * d);
        s0 += e;
        s1 += d * e;
        s2 += d * d * e;
    }
    if (!isfinite(s0) || !isfinite(s2))
        return dt_fail(DT_ERR_NUMERIC, "the model's output for a sequence is not finite: its "
                                       "parameters contain NaN or infinite values; use another "
                                       "checkpoint");
    const double mean = s1 / s0;
    const double truth = (double)z[label] - (double)z[best];
    sum->loss += log(s0) - w->beta[r] * truth;
    sum->slope += mean - truth;
    sum->curvature += s2 / s0 - mean * mean;
    if (w->confidence) {
        w->confidence[cell] = (float)(1.0 / s0);
        w->right[cell] = best == label;
    }
    return DT_OK;
}

static dt_status add_chunk(void *context, int64_t chunk, int worker)
{
    const walk *w = context;
    const int32_t tax_ranks = w->heldout->layout->tax_ranks;
    const int64_t begin = chunk * CHUNK;
    const int64_t end = begin + CHUNK < w->heldout->count ? begin + CHUNK : w->heldout->count;
    (void)worker;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        likelihood *sum = &w->part[chunk * tax_ranks + r];
        *sum = (likelihood){0};
        for (int64_t i = begin; w->wanted[r] && i < end; ++i)
            DT_TRY(add_sequence(w, sum, i, r));
    }
    return DT_OK;
}

static dt_status walk_over(likelihood *total, walk *w, dt_pool *pool)
{
    const int32_t tax_ranks = w->heldout->layout->tax_ranks;
    const int64_t chunks = (w->heldout->count + CHUNK - 1) / CHUNK;
    DT_TRY(dt_pool_run(pool, add_chunk, w, chunks));
    for (int32_t r = 0; r < tax_ranks; ++r) {
        total[r] = (likelihood){0};
        for (int64_t k = 0; k < chunks; ++k) {
            const likelihood *part = &w->part[k * tax_ranks + r];
            total[r].loss += part->loss;
            total[r].slope += part->slope;
            total[r].curvature += part->curvature;
        }
    }
    return DT_OK;
}

/* Makes a pass that also stores confidences; sets loss and calibration error at the current β. */
static dt_status measure(dt_rank_fit *out, walk *w, dt_pool *pool, bool after)
{
    const int32_t tax_ranks = w->heldout->layout->tax_ranks;
    likelihood total[DT_MAX_TAX_RANKS];
    DT_TRY(walk_over(total, w, pool));
    for (int32_t r = 0; r < tax_ranks; ++r) {
        dt_calibration calibration = {0};
        int64_t known = 0;
        int64_t right = 0;
        for (int64_t i = 0; i < w->heldout->count; ++i) {
            const int64_t cell = i * tax_ranks + r;
            if (w->heldout->labels[cell] < 0)
                continue;
            known++;
            right += w->right[cell];
            dt_calibration_add(&calibration, (double)w->confidence[cell], w->right[cell]);
        }
        const double error = dt_calibration_error(&calibration);
        const double loss = known ? total[r].loss / (double)known : (double)NAN;
        out[r].known = known;
        out[r].right = right;
        *(after ? &out[r].error_after : &out[r].error_before) = error;
        *(after ? &out[r].loss_after : &out[r].loss_before) = loss;
    }
    return DT_OK;
}

/* Bracket and current point of a tax_rank. */
typedef struct {
    double low, high, beta;
} search;

/* Makes one step of the search; returns true at the end. */
static bool step(search *s, const likelihood *at)
{
    if (at->slope > 0.0)
        s->high = s->beta;
    else
        s->low = s->beta;
    double next = s->beta - at->slope / at->curvature;
    if (!(next > s->low && next < s->high))
        next = sqrt(s->low * s->high);
    const bool over = fabs(next - s->beta) <= ENOUGH * s->beta;
    s->beta = next;
    return over;
}

static dt_status fit(double *beta, bool *wanted, walk *w, dt_pool *pool)
{
    const int32_t tax_ranks = w->heldout->layout->tax_ranks;
    search searches[DT_MAX_TAX_RANKS];
    likelihood total[DT_MAX_TAX_RANKS];
    int32_t left = 0;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        searches[r] = (search){
            .low = 1.0 / DT_MAX_TEMPERATURE, .high = 1.0 / DT_MIN_TEMPERATURE, .beta = 1.0};
        left += wanted[r];
    }
    for (int k = 0; k < MOST_STEPS && left; ++k) {
        DT_TRY(walk_over(total, w, pool));
        for (int32_t r = 0; r < tax_ranks; ++r) {
            if (!wanted[r])
                continue;
            if (step(&searches[r], &total[r])) {
                wanted[r] = false;
                left--;
            }
            beta[r] = searches[r].beta;
        }
    }
    return DT_OK;
}

/* A search that ends at a bound has not found a minimum. */
static dt_fit_outcome outcome_of(const dt_rank_fit *rank, double beta)
{
    if (!rank->known)
        return DT_FIT_NO_TRUTH;
    if (rank->right == rank->known)
        return DT_FIT_ALL_RIGHT;
    const bool inside = beta > 1.0001 / DT_MAX_TEMPERATURE && beta < 0.9999 / DT_MIN_TEMPERATURE;
    return inside ? DT_FIT_FOUND : DT_FIT_NO_MINIMUM;
}

static dt_status fit_and_measure(dt_rank_fit *out, walk *w, double *beta, bool *wanted,
                                 dt_pool *pool)
{
    const int32_t tax_ranks = w->heldout->layout->tax_ranks;
    float *const confidence = w->confidence;
    DT_TRY(measure(out, w, pool, false));
    for (int32_t r = 0; r < tax_ranks; ++r)
        wanted[r] = out[r].right < out[r].known;
    w->confidence = NULL;
    DT_TRY(fit(beta, wanted, w, pool));
    w->confidence = confidence;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        wanted[r] = true;
        out[r].outcome = outcome_of(&out[r], beta[r]);
        if (out[r].outcome != DT_FIT_FOUND)
            beta[r] = 1.0;
        out[r].temperature = 1.0 / beta[r];
    }
    return measure(out, w, pool, true);
}

dt_status dt_fit_temperatures(dt_rank_fit *out, const dt_heldout *heldout, dt_pool *pool)
{
    const int32_t tax_ranks = heldout->layout->tax_ranks;
    const size_t cells = (size_t)heldout->count * (size_t)tax_ranks;
    const size_t chunks = ((size_t)heldout->count + CHUNK - 1) / CHUNK;
    double beta[DT_MAX_TAX_RANKS];
    bool wanted[DT_MAX_TAX_RANKS];
    walk w = {.heldout = heldout, .beta = beta, .wanted = wanted};
    dt_status status;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        out[r] = (dt_rank_fit){0};
        beta[r] = 1.0;
        wanted[r] = true;
    }
    DT_TRY_OR(done, DT_NEW(w.part, chunks * (size_t)tax_ranks));
    DT_TRY_OR(done, DT_NEW(w.confidence, cells));
    DT_TRY_OR(done, DT_NEW(w.right, cells));
    status = fit_and_measure(out, &w, beta, wanted, pool);
done:
    free(w.part);
    free(w.confidence);
    free(w.right);
    return status;
}
