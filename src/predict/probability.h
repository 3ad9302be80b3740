/* The probabilities of all classes at the tax_ranks that have few of them: what the area under the
 * ROC curve needs beside the prediction itself. */
#ifndef DT_PREDICT_PROBABILITY_H
#define DT_PREDICT_PROBABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "model/classify.h"

#define DT_FEW_CLASSES 100 /* most classes of such a tax_rank (docs/model.md 4) */

/* Whether the tax_rank has few classes. */
bool dt_has_few_classes(const dt_class_layout *layout, int32_t tax_rank);

/* Classes of all tax_ranks with few classes together: the columns of dt_probabilities(). */
int32_t dt_probability_columns(const dt_class_layout *layout);

/* The logits that they are made of: from the first tax_rank with few classes to the last, and what
 * stands between. */
dt_logit_range dt_probability_logits(const dt_class_layout *layout);

/* Softmax of each such tax_rank, its logits divided by its temperature (tax_ranks; NULL: all 1).
 * The tax_ranks stand back to back. Logits, of statistic_size 4 or 8 bytes, are on the host, those
 * of the range `stored`, which covers dt_probability_logits(). */
void dt_probabilities(float *out /* (sequences, columns) */,
                      const void *logits /* (sequences, stored.count) */, dt_logit_range stored,
                      int32_t statistic_size, int32_t sequences, const dt_class_layout *layout,
                      const double *temperature);

/* The same of one sequence, from the probabilities of all classes. */
void dt_few_probabilities(float *out /* (columns) */, const double *probability /* (C) */,
                          const dt_class_layout *layout);

#endif
