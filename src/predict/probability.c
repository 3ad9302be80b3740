#include "layers.h"
#include "predict/probability.h"

#include <math.h>

bool dt_has_few_classes(const dt_class_layout *layout, int32_t tax_rank)
{
    return layout->first[tax_rank + 1] - layout->first[tax_rank] <= DT_FEW_CLASSES;
}

int32_t dt_probability_columns(const dt_class_layout *layout)
{
    int32_t columns = 0;
    for (int32_t r = 0; r < layout->tax_ranks; ++r)
        if (dt_has_few_classes(layout, r))
            columns += layout->first[r + 1] - layout->first[r];
    return columns;
}

dt_logit_range dt_probability_logits(const dt_class_layout *layout)
{
    dt_logit_range range = {0};
    for (int32_t r = 0; r < layout->tax_ranks; ++r) {
        if (!dt_has_few_classes(layout, r))
            continue;
        if (!range.count)
            range.first = layout->first[r];
        range.count = layout->first[r + 1] - range.first;
    }
    return range;
}

static void softmax(float *out, const double *z, int32_t classes, double temperature)
{
    double largest = -HUGE_VAL;
    double sum = 0.0;
    for (int32_t c = 0; c < classes; ++c)
        largest = z[c] > largest ? z[c] : largest;
    for (int32_t c = 0; c < classes; ++c)
        sum += exp((z[c] - largest) / temperature);
    for (int32_t c = 0; c < classes; ++c)
        out[c] = (float)(exp((z[c] - largest) / temperature) / sum);
}

void dt_probabilities(float *out, const void *logits, dt_logit_range stored, int32_t statistic_size,
                      int32_t sequences, const dt_class_layout *layout, const double *temperature)
{
    for (int32_t i = 0; i < sequences; ++i) {
        for (int32_t r = 0; r < layout->tax_ranks; ++r) {
            if (!dt_has_few_classes(layout, r))
                continue;
            const int64_t from = (int64_t)i * stored.count + layout->first[r] - stored.first;
            const int32_t classes = layout->first[r + 1] - layout->first[r];
            double z[DT_FEW_CLASSES] = {0};
            for (int32_t c = 0; c < classes; ++c)
                z[c] = statistic_size == 8 ? ((const double *)logits)[from + c]
                                           : (double)((const float *)logits)[from + c];
            softmax(out, z, classes, temperature ? temperature[r] : 1.0);
            out += classes;
        }
    }
}

void dt_few_probabilities(float *out, const double *probability, const dt_class_layout *layout)
{
    for (int32_t r = 0; r < layout->tax_ranks; ++r)
        for (int32_t c = layout->first[r];
             dt_has_few_classes(layout, r) && c < layout->first[r + 1]; ++c)
            *out++ = (float)probability[c];
}
