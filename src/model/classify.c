#include "model/classify.h"

#include "layers.h"

/* Each batch in progress has a download slot for each kind of result. */
typedef enum { PREDICTIONS, LOGITS, FUSED, RESULTS } result_kind;
_Static_assert(RESULTS *DT_CLASSIFY_AHEAD <= DT_DOWNLOAD_SLOTS, "a batch takes three downloads");

static int32_t slot_of(int64_t batch, result_kind kind)
{
    return (int32_t)(batch % DT_CLASSIFY_AHEAD) * RESULTS + (int32_t)kind;
}

static int64_t logit_bytes(const dt_classifier *classifier)
{
    return (int64_t)classifier->logits.count * dt_model_backend(classifier->model)->statistic_size;
}

static int64_t fused_bytes(const dt_classifier *classifier)
{
    return (int64_t)dt_model_features(dt_model_config_of(classifier->model)) *
           dt_model_backend(classifier->model)->activation_size;
}

static int64_t prediction_bytes(const dt_classifier *classifier)
{
    return dt_model_classes(classifier->model)->tax_ranks * (int64_t)sizeof(dt_prediction);
}

dt_status dt_classifier_open(dt_classifier *classifier, dt_model *model, int32_t max_sequences,
                             const double *temperature, dt_logit_range logits, bool fused)
{
    dt_backend *backend = dt_model_backend(model);
    const dt_backend_ops *ops = backend->ops;
    *classifier = (dt_classifier){
        .model = model, .temperature = temperature, .logits = logits, .fused = fused};
    const int64_t bytes = max_sequences * prediction_bytes(classifier);
    for (int64_t batch = 0; batch < DT_CLASSIFY_AHEAD; ++batch) {
        DT_TRY(ops->download_reserve(backend, slot_of(batch, PREDICTIONS), bytes));
        if (logits.count)
            DT_TRY(ops->download_reserve(backend, slot_of(batch, LOGITS),
                                         max_sequences * logit_bytes(classifier)));
        if (fused)
            DT_TRY(ops->download_reserve(backend, slot_of(batch, FUSED),
                                         max_sequences * fused_bytes(classifier)));
    }
    return ops->alloc(backend, &classifier->predictions, bytes);
}

void dt_classifier_close(dt_classifier *classifier)
{
    if (!classifier->model)
        return;
    dt_backend *backend = dt_model_backend(classifier->model);
    while (dt_classifier_under_way(classifier))
        dt_classifier_finish(classifier);
    backend->ops->free(backend, classifier->predictions);
    *classifier = (dt_classifier){0};
}

dt_status dt_classifier_start(dt_classifier *classifier, const dt_batch *batch,
                              dt_prediction *predictions, void *logits, void *fused)
{
    dt_model *model = classifier->model;
    dt_backend *backend = dt_model_backend(model);
    const dt_backend_ops *ops = backend->ops;
    const dt_class_layout *classes = dt_model_classes(model);
    const dt_device_batch *on_device = ops->batch_upload(backend, batch);
    DT_TRY(ops->check(backend));
    const char *all_logits = dt_model_forward(model, on_device, false);
    ops->classify(backend, classifier->predictions, all_logits, on_device, classes,
                  classifier->temperature);
    const int64_t bytes = prediction_bytes(classifier);
    const int64_t size = backend->statistic_size;
    ops->download_start(backend, predictions, classifier->predictions, batch->sequences, bytes,
                        bytes, slot_of(classifier->started, PREDICTIONS));
    const char *wanted = classifier->logits.of_heads ? dt_model_head_outputs(model) : all_logits;
    if (classifier->logits.count)
        ops->download_start(backend, logits, wanted + classifier->logits.first * size,
                            batch->sequences, logit_bytes(classifier),
                            classes->first[classes->tax_ranks] * size,
                            slot_of(classifier->started, LOGITS));
    if (classifier->fused)
        ops->download_start(backend, fused, dt_model_fused(model), batch->sequences,
                            fused_bytes(classifier), fused_bytes(classifier),
                            slot_of(classifier->started, FUSED));
    classifier->started++;
    return ops->check(backend);
}

dt_status dt_classifier_finish(dt_classifier *classifier)
{
    dt_backend *backend = dt_model_backend(classifier->model);
    backend->ops->download_finish(backend, slot_of(classifier->finished, PREDICTIONS));
    if (classifier->logits.count)
        backend->ops->download_finish(backend, slot_of(classifier->finished, LOGITS));
    if (classifier->fused)
        backend->ops->download_finish(backend, slot_of(classifier->finished, FUSED));
    classifier->finished++;
    return backend->ops->check(backend);
}
