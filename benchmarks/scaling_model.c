/* How should the batch be chosen on 1 to 1,024 GPUs, and what limits each choice?
 *
 *     bench_scaling_model --machine FILE --network FILE [--tokens LOW HIGH] [--gradient-bytes 4|2]
 *                         [--node-gpus N] [--table batch|traffic]
 *
 * A model, not a measurement. For three batches, 64 sequences in all, 64 on each GPU, and the most
 * that fit in the GPU's memory, it prints a table with the time of an epoch of Greengenes2's 221,868
 * training sequences, the efficiency (the time on one GPU, with one GPU's batch, divided by the
 * number of GPUs and the time on them) and what limits it if that is below 0.9.
 *   --machine         constants of the GPU and its node (machines/)
 *   --network         constants of the network between nodes (networks/)
 *   --tokens          lengths of the sequences (263 … 367: full-length 16S)
 *   --gradient-bytes  4, or 2 with --grad-dtype bf16
 *   --node-gpus       instead of the machine's
 *   --table traffic   instead, for 64 sequences on each GPU: the time of a step if only those rows of
 *                     the two embedding tables were summed that a step touches; if the tables' sums
 *                     cost nothing; with --shard-optimizer within a node, and over all GPUs
 *
 * The step: the kernels of a GPU's share, from the model of each (gpu_walk.h), as one micro-batch.
 * Meanwhile the gradients of each range, as reported by dt_model_backward() in its order, are summed
 * as soon as they are final, one after another; the update follows the last sum, for which the GPUs
 * wait. A sum of S bytes over n nodes of g GPUs takes the longer of 2 (g-1)/g · S / node_bus_gbs
 * inside the nodes and 2 (n-1)/n · S / (node_gbs · node_fraction) between them, plus 2 log2(g) and
 * 2 log2(n) hops. The spread between GPUs, the input and evaluation are not counted. An all-gather of
 * the parameters, which nothing hides, takes half as long as their sum; each GPU updates its share and
 * rounds all parameters to the format of activations.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/gpu/real_model.h"
#include "backend.h"
#include "gpu_shape.h"
#include "gpu_walk.h"
#include "model/model.h"
#include "model/work.h"

#define MAX_RANGES 64
#define MOST_GPUS 1024
#define EPOCH_SEQUENCES 221868.0
#define TUTORIAL_BATCH 64
#define SHARE_OF_MEMORY 0.9 /* as model/fit.c */
#define GOOD 0.9            /* from here on, nothing limits */
#define CNN_RANGE 1 /* the range with the CNN's embedding table; the last has the encoder's */

typedef struct {
    const char *machine, *network;
    int low, high; /* tokens */
    double gradient_bytes;
    double node_gpus; /* 0: the machine's */
    bool traffic;
} options;

typedef struct {
    options o;
    dt_model_config config;
    dt_gpu gpu;
    dt_network network;
    int ranges;
    double bytes[MAX_RANGES]; /* gradients of each range */
    double share[MAX_RANGES]; /* of the backward pass, until the range is final */
    double rows;              /* share of the rows of the embedding tables that is summed */
    double trained;           /* parameters */
    int most;                 /* sequences that fit in the memory */
} model;

/* ---- the model's ranges and memory ------------------------------------------------------------- */

static dt_status take_range(void *context, dt_gradient_range range)
{
    model *m = context;
    if (m->ranges == MAX_RANGES)
        return dt_fail(DT_ERR_INTERNAL, "more than %d ranges", MAX_RANGES);
    m->bytes[m->ranges++] = (double)range.count * m->o.gradient_bytes;
    m->trained += (double)range.count;
    return DT_OK;
}

/* The ranges are heads, CNN branch, the layers from last to first, the embedding; each has its part
 * of the work. */
static dt_status share_backward(model *m)
{
    const int64_t tokens = (m->o.low + m->o.high) / 2;
    const double all = dt_forward_work(&m->config, tokens);
    if (m->ranges != m->config.layers + 3)
        return dt_fail(DT_ERR_INTERNAL,
                       "the model reports %d ranges, not heads, CNN, %d layers and embedding: this "
                       "program must be updated",
                       m->ranges, m->config.layers);
    m->share[0] = dt_heads_work(&m->config) / all;
    m->share[1] = dt_cnn_work(&m->config, tokens) / all;
    for (int i = 2; i < m->ranges - 1; ++i)
        m->share[i] = dt_layer_work(&m->config, tokens, i == 2) / all;
    return DT_OK;
}

