#include "predict/neighbour_fit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "eval/metrics.h"
#include "layers.h"

#define CHUNK 64 /* sequences of a task */
#define ROUNDS 8
#define ENOUGH 1e-4 /* gain of a round, in nats */
#define COLDEST 0.25
#define HOTTEST 16.0

static const int32_t numbers[] = {1, 2, 5, 10, 20, 50, DT_FIT_NEIGHBOURS};
static const double exponents[] = {0, 10, 20, 30, 50, 75, 100, 150};
enum { NUMBERS = sizeof numbers / sizeof *numbers };
enum { EXPONENTS = sizeof exponents / sizeof *exponents };

/* Working memory of one thread. */
typedef struct {
    dt_decision_memory decision;
    dt_neighbour *found;  /* (DT_FIT_NEIGHBOURS) */
    dt_leaf_share *share; /* likewise */
} worker_memory;

typedef struct {
    const dt_neighbour_heldout *heldout;
    dt_pool *pool;
    worker_memory *memory; /* (threads) */
    float *network;        /* (count, tax_ranks) the network's probability of the true class */
    float *votes;          /* (count, tax_ranks) the share of the vote for the true class */

    /* of the pass that is made */
    dt_run_neighbours use;
    double temperature[DT_MAX_TAX_RANKS];
    dt_decision decision;
    dt_prediction *prediction; /* (count, tax_ranks); NULL: not kept */
} fit;

/* ---- passes over the sequences --------------------------------------------------------------- */

static int32_t tax_ranks_of(const fit *f)
{
    return f->heldout->decision.layout->tax_ranks;
}

/* Copies the k nearest of sequence i to out, and returns how many references these are. */
static int32_t take_nearest(const dt_neighbour_heldout *heldout, int64_t i, int32_t k,
                            dt_neighbour *out)
{
    int32_t count = 0;
    for (int64_t n = heldout->first[i]; n < heldout->first[i + 1] && k > 0; ++n) {
        out[count] = heldout->found[n];
        if (out[count].copies > k)
            out[count].copies = k;
        k -= out[count++].copies;
    }
    return count;
}

static dt_vote vote_of(const fit *f, const worker_memory *memory, int64_t i)
{
    const int32_t count = take_nearest(f->heldout, i, f->use.count, memory->found);
    return dt_neighbour_vote(memory->share, memory->found, count, f->heldout->references,
                             f->use.exponent);
}

typedef void (*pass_work)(fit *f, const worker_memory *memory, int64_t i);

typedef struct {
    fit *f;
    pass_work work;
} pass;

static dt_status run_chunk(void *context, int64_t chunk, int worker)
{
    const pass *p = context;
    const int64_t begin = chunk * CHUNK;
    const int64_t end = begin + CHUNK < p->f->heldout->count ? begin + CHUNK : p->f->heldout->count;
    for (int64_t i = begin; i < end; ++i)
        p->work(p->f, &p->f->memory[worker], i);
    return DT_OK;
}

static dt_status run_pass(fit *f, pass_work work)
{
    return dt_pool_run(f->pool, run_chunk, &(pass){f, work},
                       (f->heldout->count + CHUNK - 1) / CHUNK);
}

/* Sets the decision of a pass: the temperatures of the ranks times that of the lineages. */
static void set_decision(fit *f, const dt_run_neighbours *use)
{
    const double *given = f->heldout->decision.temperature[0];
    f->use = *use;
    f->decision = f->heldout->decision;
    for (int32_t r = 0; r < tax_ranks_of(f); ++r)
        f->temperature[r] = use->temperature * (given ? given[r] : 1.0);
    f->decision.temperature[0] = f->temperature;
    f->decision.neighbour_weight = use->weight;
}

/* Predicts sequence i; `vote` may be NULL. */
static void predict(const fit *f, const worker_memory *memory, int64_t i, const dt_vote *vote,
                    dt_prediction *prediction)
{
    const dt_class_layout *layout = f->decision.layout;
    const void *logits = f->heldout->logits + i * layout->first[layout->tax_ranks];
    memset(prediction, 0, (size_t)layout->tax_ranks * sizeof *prediction);
    dt_decide(prediction, NULL, &f->decision, &memory->decision, &logits, vote,
              f->heldout->labels + i * layout->tax_ranks);
}

static void ask_network(fit *f, const worker_memory *memory, int64_t i)
{
    dt_prediction prediction[DT_MAX_TAX_RANKS];
    predict(f, memory, i, NULL, prediction);
    for (int32_t r = 0; r < tax_ranks_of(f); ++r)
        f->network[i * tax_ranks_of(f) + r] = expf(-prediction[r].loss);
}

