/* Predictions in the format of QIIME 2: a table with the columns `Feature ID`, `Taxon` and
 * `Confidence`, for
 * `qiime tools import --type 'FeatureData[Taxonomy]' --input-format TSVTaxonomyFormat`.
 *
 * A lineage is cut before the first taxonomic rank whose confidence is below the threshold, or
 * whose label is `Unclassified`; the confidence is that of the deepest rank kept. If no rank is
 * kept, the taxon is `Unassigned`, as in QIIME 2's own classifiers, with the first rank's
 * confidence.
 */
#ifndef DT_PREDICT_QIIME_H
#define DT_PREDICT_QIIME_H

#include <stdint.h>

#include "io/output.h"
#include "predict/spool.h"
#include "taxonomy/taxonomy.h"

void dt_qiime_header(dt_output *out);

/* Writes the line of one sequence. A label without a prefix (`g__`) gets that of its rank, if the
 * rank is one of domain … species. */
void dt_qiime_row(dt_output *out, const char *id, size_t id_length, const dt_taxonomy *taxonomy,
                  const dt_spool_cell *cells /* (tax_ranks) */, double threshold);

#endif