/* Vectors as on the CPU and a copy of the parameters in bf16; buffers of activations in bf16, half
 * of those on the CPU. */
static void fit(model *m, const dt_model *on_cpu)
{
    const double vectors =
        (double)dt_model_vector_bytes(on_cpu) + 2.0 * (double)dt_model_params(on_cpu)->parameters;
    const double room = SHARE_OF_MEMORY * m->gpu.memory_gb * 1e9 - vectors;
    while (0.5 * (double)dt_model_buffer_bytes(on_cpu, m->most + TUTORIAL_BATCH,
                                               (int64_t)(m->most + TUTORIAL_BATCH) * m->o.high) <
           room)
        m->most += TUTORIAL_BATCH;
}

static dt_status read_model(model *m)
{
    dt_backend *backend;
    dt_model *on_cpu;
    DT_TRY(dt_backend_open("cpu", &(dt_backend_options){.threads = 1}, &backend));
    DT_TRY(dt_model_create(&on_cpu, &m->config, backend, true));
    DT_TRY(dt_model_report_ranges(on_cpu, take_range, m));
    fit(m, on_cpu);
    dt_model_destroy(on_cpu);
    backend->ops->destroy(backend);
    return share_backward(m);
}

/* ---- a step ------------------------------------------------------------------------------------ */

typedef struct {
    double computing;                /* seconds of the kernels */
    double adamw;                    /* of these, of AdamW */
    double waiting;                  /* for the sums, after the backward pass */
    double inside, between, latency; /* of the sums: in the nodes, between them, for hops */
} step_time;

static double add_sum(step_time *t, const model *m, double bytes, int gpus)
{
    const double local = fmin(gpus, m->gpu.node_gpus);
    const double nodes = ceil(gpus / m->gpu.node_gpus);
    const double rate = m->network.node_gbs * m->network.node_fraction;
    const double inside = 2.0 * (local - 1.0) / local * bytes / (m->gpu.node_bus_gbs * 1e9);
    const double between = 2.0 * (nodes - 1.0) / nodes * bytes / (rate * 1e9);
    const double latency =
        2e-6 * (log2(local) * m->gpu.node_hop_us + log2(nodes) * m->network.hop_us);
    t->inside += inside;
    t->between += between;
    t->latency += latency;
    return fmax(inside, between) + latency;
}

/* Bytes of a range that are summed. */
static double summed_bytes(const model *m, int range)
{
    const double table = (double)m->config.vocabulary * m->o.gradient_bytes *
                         (range == CNN_RANGE       ? m->config.embed_dim
                          : range == m->ranges - 1 ? m->config.hidden
                                                   : 0);
    return m->bytes[range] - (1.0 - m->rows) * table;
}

static dt_status time_step(step_time *t, const model *m, int sequences, int gpus)
{
    static dt_gpu_walk walk;
    dt_gpu_shape shape;
    double update = 0.0;
    const dt_gpu_batch batch = {.sequences = sequences, .low = m->o.low, .high = m->o.high};
    DT_TRY(dt_gpu_shape_make(&shape, &m->config, &batch));
    DT_TRY(dt_gpu_walk_step(&walk, &m->gpu, &shape));
    *t = (step_time){.computing = dt_gpu_walk_sum(&walk).expected};
    for (int i = 0; i < walk.count; ++i)
        if (strcmp(walk.line[i].kernel->name, "adamw_kernel") == 0)
            t->adamw += walk.line[i].expected;
    for (int i = 0; i < walk.count; ++i)
        update += walk.line[i].group == DT_GPU_UPDATE ? walk.line[i].expected : 0.0;
    const double backward = 2.0 / 3.0 * (t->computing - update);
    double now = 0.0;     /* of the backward pass */
    double free_at = 0.0; /* end of the preceding sum */
    for (int i = 0; i < m->ranges && gpus > 1; ++i) {
        now += m->share[i] * backward;
        free_at = fmax(free_at, now) + add_sum(t, m, summed_bytes(m, i), gpus);
    }
    t->waiting = fmax(0.0, free_at - backward);
    return DT_OK;
}

