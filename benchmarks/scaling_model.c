/* What efficiency can be expected with 8 to 1,024 GPUs, and what limits it?
 *
 *     bench_scaling_model [--batch N] [--tokens N] [--rate TFLOPS] [--bandwidth GBS]
 *                         [--latency US] [--overhead US] [--gradient-bytes 4|2]
 *
 * A model, not a measurement: its inputs are the results of nccl-tests and bench_gpu_step on your
 * machine.
 *   --batch           sequences of one GPU a step (64), each of --tokens tokens (318)
 *   --rate            achieved rate of needed work on one GPU, TFLOP/s (400: the project's aim)
 *   --bandwidth       bus bandwidth of a large all-reduce over all GPUs, GB/s (100), as nccl-tests
 *                     counts it: an all-reduce of S bytes on N GPUs takes 2 (N-1)/N S / bandwidth
 *   --latency         time of one hop of a small message, microseconds (8); an all-reduce takes
 *                     2 log2(N) hops
 *   --overhead        what every step costs beside the work and the sum: starting it, and the
 *                     spread between the GPUs, microseconds (200)
 *
 * The step: the forward pass, then the backward pass range by range. The gradients of each range
 * (as reported by dt_model_backward(), in its order) are summed as soon as they are final, one
 * after another, concurrently with the rest of the backward pass; the update follows the last sum.
 * The GPUs wait for the time that the sums take beyond the backward pass.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/gpu/real_model.h"
#include "backend.h"
#include "model/model.h"
#include "model/work.h"

#define MAX_RANGES 64
#define MOST_RANKS 1024

typedef struct {
    double batch, tokens, rate, bandwidth, latency, overhead, gradient_bytes;
} options;

typedef struct {
    int count;
    double elements[MAX_RANGES];
    double seconds[MAX_RANGES]; /* work of the backward pass until the range is final */
} backward_profile;

static dt_status take_range(void *context, dt_gradient_range range)
{
    backward_profile *profile = context;
    if (profile->count == MAX_RANGES)
        return dt_fail(DT_ERR_INTERNAL, "more than %d ranges", MAX_RANGES);
    profile->elements[profile->count++] = (double)range.count;
    return DT_OK;
}

/* Lists the ranges as the model reports them: heads, CNN branch, the layers from last to first, the
 * embedding. The backward work of a range is twice its forward work. */
