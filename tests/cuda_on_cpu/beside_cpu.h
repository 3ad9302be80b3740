/* Compares operations of the CUDA backend with those of the CPU backend, using only the function
 * table.
 *
 * A test is a function that calls operations of a backend and records their outputs:
 *
 *     void *x = input(r, rows, columns);               random, exact in the tested precision
 *     void *y = output(r, rows, columns);              starts as NaN
 *     backend->ops->linear_forward(...);
 *     record(r, "y", y, rows, columns);
 *
 * beside_cpu() runs it on "cpu" and on the tested device (tested_device.h) in fp32, bf16 and fp16
 * and compares all records: the largest difference relative to the largest element, and ‖a − b‖ /
 * ‖b‖, within bounds that follow from the precision. It runs the test twice on the device and
 * requires identical bits.
 *
 * Inputs and parameters are rounded to the tested precision on both, so that only the operation
 * itself is compared. Token matrices have batch->size.rows rows: extra rows start as random numbers
 * in forward inputs and as zero in gradients, and must end as finite numbers.
 */
#ifndef DT_TESTS_BESIDE_CPU_H
#define DT_TESTS_BESIDE_CPU_H

#include "backend.h"
#include "core/bf16.h"
#include "core/philox.h"
#include "test.h"
#include "tested_device.h"

#define MAX_RECORDS 32
#define MAX_MEMORY 64

typedef struct {
    const char *name;
    int64_t count;
    double *value;
    double slack;   /* factor for the bounds */
    bool statistic; /* kept in float by every backend */
} test_record;

typedef struct test_run test_run;
struct test_run {
    dt_backend *backend;
    dt_precision precision; /* the tested precision, also for the CPU run */
    const dt_device_batch *batch;
    const test_run *cpu; /* NULL on the CPU itself */
    const void *shape;   /* parameters of the test */
    int records, memories;
    uint32_t stream;
    test_record record[MAX_RECORDS];
    void *memory[MAX_MEMORY];
};

/* ---- numbers -------------------------------------------------------------------------------- */

