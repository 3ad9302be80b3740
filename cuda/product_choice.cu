/* The choice of cuBLASLt's algorithm for a matrix product.
 *
 * cuBLASLt's heuristics propose algorithms, in the order of their estimated time. The estimate is
 * often some percent off, so before a training the proposals are timed: choices_time() makes a
 * rehearsal of the operations in which the fastest one of every new product is noted. From then on
 * a product takes, in this order, the choice noted for it; the choice of the nearest product, which
 * differs in one size, by at most a quarter; the first proposal. This depends on the notes, the GPU
 * and the version of cuBLASLt alone, so that ranks with the same notes, and a resumed run, compute
 * the same bits.
 *
 * An algorithm may split the sum of a product into parts (split-K), which keeps all multiprocessors
 * busy when the result is small and the sum long, as in gradients of weights. Only algorithms that
 * store the parts as floats and add them in a separate step are taken: the result is deterministic,
 * and sums are float.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/product_plan.h"

extern "C" {
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
}

#define PROPOSALS 8        /* of the heuristics */
#define SPLITS 3           /* of the first proposal, timed in addition: 2, 4, 8 parts */
#define RUNS 5             /* of each proposal; the median counts */
#define MOST_SECONDS 3.0   /* of a rehearsal */
#define SHOWN_SECONDS 0.5  /* a rehearsal that takes longer is reported */
#define NEAREST 0.25       /* relative difference of sizes */

typedef struct {
    dt_product_key key;
    cublasLtMatmulAlgo_t algorithm;
} product_choice;

/* A note in text: these words, in hexadecimal. */
#define WORDS (sizeof(product_choice) / sizeof(uint64_t))
static_assert(sizeof(product_choice) == WORDS * sizeof(uint64_t), "whole words, without padding");

struct dt_product_choices {
    product_choice *note;
    size_t count, capacity;
    dt_text text;               /* result of choices_read() */
    cudaEvent_t event[RUNS + 1]; /* while choices are timed */
    bool timing;
    double began;
    int32_t timed; /* products with several proposals */
    double first, fastest; /* milliseconds of all of them: of the first and the fastest proposals */
};

dt_status dt_cuda_choices_open(dt_cuda *cuda)
{
    return DT_NEW(cuda->choices, 1);
}

static void destroy_events(dt_product_choices *choices)
{
    for (int i = 0; i <= RUNS; ++i) {
        if (choices->event[i])
            cudaEventDestroy(choices->event[i]);
        choices->event[i] = NULL;
    }
}

void dt_cuda_choices_close(dt_cuda *cuda)
{
    dt_product_choices *choices = cuda->choices;
    if (!choices)
        return;
    destroy_events(choices);
    dt_text_free(&choices->text);
    free(choices->note);
    free(choices);
    cuda->choices = NULL;
}

/* ---- notes ---------------------------------------------------------------------------------- */

static void note(dt_cuda *cuda, const dt_product_plan *plan)
{
    dt_product_choices *choices = cuda->choices;
    if (DT_GROW(choices->note, choices->capacity, choices->count + 1) != DT_OK)
        dt_cuda_fail(cuda, DT_ERR_MEMORY, "%s", dt_error_message());
    else
        choices->note[choices->count++] = product_choice{plan->key, plan->algorithm};
}

/* Returns the relative difference of two products: 0 for equal ones, infinity for those that differ
 * in more than one of m, n and k. */
static double distance(const dt_product_key *a, const dt_product_key *b)
{
    const int64_t of_a[] = {a->m, a->n, a->k};
    const int64_t of_b[] = {b->m, b->n, b->k};
    dt_product_key same = *b;
    double out = 0.0;
    int differences = 0;
    for (int i = 0; i < 3; ++i) {
        const double larger = (double)(of_a[i] > of_b[i] ? of_a[i] : of_b[i]);
        if (of_a[i] == of_b[i])
            continue;
        differences++;
        out = fabs((double)(of_a[i] - of_b[i])) / larger;
    }
    same.m = a->m;
    same.n = a->n;
    same.k = a->k;
    return differences > 1 || memcmp(&same, a, sizeof same) != 0 ? HUGE_VAL : out;
}

/* Returns the note of the product that is nearest to `key`, the first of equally near ones, or NULL
 * if none is as near as `most`. */