static dt_status make_profile(backward_profile *profile, const dt_model_config *config,
                              const options *o)
{
    dt_backend *backend;
    dt_model *model;
    DT_TRY(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    DT_TRY(dt_model_create(&model, config, backend, true));
    DT_TRY(dt_model_report_ranges(model, take_range, profile));
    dt_model_destroy(model);
    backend->ops->destroy(backend);
    if (profile->count != config->layers + 3)
        return dt_fail(DT_ERR_INTERNAL,
                       "the model reports %d ranges, not heads, CNN, %d layers "
                       "and embedding: this program must be updated",
                       profile->count, config->layers);
    const int64_t tokens = (int64_t)o->tokens;
    for (int i = 0; i < profile->count; ++i) {
        double work = 0.0;
        if (i == 0)
            work = dt_heads_work(config);
        else if (i == 1)
            work = dt_cnn_work(config, tokens);
        else if (i < profile->count - 1)
            work = dt_layer_work(config, tokens, i == 2);
        profile->seconds[i] = 2.0 * work * o->batch / (o->rate * 1e12);
    }
    return DT_OK;
}

typedef struct {
    double alone;    /* seconds of a step on a single GPU */
    double backward; /* of the backward pass */
    double sums;     /* of all all-reduces */
    double waiting;  /* of the sums, after the backward pass */
    double latency;  /* of the sums, for hops */
} step_time;

static step_time time_step(const backward_profile *profile, const dt_model_config *config,
                           const options *o, int ranks)
{
    step_time t = {0};
    double backward = 0.0;
    double free_at = 0.0; /* end of the preceding sum */
    for (int i = 0; i < profile->count; ++i) {
        const double bytes = profile->elements[i] * o->gradient_bytes;
        const double hops = 2.0 * log2(ranks) * o->latency * 1e-6;
        const double sum = hops + 2.0 * (ranks - 1) / ranks * bytes / (o->bandwidth * 1e9);
        backward += profile->seconds[i];
        free_at = (free_at > backward ? free_at : backward) + sum;
        t.sums += sum;
        t.latency += hops;
    }
    const double forward =
        dt_forward_work(config, (int64_t)o->tokens) * o->batch / (o->rate * 1e12);
    t.backward = backward;
    t.alone = forward + backward + o->overhead * 1e-6;
    t.waiting = free_at > backward ? free_at - backward : 0.0;
    return t;
}

static const char *limit(const step_time *t)
{
    if (t->waiting < 0.02 * t->alone)
        return "nothing: the backward pass hides the sums";
    if (t->latency > 0.5 * t->sums)
        return "latency: fewer, larger ranges or a larger batch would help";
    if (t->sums < t->backward)
        return "the last ranges: little work is left to hide them";
    return "bandwidth: the sums take longer than the backward pass";
}

static void print_table(const backward_profile *profile, const dt_model_config *config,
                        const options *o)
{
    double elements = 0.0;
    for (int i = 0; i < profile->count; ++i)
        elements += profile->elements[i];
    printf("A model: %.0f sequences of %.0f tokens on each GPU, %.0f TFLOP/s, %.0f GB/s, %.0f us a "
           "hop, %.0f us overhead, gradients %.0f MB\n\n",
           o->batch, o->tokens, o->rate, o->bandwidth, o->latency, o->overhead,
           elements * o->gradient_bytes * 1e-6);
    printf("%6s %10s %10s %10s %10s %12s  %s\n", "GPUs", "alone ms", "sums ms", "waiting ms",
           "efficiency", "sequences/s", "what limits");
    for (int ranks = 8; ranks <= MOST_RANKS; ranks *= 2) {
        const step_time t = time_step(profile, config, o, ranks);
        printf("%6d %10.2f %10.2f %10.2f %10.3f %12.0f  %s\n", ranks, t.alone * 1e3, t.sums * 1e3,
               t.waiting * 1e3, t.alone / (t.alone + t.waiting),
               ranks * o->batch / (t.alone + t.waiting), limit(&t));
    }
}

static int parse(options *o, int argc, char **argv)
{
    *o = (options){.batch = 64,
                   .tokens = 318,
                   .rate = 400,
                   .bandwidth = 100,
                   .latency = 8,
                   .overhead = 200,
                   .gradient_bytes = 4};
    const struct {
        const char *name;
        double *value;
    } known[] = {{"--batch", &o->batch},
                 {"--tokens", &o->tokens},
                 {"--rate", &o->rate},
                 {"--bandwidth", &o->bandwidth},
                 {"--latency", &o->latency},
                 {"--overhead", &o->overhead},
                 {"--gradient-bytes", &o->gradient_bytes}};
    const size_t count = sizeof known / sizeof *known;
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < count && strcmp(argv[i], known[k].name) != 0)
            k++;
        if (k == count || i + 1 == argc)
            return 0;
        *known[k].value = atof(argv[i + 1]);
    }
    return o->batch >= 1 && o->tokens >= 1 && o->rate > 0 && o->bandwidth > 0 && o->latency >= 0 &&
           o->overhead >= 0 && (o->gradient_bytes == 4 || o->gradient_bytes == 2);
}

int main(int argc, char **argv)
{
    options o;
    backward_profile profile = {0};
    const dt_model_config config = published_config();
    if (!parse(&o, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--batch N] [--tokens N] [--rate TFLOPS] [--bandwidth GBS] "
                "[--latency US] [--overhead US] [--gradient-bytes 4|2]\n",
                argv[0]);
        return 2;
    }
    const dt_status status = make_profile(&profile, &config, &o);
    if (status == DT_OK)
        print_table(&profile, &config, &o);
    else
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    return dt_exit_status(status);
}
