/* The label encoder of one taxonomic rank, used while a table is read: numbers labels in order of
 * appearance, and renumbers them in byte order at the end.
 */
#ifndef DT_TAXONOMY_LABEL_ENCODER_H
#define DT_TAXONOMY_LABEL_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "core/strmap.h"

typedef struct {
    int32_t count;   /* distinct labels */
    char **label;    /* (count), '\0'-terminated */
    size_t capacity; /* of `label` */
    dt_strmap *index;
} dt_label_encoder;

/* Creates an empty encoder. dt_label_encoder_free() frees it and leaves it empty; a
 * zero-initialised one is allowed there. */
dt_status dt_label_encoder_create(dt_label_encoder *encoder);
void dt_label_encoder_free(dt_label_encoder *encoder);

/* Sets *number to the number of this label, adding it if it is new: 0, 1, ... in order of first
 * appearance. */
dt_status dt_label_encoder_add(dt_label_encoder *encoder, const char *label, size_t length,
                               int32_t *number);

/* Sorts encoder->label in byte order. (*classes)[number] is the new position of the label with that
 * number; the caller frees the array (count). No label can be added afterwards. */
dt_status dt_label_encoder_sort(dt_label_encoder *encoder, int32_t **classes);

#endif
