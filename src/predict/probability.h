/* The probabilities of all classes at the tax_ranks with few classes, as needed for the area under
 * the ROC curve. */
#ifndef DT_PREDICT_PROBABILITY_H
#define DT_PREDICT_PROBABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "model/classify.h"

#define DT_FEW_CLASSES 100 /* largest number of classes of such a tax_rank (docs/model.md 4) */

/* Returns true if the tax_rank has few classes. */
bool dt_has_few_classes(const dt_class_layout *layout, int32_t tax_rank);

/* Returns the number of columns of dt_probabilities(): the classes of all tax_ranks with few
 * classes. */
int32_t dt_probability_columns(const dt_class_layout *layout);

/* Returns the range of logits that dt_probabilities() needs: from the first tax_rank with few
 * classes to the last, with everything between. */
dt_logit_range dt_probability_logits(const dt_class_layout *layout);

/* Computes the softmax of each tax_rank with few classes, one after the other in `out`. The logits
 * are divided by `temperature` (tax_ranks; NULL: all 1); they are on the host, 4 or 8 bytes each
 * (statistic_size), and cover the range `stored`, which contains dt_probability_logits(). */
void dt_probabilities(float *out /* (sequences, columns) */,
                      const void *logits /* (sequences, stored.count) */, dt_logit_range stored,
                      int32_t statistic_size, int32_t sequences, const dt_class_layout *layout,
                      const double *temperature);

/* Picks the same columns from the probabilities of all classes of one sequence. */
void dt_few_probabilities(float *out /* (columns) */, const double *probability /* (C) */,
                          const dt_class_layout *layout);

#endif