static const product_choice *nearest(const dt_product_choices *choices, const dt_product_key *key,
                                     double most)
{
    const product_choice *out = NULL;
    for (size_t i = 0; i < choices->count; ++i) {
        const double d = distance(&choices->note[i].key, key);
        if (d > most || (out && d == most))
            continue;
        out = &choices->note[i];
        most = d;
    }
    return out;
}

/* ---- proposals ------------------------------------------------------------------------------ */

static bool set_preference(dt_cuda *cuda, cublasLtMatmulPreference_t preference,
                           const dt_product_key *key)
{
    const uint64_t workspace = DT_CUDA_WORKSPACE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t attribute;
        uint32_t value;
    } limits[] = {
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, (uint32_t)key->align_b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, (uint32_t)key->align_a},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, (uint32_t)key->align_c},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, (uint32_t)key->align_c},
    };
    bool ok = dt_cuda_lt_ok(
        cuda,
        cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &workspace, sizeof workspace),
        "a workspace");
    for (size_t i = 0; ok && i < sizeof limits / sizeof *limits; ++i)
        ok = dt_cuda_lt_ok(cuda,
                           cublasLtMatmulPreferenceSetAttribute(preference, limits[i].attribute,
                                                                &limits[i].value,
                                                                sizeof limits[i].value),
                           "a limit of algorithms");
    return ok;
}

