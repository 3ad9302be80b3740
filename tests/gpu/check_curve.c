#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "core/clock.h"
#include "real_model.h"

#define BATCH 8
#define SEQUENCES 80
#define SPECIES 20
#define WARMUP 5
#define TOTAL 60

static dt_status made_data(real_data *data, dt_model_config *config, int32_t *longest)
{
    int32_t low;
    real_lengths(&low, longest);
    *config = real_config();
    config->dropout = 0.0;
    return real_data_make(data, config, SEQUENCES, SPECIES, low, *longest);
}

/* ---- for PyTorch -------------------------------------------------------------------------------
 */

static dt_status open_file(FILE **file, const char *folder, const char *name, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *file = fopen(path, mode);
    return *file ? DT_OK : dt_fail(DT_ERR_IO, "%s: cannot be opened", path);
}

static dt_status write_bytes(const char *folder, const char *name, const void *bytes, size_t count)
{
    FILE *file;
    DT_TRY(open_file(&file, folder, name, "wb"));
    const bool whole = fwrite(bytes, 1, count, file) == count;
    return fclose(file) == 0 && whole ? DT_OK : dt_fail(DT_ERR_IO, "%s: cannot be written", name);
}

static void write_list(FILE *file, const char *name, const int32_t *values, int32_t count)
{
    fprintf(file, "size %s", name);
    for (int32_t i = 0; i < count; ++i)
        fprintf(file, " %d", values[i]);
    fputc('\n', file);
}