static inline uint16_t to_fp16(float x)
{
    const _Float16 half = (_Float16)x;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

static inline float from_fp16(uint16_t x)
{
    _Float16 half;
    memcpy(&half, &x, sizeof half);
    return (float)half;
}

static inline float rounded(float x, dt_precision precision)
{
    return precision == DT_PRECISION_BF16   ? dt_bf16_value(dt_bf16_of(x))
           : precision == DT_PRECISION_FP16 ? from_fp16(to_fp16(x))
                                            : x;
}

/* Returns number i of a stream, uniform in [-1, 1). */
static inline float random_number(uint32_t stream, int64_t i)
{
    uint32_t draw[4];
    dt_philox(77, stream, (uint32_t)i, 0, 0, 0, draw);
    return (float)(draw[0] / 2147483648.0 - 1.0);
}

/* ---- memory of a backend -------------------------------------------------------------------- */

/* Returns `bytes` of memory, freed by end_run(). */
static inline void *memory_of(test_run *r, int64_t bytes)
{
    void *out;
    assert_true(r->memories < MAX_MEMORY);
    ASSERT_OK(r->backend->ops->alloc(r->backend, &out, bytes));
    r->memory[r->memories++] = out;
    return out;
}

/* Elements of `size` bytes: 2, float, or double (cpu64). */
static inline void write_numbers(const test_run *r, void *device, const float *values,
                                 int64_t count, int32_t size)
{
    uint16_t *narrow = calloc((size_t)count + 1, sizeof *narrow);
    double *wide = calloc((size_t)count + 1, sizeof *wide);
    for (int64_t i = 0; i < count; ++i) {
        narrow[i] = r->precision == DT_PRECISION_BF16 ? dt_bf16_of(values[i]) : to_fp16(values[i]);
        wide[i] = (double)values[i];
    }
    r->backend->ops->upload(r->backend, device,
                            size == 2   ? (const void *)narrow
                            : size == 4 ? (const void *)values
                                        : wide,
                            count * size);
    free(wide);
    free(narrow);
}

static inline void read_numbers(const test_run *r, double *values, const void *device,
                                int64_t count, int32_t size)
{
    void *raw = calloc((size_t)count + 1, sizeof(double));
    r->backend->ops->download(r->backend, raw, device, count * size);
    for (int64_t i = 0; i < count; ++i)
        values[i] = size == 8   ? ((double *)raw)[i]
                    : size == 4 ? (double)((float *)raw)[i]
                    : r->precision == DT_PRECISION_BF16
                        ? (double)dt_bf16_value(((uint16_t *)raw)[i])
                        : (double)from_fp16(((uint16_t *)raw)[i]);
    free(raw);
}

/* Returns a matrix (rows + excess_rows, columns) of random numbers; the extra rows are random too,
 * or zero. */
static inline void *filled(test_run *r, int64_t rows, int64_t columns, int64_t excess_rows,
                           double scale, bool zero_excess, int32_t size)
{
    const int64_t count = (rows + excess_rows) * columns;
    float *values = calloc((size_t)count + 1, sizeof *values);
    const uint32_t stream = ++r->stream;
    for (int64_t i = 0; i < count; ++i)
        if (i < rows * columns || !zero_excess)
            values[i] = rounded((float)scale * random_number(stream, i), r->precision);
    void *out = memory_of(r, count * size);
    write_numbers(r, out, values, count, size);
    free(values);
    return out;
}

static inline int64_t excess_of(const test_run *r, int64_t rows)
{
    return r->batch && rows == r->batch->size.tokens ? r->batch->size.rows - rows : 0;
}

/* A forward input, a gradient, an activation output, and a statistics output. */
static inline void *input(test_run *r, int64_t rows, int64_t columns)
{
    return filled(r, rows, columns, excess_of(r, rows), 1.0, false, r->backend->activation_size);
}

static inline void *gradient(test_run *r, int64_t rows, int64_t columns)
{
    return filled(r, rows, columns, excess_of(r, rows), 1.0, true, r->backend->activation_size);
}

static inline void *poisoned(test_run *r, int64_t bytes)
{
    void *out = memory_of(r, bytes);
    void *nan = malloc((size_t)bytes + 1);
    memset(nan, 0xff, (size_t)bytes);
    r->backend->ops->upload(r->backend, out, nan, bytes);
    free(nan);
    return out;
}

static inline void *output(test_run *r, int64_t rows, int64_t columns)
{
    return poisoned(r, (rows + excess_of(r, rows)) * columns * r->backend->activation_size);
}

static inline void *statistics(test_run *r, int64_t rows, int64_t columns)
{
    return poisoned(r, (rows + excess_of(r, rows)) * columns * r->backend->statistic_size);
}

/* ---- recording ------------------------------------------------------------------------------ */

static inline test_record *add_record(test_run *r, const char *name, int64_t count)
{
    assert_true(r->records < MAX_RECORDS);
    test_record *record = &r->record[r->records++];
    *record = (test_record){.name = name, .count = count, .slack = 1.0};
    record->value = calloc((size_t)count + 1, sizeof(double));
    return record;
}

static inline test_record *record_size(test_run *r, const char *name, const void *device,
                                       int64_t rows, int64_t columns, int32_t size)
{
    test_record *record = add_record(r, name, rows * columns);
    read_numbers(r, record->value, device, rows * columns, size);
    return record;
}

/* Activations (rows, columns), which are finite in extra rows too. */
static inline test_record *record(test_run *r, const char *name, const void *device, int64_t rows,
                                  int64_t columns)
{
    const int32_t size = r->backend->activation_size;
    const int64_t excess = excess_of(r, rows) * columns;
    double *rest = calloc((size_t)excess + 1, sizeof *rest);
    read_numbers(r, rest, (const char *)device + rows * columns * size, excess, size);
    for (int64_t i = 0; i < excess; ++i)
        if (!isfinite(rest[i]))
            fail_msg("%s: an extra row contains %g", name, rest[i]);
    free(rest);
    return record_size(r, name, device, rows, columns, size);
}

static inline test_record *record_statistics(test_run *r, const char *name, const void *device,
                                             int64_t rows, int64_t columns)
{
    test_record *out = record_size(r, name, device, rows, columns, r->backend->statistic_size);
    out->statistic = true;
    return out;
}

static inline test_record *record_vector(test_run *r, const char *name, dt_vector which,
                                         int64_t count)
{
    test_record *out = add_record(r, name, count);
    float *values = calloc((size_t)count + 1, sizeof *values);
    r->backend->ops->vector_read(r->backend, which, 0, count, values);
    for (int64_t i = 0; i < count; ++i)
        out->value[i] = (double)values[i];
    free(values);
    return out;
}

static inline void record_number(test_run *r, const char *name, double value)
{
    test_record *out = add_record(r, name, 1);
    out->value[0] = value;
    out->statistic = true;
}

/* ---- parameters and batches ------------------------------------------------------------------ */

#define GRADIENT_START 0.25f /* initial value of gradients, to check that operations add to them */

static inline void parameters(test_run *r, int64_t count, double scale)
{
    float *values = calloc((size_t)count + 1, sizeof *values);
    ASSERT_OK(r->backend->ops->vectors_alloc(r->backend, count, true));
    for (int64_t i = 0; i < count; ++i)
        values[i] = rounded((float)scale * random_number(1000, i), r->precision);
    r->backend->ops->vector_write(r->backend, DT_PARAMETERS, 0, count, values);
    for (int64_t i = 0; i < count; ++i)
        values[i] = GRADIENT_START;
    r->backend->ops->vector_write(r->backend, DT_GRADIENTS, 0, count, values);
    free(values);
}

#define MAX_LENGTHS 136

/* Uploads a batch with sequences of these lengths (0 terminates the list), ids below `vocabulary`
 * and labels below `classes`. `spare` additional tokens are reserved, for extra rows. */
static inline void start_batch(test_run *r, const int32_t *lengths, int32_t vocabulary,
                               int32_t tax_ranks, const int32_t *classes, int64_t spare)
{
    int32_t cu_seqlens[MAX_LENGTHS + 1] = {0};
    int32_t sequences = 0;
    for (; lengths[sequences]; ++sequences)
        cu_seqlens[sequences + 1] = cu_seqlens[sequences] + lengths[sequences];
    const int32_t tokens = cu_seqlens[sequences];
    int32_t *ids = calloc((size_t)tokens, sizeof *ids);
    int32_t *labels = calloc((size_t)(sequences * tax_ranks) + 1, sizeof *labels);
    for (int32_t i = 0; i < tokens; ++i)
        ids[i] = (int32_t)((random_number(2000, i) + 1.0f) * 0.5f * (float)vocabulary) % vocabulary;
    for (int32_t i = 0; i < sequences * tax_ranks; ++i)
        labels[i] = i % 5 == 3 ? -1 : i * 7 % classes[i % tax_ranks];
    dt_batch batch = {.sequences = sequences,
                      .tax_ranks = tax_ranks,
                      .token_ids = ids,
                      .cu_seqlens = cu_seqlens,
                      .labels = tax_ranks ? labels : NULL,
                      .seed = 42,
                      .step = 3,
                      .first_sequence = 11};
    for (int32_t t = 0; t < tax_ranks; ++t)
        batch.loss_scale[t] = (1.0 + t) / sequences;
    ASSERT_OK(r->backend->ops->batch_reserve(r->backend, sequences, tokens + spare, tax_ranks));
    r->batch = r->backend->ops->batch_upload(r->backend, &batch);
    free(ids); /* arguments may be freed once the operation has returned */
    free(labels);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static inline double unit_of(dt_precision precision)
{
    return precision == DT_PRECISION_FP32   ? 0x1p-20
           : precision == DT_PRECISION_BF16 ? 0x1p-8
                                            : 0x1p-11;
}

static inline const char *precision_name(dt_precision precision)
{
    return precision == DT_PRECISION_FP32   ? "fp32"
           : precision == DT_PRECISION_BF16 ? "bf16"
                                            : "fp16";
}

/* Options of a comparison. */
typedef struct {
    const char *name;              /* title for printing the largest errors; NULL: print nothing */
    int32_t threads;               /* of the CPU; 0: all */
    dt_attention_method attention; /* of the device */
    bool low_precision_only;       /* skip fp32 */
} test_setup;

/* Returns the largest difference of a record relative to its bound. */
static inline double compare_record(const test_record *a, const test_record *b,
                                    dt_precision precision)
{
    double share = 0.0;
    const double bound = 4.0 * unit_of(precision) * a->slack;
    double largest = 0.0;
    double distance = 0.0;
    double size = 0.0;
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->count, b->count);
    for (int64_t i = 0; i < b->count; ++i)
        largest = fabs(b->value[i]) > largest ? fabs(b->value[i]) : largest;
    for (int64_t i = 0; i < b->count; ++i) {
        const double off = a->value[i] - b->value[i];
        if (isnan(a->value[i]) && isnan(b->value[i]))
            continue;
        if (!(fabs(off) <= bound * (1e-3 + largest)) && a->value[i] != b->value[i])
            fail_msg("%s, %s[%lld] is %.9g, not %.9g (allowed %.2g)", precision_name(precision),
                     a->name, (long long)i, a->value[i], b->value[i], bound * (1e-3 + largest));
        share = fmax(share, isfinite(off) ? fabs(off) / (bound * (1e-3 + largest)) : 0.0);
        distance += isfinite(off) ? off * off : 0.0;
        size += isfinite(b->value[i]) ? b->value[i] * b->value[i] : 0.0;
    }
    if (sqrt(distance) > 0.5 * bound * (1e-3 + sqrt(size)))
        fail_msg("%s, %s differs by %.3g in norm, allowed: %.3g", precision_name(precision),
                 a->name, sqrt(distance / size), 0.5 * bound);
    return share;
}

typedef void (*test_body)(test_run *r);

static inline void start_run(test_run *r, const char *name, dt_precision precision,
                             const void *shape, const test_run *cpu, test_body body,
                             const test_setup *setup)
{
    const dt_backend_options options = {
        .threads = setup->threads,
        .precision = cpu ? precision : DT_PRECISION_FP32,
        .attention = cpu ? setup->attention : DT_ATTENTION_AUTO,
    };
    *r = (test_run){.precision = precision, .shape = shape, .cpu = cpu};
    ASSERT_OK(dt_backend_open(name, &options, &r->backend));
    body(r);
    ASSERT_OK(r->backend->ops->sync(r->backend));
}

static inline void end_run(test_run *r)
{
    for (int i = 0; i < r->memories; ++i)
        r->backend->ops->free(r->backend, r->memory[i]);
    for (int i = 0; i < r->records; ++i)
        free(r->record[i].value);
    r->backend->ops->destroy(r->backend);
}

/* Compares all records; if the setup has a name, prints the record that came closest to its
 * bound. */
static inline void compare_runs(const test_run *device, const test_run *cpu,
                                const test_setup *setup)
{
    double largest = 0.0;
    const char *where = "nothing";
    assert_int_equal(device->records, cpu->records);
    for (int i = 0; i < device->records; ++i) {
        const test_record *record = &device->record[i];
        const double share = compare_record(
            record, &cpu->record[i], record->statistic ? DT_PRECISION_FP32 : device->precision);
        if (share > largest) {
            largest = share;
            where = record->name;
        }
    }
    if (setup->name)
        printf("%-24s %s  largest error: %.3f of the bound, in %s\n", setup->name,
               precision_name(device->precision), largest, where);
}

static inline void beside_cpu_as(test_body body, const void *shape, const test_setup *setup)
{
    static test_run cpu, first, second;
    const dt_precision all[] = {DT_PRECISION_FP32, DT_PRECISION_BF16, DT_PRECISION_FP16};
    for (size_t p = setup->low_precision_only; p < sizeof all / sizeof *all; ++p) {
        start_run(&cpu, "cpu", all[p], shape, NULL, body, setup);
        start_run(&first, tested_device(), all[p], shape, &cpu, body, setup);
        compare_runs(&first, &cpu, setup);
        start_run(&second, tested_device(), all[p], shape, &cpu, body, setup);
        for (int i = 0; i < first.records; ++i)
            if (memcmp(first.record[i].value, second.record[i].value,
                       (size_t)first.record[i].count * sizeof(double)) != 0)
                fail_msg("%s: two runs give different bits", first.record[i].name);
        end_run(&second);
        end_run(&first);
        end_run(&cpu);
    }
}

static inline void beside_cpu(test_body body, const void *shape)
{
    beside_cpu_as(body, shape, &(test_setup){.threads = 1});
}

#endif