/* ---- the tables -------------------------------------------------------------------------------- */

typedef enum { IN_ALL, ON_EACH, LARGEST, CHOICES } choice;

/* Sequences of a GPU; 0: fewer sequences than GPUs. No batch exceeds the epoch. */
static int share_of(const model *m, choice c, int gpus)
{
    const int epoch = (int)ceil(EPOCH_SEQUENCES / gpus);
    if (c == IN_ALL)
        return TUTORIAL_BATCH / gpus;
    const int share = c == ON_EACH ? TUTORIAL_BATCH : m->most;
    return share < epoch ? share : epoch;
}

/* one: seconds of a sequence on one GPU. */
static const char *limit(const step_time *t, int share, double one, double efficiency)
{
    const double starving = t->computing - share * one;
    if (efficiency >= GOOD)
        return "computing";
    if (starving > t->waiting)
        return "kernels and the update: too few sequences";
    if (t->latency > fmax(t->inside, t->between))
        return "latency of the sums";
    return t->between > t->inside ? "sums between nodes" : "sums inside a node";
}

static dt_status print_row(const model *m, choice c, int gpus, double *one)
{
    step_time t;
    const int share = share_of(m, c, gpus);
    if (share == 0) {
        printf("| %d | fewer sequences than GPUs | | | | | |\n", gpus);
        return DT_OK;
    }
    DT_TRY(time_step(&t, m, share, gpus));
    const double step = t.computing + t.waiting;
    const double batch = (double)share * gpus;
    if (gpus == 1)
        *one = step / share;
    const double efficiency = *one * share / step;
    printf("| %d | %d | %.0f | %.2f | %.2f | %.2f | %s |\n", gpus, share,
           ceil(EPOCH_SEQUENCES / batch), step * 1e3, EPOCH_SEQUENCES / batch * step, efficiency,
           limit(&t, share, *one, efficiency));
    return DT_OK;
}

static dt_status print_table(const model *m, choice c)
{
    static const char *const title[CHOICES] = {
        "%d sequences in all", "%d sequences on each GPU",
        "the most that fit on each GPU: %d sequences, at most the epoch"};
    double one = 0.0;
    printf("\nModelled: ");
    printf(title[c], c == LARGEST ? m->most : TUTORIAL_BATCH);
    printf("\n\n| GPUs | sequences a GPU | steps | step, ms | epoch, s | efficiency | limit |\n"
           "| --- | --- | --- | --- | --- | --- | --- |\n");
    for (int gpus = 1; gpus <= MOST_GPUS; gpus *= 2)
        DT_TRY(print_row(m, c, gpus, &one));
    return DT_OK;
}

/* ---- what else could be sent ------------------------------------------------------------------- */

/* Returns the share of the rows of an embedding table that a batch touches: distinct token ids in
 * random batches of 4,145 16S type strains, as the published tokenizer divides them. */
static double rows_touched(double sequences)
{
    static const double ids[] = {692.8,  927.3,  1246.2, 1605.4, 2002.0,
                                 2421.4, 2831.2, 3195.1, 3474.5, 3687.2}; /* of 8, 16, ... 4,096 */
    const double at = fmin(fmax(log2(sequences / 8.0), 0.0), 9.0);
    const int i = (int)fmin(at, 8.0);
    return (ids[i] + (at - i) * (ids[i + 1] - ids[i])) / 4096.0;
}

/* Returns the change of a step if `parts` GPUs share the moments. */
static double sharing(const model *m, const step_time *t, int parts)
{
    step_time sum = {0};
    const double memory = m->gpu.bandwidth_gbs * 1e9 * m->gpu.bandwidth_fraction;
    const double rounding = 6.0 * m->trained / memory;
    const double gather = 0.5 * add_sum(&sum, m, 4.0 * m->trained, parts);
    return parts == 1 ? 0.0 : gather + rounding - t->adamw * (1.0 - 1.0 / parts);
}

