/* The label encoder of one taxonomic rank while a table is read: labels are numbered as they come,
 * and renumbered in byte order once all are known.
 */
#ifndef DT_TAXONOMY_LABEL_ENCODER_H
#define DT_TAXONOMY_LABEL_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "core/strmap.h"

typedef struct {
    int32_t count;   /* distinct labels */
    char **label;    /* (count), each ended by '\0' */
    size_t capacity; /* of `label` */
    dt_strmap *index;
} dt_label_encoder;

/* An empty encoder. Freed with dt_label_encoder_free(), which leaves it empty and takes one that
 * was only zero-initialised, too. */
dt_status dt_label_encoder_create(dt_label_encoder *encoder);
void dt_label_encoder_free(dt_label_encoder *encoder);

/* Sets *number to the number of this label, which is added when it is new: 0, 1, ... in the order
 * of first appearance. */
dt_status dt_label_encoder_add(dt_label_encoder *encoder, const char *label, size_t length,
                               int32_t *number);

/* Sorts encoder->label by byte order. (*classes)[number] is the place that the label of that
 * number got; the array (count) is the caller's to free(). No label can be added afterwards. */
dt_status dt_label_encoder_sort(dt_label_encoder *encoder, int32_t **classes);

#endif