/* Returns whether an algorithm may be taken; see the head of the file. */
static bool acceptable(const cublasLtMatmulHeuristicResult_t *result,
                       const cublasLtMatmulAlgo_t *algorithm)
{
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
    size_t written;
    const bool known = cublasLtMatmulAlgoConfigGetAttribute(
                           algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof scheme,
                           &written) == CUBLAS_STATUS_SUCCESS;
    return result->state == CUBLAS_STATUS_SUCCESS && result->workspaceSize <= DT_CUDA_WORKSPACE &&
           (!known || scheme == CUBLASLT_REDUCTION_SCHEME_NONE ||
            scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
}

/* The same for an algorithm from elsewhere, which is first checked for this product and GPU. */
static bool usable(dt_cuda *cuda, const dt_product_plan *plan,
                   const cublasLtMatmulAlgo_t *algorithm)
{
    cublasLtMatmulHeuristicResult_t result;
    memset(&result, 0, sizeof result);
    return cublasLtMatmulAlgoCheck(cuda->cublas, plan->operation, plan->a, plan->b, plan->c,
                                   plan->c, algorithm, &result) == CUBLAS_STATUS_SUCCESS &&
           acceptable(&result, algorithm);
}

/* Sets *algorithm to `base` with the sum in `parts` parts; returns false if there is no such
 * algorithm. */
static bool split(dt_cuda *cuda, const dt_product_plan *plan, const cublasLtMatmulAlgo_t *base,
                  int32_t parts, cublasLtMatmulAlgo_t *algorithm)
{
    const uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    *algorithm = *base;
    return cublasLtMatmulAlgoConfigSetAttribute(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts,
                                                sizeof parts) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulAlgoConfigSetAttribute(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME,
                                                &scheme, sizeof scheme) == CUBLAS_STATUS_SUCCESS &&
           usable(cuda, plan, algorithm);
}

/* Gets up to `wanted` proposals of the heuristics. Returns their number; -1, with a sticky error, on
 * failure. */
static int ask(dt_cuda *cuda, const dt_product_plan *plan, int wanted, cublasLtMatmulAlgo_t *out)
{
    cublasLtMatmulHeuristicResult_t result[PROPOSALS];
    cublasLtMatmulPreference_t preference = NULL;
    int found = 0;
    int count = 0;
    if (!dt_cuda_lt_ok(cuda, cublasLtMatmulPreferenceCreate(&preference), "a preference"))
        return -1;
    bool ok = set_preference(cuda, preference, &plan->key);
    if (ok) {
        const cublasStatus_t status =
            cublasLtMatmulAlgoGetHeuristic(cuda->cublas, plan->operation, plan->a, plan->b, plan->c,
                                           plan->c, preference, wanted, result, &found);
        if (status == CUBLAS_STATUS_NOT_SUPPORTED)
            found = 0;
        else
            ok = dt_cuda_lt_ok(cuda, status, "the choice of an algorithm");
    }
    cublasLtMatmulPreferenceDestroy(preference);
    for (int i = 0; ok && i < found; ++i)
        if (acceptable(&result[i], &result[i].algo))
            out[count++] = result[i].algo;
    return ok ? count : -1;
}

/* The same, and in addition the first one with a split sum, if that is long. */
static int propose(dt_cuda *cuda, const dt_product_plan *plan,
                   cublasLtMatmulAlgo_t out[PROPOSALS + SPLITS])
{
    const dt_product_key *key = &plan->key;
    int count = ask(cuda, plan, PROPOSALS, out);
    for (int32_t parts = 2; count > 0 && key->k > key->m && key->k > key->n && parts <= 1 << SPLITS;
         parts *= 2)
        count += split(cuda, plan, &out[0], parts, &out[count]);
    return count;
}

/* ---- timing --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Returns the milliseconds of the product with the plan's algorithm: the median of some runs after a
 * first one, so that the GPU is busy while they are launched. Infinity if it does not run. */
static float time_of(dt_cuda *cuda, const dt_product_plan *plan, const dt_product *p)
{
    cudaEvent_t *event = cuda->choices->event;
    float milliseconds[RUNS];
    if (dt_cuda_product_launch(cuda, plan, p) != CUBLAS_STATUS_SUCCESS) {
        cudaGetLastError();
        return HUGE_VALF;
    }
    bool ok = true;
    for (int i = 0; ok && i <= RUNS; ++i) {
        ok = dt_cuda_ok(cuda, cudaEventRecord(event[i], cuda->stream), "timing a product");
        if (ok && i < RUNS)
            ok = dt_cuda_lt_ok(cuda, dt_cuda_product_launch(cuda, plan, p), "timing a product");
    }
    ok = ok && dt_cuda_ok(cuda, cudaEventSynchronize(event[RUNS]), "timing a product");
    for (int i = 0; ok && i < RUNS; ++i)
        ok = dt_cuda_ok(cuda, cudaEventElapsedTime(&milliseconds[i], event[i], event[i + 1]),
                        "timing a product");
    if (!ok)
        return HUGE_VALF;
    qsort(milliseconds, RUNS, sizeof *milliseconds, compare);
    return milliseconds[RUNS / 2];
}

/* Sets plan->algorithm to the fastest of `count` proposals. */
static void choose_fastest(dt_cuda *cuda, dt_product_plan *plan, const dt_product *p,
                           const cublasLtMatmulAlgo_t *proposal, int count)
{
    dt_product_choices *choices = cuda->choices;
    float first = HUGE_VALF;
    float fastest = HUGE_VALF;
    int chosen = 0;
    dt_cuda_ok(cuda, cudaDeviceSynchronize(), "waiting for its work"); /* of all streams */
    for (int i = 0; i < count && !cuda->error; ++i) {
        plan->algorithm = proposal[i];
        const float milliseconds = time_of(cuda, plan, p);
        if (i == 0)
            first = milliseconds;
        if (milliseconds < fastest) {
            fastest = milliseconds;
            chosen = i;
        }
    }
    plan->algorithm = proposal[chosen];
    if (cuda->error || first == HUGE_VALF)
        return;
    choices->timed++;
    choices->first += (double)first;
    choices->fastest += (double)fastest;
}

static bool time_is_up(const dt_product_choices *choices)
{
    return dt_seconds() - choices->began > MOST_SECONDS;
}

bool dt_cuda_rehearses(const dt_cuda *cuda)
{
    return cuda->choices->timing;
}

bool dt_cuda_rehearsed(const dt_cuda *cuda, bool known)
{
    return cuda->choices->timing && (known || time_is_up(cuda->choices));
}

/* ---- choosing ------------------------------------------------------------------------------- */

bool dt_cuda_choose(dt_cuda *cuda, dt_product_plan *plan, const dt_product *p)
{
    const dt_product_choices *choices = cuda->choices;
    const bool timed = choices->timing && !time_is_up(choices);
    const product_choice *noted = nearest(choices, &plan->key, choices->timing ? 0.0 : NEAREST);
    cublasLtMatmulAlgo_t proposal[PROPOSALS + SPLITS];
    if (noted && usable(cuda, plan, &noted->algorithm)) {
        plan->algorithm = noted->algorithm;
        return true;
    }
    const int count = timed ? propose(cuda, plan, proposal) : ask(cuda, plan, 1, proposal);
    plan->plain = count == 0;
    if (count <= 0)
        return count == 0;
    plan->algorithm = proposal[0];
    if (count > 1)
        choose_fastest(cuda, plan, p, proposal, count);
    if (timed)
        note(cuda, plan);
    return !cuda->error;
}

/* ---- the operations ------------------------------------------------------------------------- */

/* Makes plans and recorded steps anew, from the notes alone. */
static void begin_anew(dt_cuda *cuda)
{
    dt_cuda_plans_forget(cuda);
    dt_cuda_steps_forget(cuda);
}

static void report(const dt_product_choices *choices)
{
    const double seconds = dt_seconds() - choices->began;
    if (choices->timed > 0 && seconds >= SHOWN_SECONDS)
        dt_info("Matrix products: algorithms chosen for %zu shapes by timing, in %.1f s; their "
                "times add up to %.1f %% less than with cuBLASLt's first choices",
                choices->count, seconds, 100.0 * (1.0 - choices->fastest / choices->first));
}

/* The rehearsal leaves sums in the gradients and the pending losses. */
void dt_cuda_choices_time(dt_backend *backend, bool on)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    dt_product_choices *choices = cuda->choices;
    if (!dt_cuda_ready(cuda) || choices->timing == on)
        return;
    begin_anew(cuda);
    choices->timing = on;
    if (on) {
        choices->count = 0;
        choices->timed = 0;
        choices->first = choices->fastest = 0.0;
        choices->began = dt_seconds();
        for (int i = 0; i <= RUNS; ++i)
            dt_cuda_ok(cuda, cudaEventCreateWithFlags(&choices->event[i], cudaEventDefault),
                       "making an event");
        return;
    }
    destroy_events(choices);
    dt_cuda_gradients_zero(backend);
    dt_cuda_ok(cuda,
               cudaMemsetAsync(cuda->state->pending, 0, sizeof cuda->state->pending, cuda->stream),
               "clearing losses");
    report(choices);
}