static void ask_neighbours(fit *f, const worker_memory *memory, int64_t i)
{
    const dt_lineage_tree *tree = f->heldout->decision.lineages;
    const int32_t last = tree->tax_ranks - 1;
    const int32_t *labels = f->heldout->labels + i * tree->tax_ranks;
    float *votes = f->votes + i * tree->tax_ranks;
    const dt_vote vote = vote_of(f, memory, i);
    for (int32_t r = 0; r <= last; ++r)
        votes[r] = vote.count ? 0.0f : -1.0f;
    for (int32_t v = 0; v < vote.count; ++v) {
        int32_t node = tree->first[last] + vote.share[v].leaf;
        for (int32_t r = last; r >= 0; --r, node = tree->parent[node])
            if (tree->label[node] == labels[r])
                votes[r] += (float)vote.share[v].share;
    }
}

static void predict_both(fit *f, const worker_memory *memory, int64_t i)
{
    const dt_vote vote = f->use.weight > 0.0 ? vote_of(f, memory, i) : (dt_vote){0};
    predict(f, memory, i, &vote, f->prediction + i * tax_ranks_of(f));
}

/* ---- the loss -------------------------------------------------------------------------------- */

/* Sets *slope to the derivative of the mean loss with respect to the weight, and returns the loss.
 * A sequence without neighbours has no vote. */
static double loss_at(const fit *f, double weight, double *slope)
{
    const int64_t cells = f->heldout->count * tax_ranks_of(f);
    double loss = 0.0;
    double sum = 0.0;
    int64_t known = 0;
    for (int64_t c = 0; c < cells; ++c) {
        if (f->heldout->labels[c] < 0)
            continue;
        const double network = (double)f->network[c];
        const double gain = f->votes[c] < 0.0f ? 0.0 : (double)f->votes[c] - network;
        const double mixed = network + weight * gain;
        const double probability = mixed > (double)FLT_MIN ? mixed : (double)FLT_MIN;
        loss -= log(probability);
        sum -= gain / probability;
        known++;
    }
    *slope = sum;
    return loss / (double)known;
}

/* Sets the best weight for the votes and returns its loss. */
static double best_weight(const fit *f, double *weight)
{
    double low = 0.0;
    double high = 1.0;
    double slope;
    for (int k = 0; k < 20; ++k) {
        const double middle = 0.5 * (low + high);
        loss_at(f, middle, &slope);
        if (slope > 0.0)
            high = middle;
        else
            low = middle;
    }
    *weight = low;
    return loss_at(f, low, &slope);
}

/* ---- the search ------------------------------------------------------------------------------ */

static dt_status loss_of_temperature(fit *f, dt_run_neighbours *use, double temperature,
                                     double *loss)
{
    double slope;
    use->temperature = temperature;
    set_decision(f, use);
    DT_TRY(run_pass(f, ask_network));
    *loss = loss_at(f, use->weight, &slope);
    return DT_OK;
}

/* Sets the best temperature, at the weight and the votes that there are, 1 where colder is always
 * better; sets *loss to its loss. */
