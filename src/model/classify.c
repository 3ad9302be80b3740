#include "model/classify.h"

/* Every batch that may be under way has a slot for its predictions and one for its logits. */
_Static_assert(2 * DT_CLASSIFY_AHEAD <= DT_DOWNLOAD_SLOTS, "a batch takes two downloads");

static int32_t prediction_slot(int64_t batch)
{
    return (int32_t)(batch % DT_CLASSIFY_AHEAD) * 2;
}

static int32_t logit_slot(int64_t batch)
{
    return prediction_slot(batch) + 1;
}

static int64_t logit_bytes(const dt_classifier *classifier)
{
    return (int64_t)classifier->logits.count * dt_model_backend(classifier->model)->statistic_size;
}

static int64_t prediction_bytes(const dt_classifier *classifier)
{
    return dt_model_classes(classifier->model)->tax_ranks * (int64_t)sizeof(dt_prediction);
}

dt_status dt_classifier_open(dt_classifier *classifier, dt_model *model, int32_t max_sequences,
                             const double *temperature, dt_logit_range logits)
{
    dt_backend *backend = dt_model_backend(model);
    const dt_backend_ops *ops = backend->ops;
    *classifier = (dt_classifier){.model = model, .temperature = temperature, .logits = logits};
    const int64_t bytes = max_sequences * prediction_bytes(classifier);
    for (int64_t batch = 0; batch < DT_CLASSIFY_AHEAD; ++batch) {
        DT_TRY(ops->download_reserve(backend, prediction_slot(batch), bytes));
        if (logits.count)
            DT_TRY(ops->download_reserve(backend, logit_slot(batch),
                                         max_sequences * logit_bytes(classifier)));
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
                              dt_prediction *predictions, void *logits)
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
                        bytes, prediction_slot(classifier->started));
    if (classifier->logits.count)
        ops->download_start(backend, logits, all_logits + classifier->logits.first * size,
                            batch->sequences, logit_bytes(classifier),
                            classes->first[classes->tax_ranks] * size,
                            logit_slot(classifier->started));
    classifier->started++;
    return ops->check(backend);
}

dt_status dt_classifier_finish(dt_classifier *classifier)
{
    dt_backend *backend = dt_model_backend(classifier->model);
    backend->ops->download_finish(backend, prediction_slot(classifier->finished));
    if (classifier->logits.count)
        backend->ops->download_finish(backend, logit_slot(classifier->finished));
    classifier->finished++;
    return backend->ops->check(backend);
}