/* Sets the text to its first line: what notes are valid for. */
static dt_status add_first_line(const dt_cuda *cuda, dt_text *text)
{
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, cuda->device) != cudaSuccess)
        return dt_fail(DT_ERR_DEVICE, "GPU %d does not respond", cuda->device);
    dt_text_clear(text);
    return dt_text_addf(text, "%s, %d multiprocessors, cuBLASLt %zu, %s\n", properties.name,
                        properties.multiProcessorCount, cublasLtGetVersion(),
                        cuda->half                                     ? "fp16"
                        : cuda->base.precision == DT_PRECISION_FP32 ? "fp32"
                                                                       : "bf16");
}

static dt_status add_notes(const dt_product_choices *choices, dt_text *text)
{
    uint64_t word[WORDS];
    for (size_t i = 0; i < choices->count; ++i) {
        memcpy(word, &choices->note[i], sizeof word);
        for (size_t w = 0; w < WORDS; ++w)
            DT_TRY(dt_text_addf(text, "%llx%c", (unsigned long long)word[w],
                                w + 1 < WORDS ? ' ' : '\n'));
    }
    return DT_OK;
}

const char *dt_cuda_choices_read(dt_backend *backend)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    dt_text *text = &cuda->choices->text;
    if (!dt_cuda_ready(cuda))
        return NULL;
    dt_status status = add_first_line(cuda, text);
    if (status == DT_OK)
        status = add_notes(cuda->choices, text);
    if (status != DT_OK)
        dt_cuda_fail(cuda, status, "%s", dt_error_message());
    return status == DT_OK ? text->data : NULL;
}

/* Reads one note; returns the rest of the text, or NULL if it is none. */
static const char *read_note(const char *line, product_choice *out)
{
    uint64_t word[WORDS];
    for (size_t w = 0; w < WORDS; ++w) {
        char *end;
        word[w] = strtoull(line, &end, 16);
        if (end == line || *end != (w + 1 < WORDS ? ' ' : '\n'))
            return NULL;
        line = end + 1;
    }
    memcpy(out, word, sizeof *out);
    return line;
}

bool dt_cuda_choices_write(dt_backend *backend, const char *text)
{
    dt_cuda *cuda = dt_cuda_of(backend);
    dt_product_choices *choices = cuda->choices;
    dt_product_plan plan = {};
    if (!dt_cuda_ready(cuda))
        return false;
    begin_anew(cuda);
    choices->count = 0;
    if (add_first_line(cuda, &choices->text) != DT_OK ||
        strncmp(text, choices->text.data, choices->text.length) != 0)
        return false;
    for (const char *line = text + choices->text.length; line && *line;) {
        product_choice one;
        line = read_note(line, &one);
        if (line) {
            plan.key = one.key;
            plan.algorithm = one.algorithm;
            note(cuda, &plan);
        } else {
            choices->count = 0;
            return false;
        }
    }
    return !cuda->error;
}