static dt_status print_traffic_row(model *m, int gpus)
{
    step_time t[3];
    double step[3];
    const double rows[3] = {1.0, rows_touched((double)TUTORIAL_BATCH * gpus), 0.0};
    for (int i = 0; i < 3; ++i) {
        m->rows = rows[i];
        DT_TRY(time_step(&t[i], m, TUTORIAL_BATCH, gpus));
        step[i] = t[i].computing + t[i].waiting;
    }
    const double in_node = sharing(m, &t[0], (int)fmin(gpus, m->gpu.node_gpus));
    const double of_all = sharing(m, &t[0], gpus);
    printf("| %d | %.3f | %.3f | %.2f | %+.2f %% | %+.2f %% | %+.2f %% | %+.2f %% |\n", gpus,
           step[0] * 1e3, t[0].waiting * 1e3, rows[1], 100.0 * (step[1] / step[0] - 1.0),
           100.0 * (step[2] / step[0] - 1.0), 100.0 * in_node / step[0], 100.0 * of_all / step[0]);
    return DT_OK;
}

static dt_status print_traffic(model *m)
{
    printf("\nModelled: %d sequences on each GPU; changes of a step\n\n"
           "| GPUs | step, ms | waiting for sums, ms | rows touched | only their sums | no sums of "
           "the tables | moments shared in a node | by all |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
           TUTORIAL_BATCH);
    for (int gpus = 2; gpus <= MOST_GPUS; gpus *= 2)
        DT_TRY(print_traffic_row(m, gpus));
    return DT_OK;
}

static dt_status run(model *m)
{
    double gradients = 0.0;
    m->rows = 1.0;
    DT_TRY(dt_gpu_read(&m->gpu, m->o.machine));
    if (m->o.node_gpus > 0)
        m->gpu.node_gpus = m->o.node_gpus;
    DT_TRY(dt_network_read(&m->network, m->o.network));
    DT_TRY(read_model(m));
    for (int i = 0; i < m->ranges; ++i)
        gradients += m->bytes[i];
    printf(
        "Modelled, not measured: %s, %.0f a node, %s; default model, %d to %d tokens, %.0f MB of "
        "gradients\n",
        m->gpu.name, m->gpu.node_gpus, m->network.name, m->o.low, m->o.high, gradients * 1e-6);
    if (m->o.traffic)
        return print_traffic(m);
    for (choice c = 0; c < CHOICES; ++c)
        DT_TRY(print_table(m, c));
    return DT_OK;
}

static bool parse(options *o, int argc, char **argv)
{
    *o = (options){.low = 263, .high = 367, .gradient_bytes = 4};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--machine") == 0) {
            o->machine = value;
        } else if (strcmp(argv[i], "--network") == 0) {
            o->network = value;
        } else if (strcmp(argv[i], "--gradient-bytes") == 0) {
            o->gradient_bytes = atof(value);
        } else if (strcmp(argv[i], "--node-gpus") == 0 && atof(value) >= 1) {
            o->node_gpus = atof(value);
        } else if (strcmp(argv[i], "--table") == 0 &&
                   (strcmp(value, "batch") == 0 || strcmp(value, "traffic") == 0)) {
            o->traffic = *value == 't';
        } else if (strcmp(argv[i], "--tokens") == 0 && i + 2 < argc) {
            o->low = atoi(value);
            o->high = atoi(argv[++i + 1]);
        } else {
            return false;
        }
    }
    return o->machine && o->network && o->low > 2 && o->low <= o->high && o->high <= 512 &&
           (o->gradient_bytes == 4 || o->gradient_bytes == 2);
}

int main(int argc, char **argv)
{
    static model m;
    m.config = published_config();
    if (!parse(&m.o, argc, argv)) {
        fprintf(stderr,
                "usage: %s --machine FILE --network FILE [--tokens LOW HIGH] "
                "[--gradient-bytes 4|2] [--node-gpus N] [--table batch|traffic]\n",
                argv[0]);
        return 2;
    }
    const dt_status status = run(&m);
    if (status != DT_OK)
        fprintf(stderr, "%s: %s\n", argv[0], dt_error_message());
    return dt_exit_status(status);
}