static void write_sizes(FILE *file, const dt_model_config *c)
{
    const struct {
        const char *name;
        int32_t value;
    } sizes[] = {{"vocabulary", c->vocabulary},
                 {"pad_id", c->pad_id},
                 {"max_length", c->max_length},
                 {"embed_dim", c->embed_dim},
                 {"num_filters", c->filters},
                 {"hidden_size", c->hidden},
                 {"num_hidden_layers", c->layers},
                 {"num_attention_heads", c->heads},
                 {"intermediate_size", c->intermediate},
                 {"batch_size", BATCH},
                 {"warmup_steps", WARMUP},
                 {"total_steps", TOTAL}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        write_list(file, sizes[i].name, &sizes[i].value, 1);
    write_list(file, "kernel_sizes", c->width, c->kernels);
    write_list(file, "classes", c->classes, c->tax_ranks);
}

static dt_status write_model(const char *folder, real_subject *s, const dt_model_config *config)
{
    const dt_param_table *table = dt_model_params(s->model);
    FILE *file;
    float *values;
    DT_TRY(open_file(&file, folder, "model.txt", "w"));
    write_sizes(file, config);
    for (int32_t t = 0; t < table->count; ++t) {
        const dt_param_spec *spec = &table->spec[t];
        fprintf(file, "tensor %s %lld %lld", spec->name, (long long)spec->offset,
                (long long)spec->count);
        for (int32_t d = 0; d < spec->dims; ++d)
            fprintf(file, " %lld", (long long)spec->shape[d]);
        fputc('\n', file);
    }
    if (fclose(file) != 0)
        return dt_fail(DT_ERR_IO, "model.txt: cannot be written");
    DT_TRY(DT_NEW(values, (size_t)table->elements));
    dt_status status = dt_params_read(s->backend, DT_PARAMETERS, 0, table->elements, values);
    if (status == DT_OK)
        status =
            write_bytes(folder, "weights.bin", values, (size_t)table->elements * sizeof *values);
    free(values);
    return status;
}

static dt_status write_data(const char *folder, const real_data *data)
{
    const size_t size = sizeof(int32_t);
    const size_t tokens = (size_t)data->cu_seqlens[data->sequences];
    const size_t sequences = (size_t)data->sequences;
    DT_TRY(write_bytes(folder, "tokens.bin", data->token_ids, tokens * size));
    DT_TRY(write_bytes(folder, "cu_seqlens.bin", data->cu_seqlens, (sequences + 1) * size));
    return write_bytes(folder, "labels.bin", data->labels,
                       sequences * (size_t)data->tax_ranks * size);
}

dt_status check_export(const char *folder)
{
    dt_model_config config;
    real_data data;
    real_subject s = {0};
    int32_t longest;
    DT_TRY(made_data(&data, &config, &longest));
    dt_status status = write_data(folder, &data);
    if (status == DT_OK)
        status = real_open(&s, "cpu", &(dt_backend_options){0}, &config, 1, longest);
    if (status == DT_OK)
        status = write_model(folder, &s, &config);
    if (s.model)
        real_close(&s);
    real_data_free(&data);
    return status;
}

/* ---- ours --------------------------------------------------------------------------------------
 */

static dt_status one_step(real_subject *s, const real_data *data, int step, double *loss)
{
    const dt_backend_ops *op = s->backend->ops;
    const dt_loss losses = {.classes = *dt_model_classes(s->model)};
    const dt_update_rule rule = {.learning_rate = 5e-4,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .eps = 1e-8,
                                 .weight_decay = 0.01,
                                 .max_grad_norm = 0.5,
                                 .warmup_steps = WARMUP,
                                 .total_steps = TOTAL};
    int32_t cu_seqlens[BATCH + 1];
    dt_update_state state;
    const dt_batch batch = real_batch(data, step * BATCH % SEQUENCES, BATCH, BATCH, cu_seqlens);
    op->gradients_zero(s->backend);
    const dt_device_batch *on_device = op->batch_upload(s->backend, &batch);
    dt_model_forward(s->model, on_device, true);
    DT_TRY(dt_model_backward(s->model, on_device, &losses, NULL, NULL));
    op->update(s->backend, dt_model_params(s->model)->trained, &rule);
    op->state_read(s->backend, &state);
    *loss = state.loss;
    if (state.skipped)
        return dt_fail(DT_ERR_NUMERIC, "step %d has numbers that are not finite", step);
    return op->sync(s->backend);
}

static dt_status train(real_subject *s, const real_data *data, FILE *out, int steps)
{
    const double began = dt_seconds();
    double loss = 0.0;
    for (int step = 0; step < steps; ++step) {
        DT_TRY(one_step(s, data, step, &loss));
        fprintf(out, "%.9g\n", loss);
    }
    printf("%d steps in %.2f s, last loss %.4f: %s\n", steps, dt_seconds() - began, loss,
           s->backend->description);
    return DT_OK;
}

dt_status check_curve(const char *folder, const char *device, const char *precision, int steps)
{
    const dt_precision chosen = strcmp(precision, "bf16") == 0   ? DT_PRECISION_BF16
                                : strcmp(precision, "fp16") == 0 ? DT_PRECISION_FP16
                                                                 : DT_PRECISION_FP32;
    char name[128];
    dt_model_config config;
    real_data data;
    real_subject s = {0};
    int32_t longest;
    FILE *out;
    snprintf(name, sizeof name, "%s_%s.txt", device, precision);
    DT_TRY(made_data(&data, &config, &longest));
    dt_status status =
        real_open(&s, device, &(dt_backend_options){.precision = chosen}, &config, BATCH, longest);
    if (status == DT_OK)
        status = open_file(&out, folder, name, "w");
    if (status == DT_OK) {
        /* fp16: a constant scale, so that no step is skipped on the way to the right one */
        if (chosen == DT_PRECISION_FP16)
            s.backend->ops->state_write(s.backend, &(dt_update_state){.loss_scale = 64.0});
        status = train(&s, &data, out, steps);
        if (fclose(out) != 0 && status == DT_OK)
            status = dt_fail(DT_ERR_IO, "%s: cannot be written", name);
    }
    if (s.model)
        real_close(&s);
    real_data_free(&data);
    return status;
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

dt_status check_compare_curves(const char *a, const char *b, int steps, double bound)
{
    FILE *ours = fopen(a, "r");
    FILE *theirs = fopen(b, "r");
    double largest = 0.0;
    double first = 0.0;
    double last = 0.0;
    int where = 0;
    dt_status status = ours && theirs ? DT_OK : dt_fail(DT_ERR_IO, "%s or %s is missing", a, b);
    for (int step = 0; status == DT_OK && step < steps; ++step) {
        double x;
        double y;
        if (fscanf(ours, "%lf", &x) != 1 || fscanf(theirs, "%lf", &y) != 1) {
            status = dt_fail(DT_ERR_NUMERIC, "%s or %s has fewer than %d steps", a, b, steps);
            break;
        }
        const double off = fabs(x - y) / fabs(y);
        if (!(off <= largest)) {
            largest = off;
            where = step;
        }
        first = step == 0 ? y : first;
        last = y;
    }
    if (ours)
        fclose(ours);
    if (theirs)
        fclose(theirs);
    DT_TRY(status);
    printf("%d steps, loss %.3f to %.3f: largest difference %.2g at step %d, allowed %.2g\n", steps,
           first, last, largest, where, bound);
    if (!(largest <= bound))
        return dt_fail(DT_ERR_NUMERIC, "the losses differ by %.3g at step %d, allowed are %.3g",
                       largest, where, bound);
    return DT_OK;
}
