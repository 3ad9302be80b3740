#include "taxonomy/label_encoder.h"

#include <stdlib.h>
#include <string.h>

dt_status dt_label_encoder_create(dt_label_encoder *encoder)
{
    *encoder = (dt_label_encoder){0};
    return dt_strmap_create(&encoder->index);
}

void dt_label_encoder_free(dt_label_encoder *encoder)
{
    for (int32_t i = 0; i < encoder->count; ++i)
        free(encoder->label[i]);
    free(encoder->label);
    dt_strmap_destroy(encoder->index);
    *encoder = (dt_label_encoder){0};
}

dt_status dt_label_encoder_add(dt_label_encoder *encoder, const char *label, size_t length,
                               int32_t *number)
{
    int added;
    DT_TRY(dt_strmap_add(encoder->index, label, length, encoder->count, number, &added));
    if (!added)
        return DT_OK;
    if (encoder->count == INT32_MAX)
        return dt_fail(DT_ERR_INPUT, "more than %d labels of one rank", INT32_MAX);
    DT_TRY(DT_GROW(encoder->label, encoder->capacity, (size_t)encoder->count + 1));
    char *copy;
    DT_TRY(DT_NEW(copy, length + 1));
    memcpy(copy, label, length);
    encoder->label[encoder->count++] = copy;
    return DT_OK;
}

/* strcmp() compares unsigned bytes; for UTF-8 that is the order of code points, in which Python
 * sorts. */
static int compare_labels(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

dt_status dt_label_encoder_sort(dt_label_encoder *encoder, int32_t **classes)
{
    DT_TRY(DT_NEW(*classes, (size_t)encoder->count));
    if (encoder->count > 0)
        qsort(encoder->label, (size_t)encoder->count, sizeof *encoder->label, compare_labels);
    for (int32_t i = 0; i < encoder->count; ++i) {
        const char *label = encoder->label[i];
        (*classes)[dt_strmap_find(encoder->index, label, strlen(label))] = i;
    }
    return DT_OK;
}