static dt_status best_temperature(fit *f, dt_run_neighbours *use, double *loss)
{
    const double golden = 0.5 * (sqrt(5.0) - 1.0);
    double low = log(COLDEST);
    double high = log(HOTTEST);
    double a = high - golden * (high - low);
    double b = low + golden * (high - low);
    double at_a;
    double at_b;
    DT_TRY(loss_of_temperature(f, use, exp(a), &at_a));
    DT_TRY(loss_of_temperature(f, use, exp(b), &at_b));
    while (high - low > 0.02) {
        if (at_a <= at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - golden * (high - low);
            DT_TRY(loss_of_temperature(f, use, exp(a), &at_a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + golden * (high - low);
            DT_TRY(loss_of_temperature(f, use, exp(b), &at_b));
        }
    }
    const double best = exp(0.5 * (low + high));
    return loss_of_temperature(f, use, best < COLDEST * 1.02 ? 1.0 : best, loss);
}

/* Sets the best number and exponent with their weight, at the temperature of f->network. */
static dt_status best_vote(fit *f, dt_run_neighbours *use, double *loss)
{
    dt_run_neighbours best = *use;
    *loss = HUGE_VAL;
    for (int n = 0; n < NUMBERS; ++n)
        for (int e = 0; e < EXPONENTS; ++e) {
            dt_run_neighbours one = *use;
            if (n == 0 && e > 0)
                continue; /* a single neighbour has the whole vote */
            one.count = numbers[n];
            one.exponent = exponents[e];
            set_decision(f, &one);
            DT_TRY(run_pass(f, ask_neighbours));
            const double at = best_weight(f, &one.weight);
            if (at < *loss) {
                *loss = at;
                best = one;
            }
        }
    *use = best;
    set_decision(f, use);
    return run_pass(f, ask_neighbours);
}

/* Sets the best temperature without votes. */
static dt_status fit_alone(fit *f, dt_run_neighbours *use, double *loss)
{
    const int64_t cells = f->heldout->count * tax_ranks_of(f);
    for (int64_t c = 0; c < cells; ++c)
        f->votes[c] = -1.0f;
    return best_temperature(f, use, loss);
}

static dt_status search(fit *f, dt_run_neighbours *use)
{
    double loss;
    DT_TRY(loss_of_temperature(f, use, use->temperature, &loss));
    for (int round = 0; round < ROUNDS; ++round) {
        const double before = loss;
        DT_TRY(best_vote(f, use, &loss));
        DT_TRY(best_temperature(f, use, &loss));
        if (before - loss < ENOUGH)
            break;
    }
    return DT_OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void free_fit(fit *f)
{
    for (int t = 0; f->memory && t < dt_pool_threads(f->pool); ++t) {
        dt_decision_memory_free(&f->memory[t].decision);
        free(f->memory[t].found);
        free(f->memory[t].share);
    }
    free(f->memory);
    free(f->network);
    free(f->votes);
    free(f->prediction);
}

static dt_status create_fit(fit *f, bool searches)
{
    const int threads = dt_pool_threads(f->pool);
    const size_t cells = (size_t)f->heldout->count * (size_t)tax_ranks_of(f);
    DT_TRY(DT_NEW(f->memory, (size_t)threads));
    for (int t = 0; t < threads; ++t) {
        DT_TRY(dt_decision_memory_create(&f->memory[t].decision, &f->heldout->decision));
        DT_TRY(DT_NEW(f->memory[t].found, DT_FIT_NEIGHBOURS));
        DT_TRY(DT_NEW(f->memory[t].share, DT_FIT_NEIGHBOURS));
    }
    if (!searches)
        return DT_NEW(f->prediction, cells);
    DT_TRY(DT_NEW(f->network, cells));
    return DT_NEW(f->votes, cells);
}

static int64_t count_known(const dt_neighbour_heldout *heldout)
{
    const int32_t ranks = heldout->decision.layout->tax_ranks;
    int64_t known = 0;
    for (int64_t i = 0; i < heldout->count; ++i) {
        bool any = false;
        for (int32_t r = 0; r < ranks; ++r)
            any = any || heldout->labels[i * ranks + r] >= 0;
        known += any;
    }
    return known;
}

dt_status dt_fit_lineages(double *temperature, const dt_neighbour_heldout *heldout, dt_pool *pool)
{
    fit f = {.heldout = heldout, .pool = pool};
    dt_run_neighbours use = {.temperature = 1.0};
    double loss;
    *temperature = 1.0;
    if (count_known(heldout) < DT_FIT_ENOUGH)
        return DT_OK;
    dt_status status = create_fit(&f, true);
    if (status == DT_OK)
        status = fit_alone(&f, &use, &loss);
    free_fit(&f);
    *temperature = use.temperature;
    return status;
}

dt_status dt_fit_neighbours(dt_run_neighbours *out, const dt_neighbour_heldout *heldout,
                            double temperature, dt_pool *pool)
{
    fit f = {.heldout = heldout, .pool = pool};
    *out = (dt_run_neighbours){0};
    if (count_known(heldout) < DT_FIT_ENOUGH)
        return DT_OK;
    out->temperature = temperature;
    dt_status status = create_fit(&f, true);
    if (status == DT_OK)
        status = search(&f, out);
    free_fit(&f);
    return status;
}

/* ---- quality --------------------------------------------------------------------------------- */

static dt_rank_quality quality_of(const fit *f, int32_t r)
{
    const int32_t ranks = tax_ranks_of(f);
    dt_calibration calibration = {0};
    dt_rank_quality out = {0};
    for (int64_t i = 0; i < f->heldout->count; ++i) {
        const int32_t label = f->heldout->labels[i * ranks + r];
        const dt_prediction *prediction = &f->prediction[i * ranks + r];
        if (label < 0)
            continue;
        out.known++;
        out.right += prediction->label == label;
        out.loss += (double)prediction->loss;
        dt_calibration_add(&calibration, (double)prediction->confidence,
                           prediction->label == label);
    }
    out.loss /= (double)out.known;
    out.error = dt_calibration_error(&calibration);
    return out;
}

dt_status dt_neighbour_quality(dt_rank_quality *out, const dt_neighbour_heldout *heldout,
                               const dt_run_neighbours *use, dt_pool *pool)
{
    fit f = {.heldout = heldout, .pool = pool};
    dt_status status = create_fit(&f, false);
    if (status == DT_OK) {
        set_decision(&f, use);
        status = run_pass(&f, predict_both);
    }
    for (int32_t r = 0; status == DT_OK && r < tax_ranks_of(&f); ++r)
        out[r] = quality_of(&f, r);
    free_fit(&f);
    return status;
}
