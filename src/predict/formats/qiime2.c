/* --format qiime2: a table with the columns `Feature ID`, `Taxon` and `Confidence`, for
 * `qiime tools import --type 'FeatureData[Taxonomy]' --input-format TSVTaxonomyFormat`.
 *
 * The confidence is that of the deepest rank kept. If no rank is kept, the taxon is `Unassigned`,
 * as in QIIME 2's own classifiers, with the first rank's confidence. */
#include "predict/formats/taxon.h"

typedef struct {
    const dt_format_source *source;
    dt_output *out;
    dt_text label;
} table;

static dt_status write_row(void *context, const dt_spool_row *row)
{
    table *t = context;
    const int32_t kept = dt_kept_ranks(t->source, row);
    dt_output_cell(t->out, row->id.data, row->id.length);
    dt_output_char(t->out, '\t');
    for (int32_t r = 0; r < kept; ++r) {
        DT_TRY(dt_with_prefix(&t->label, t->source, r, row->cell));
        if (r)
            dt_output_text(t->out, "; ");
        dt_output_bytes(t->out, t->label.data, t->label.length);
    }
    dt_output_text(t->out, kept ? "\t" : "Unassigned\t");
    dt_output_float(t->out, dt_kept_confidence(row->cell, kept));
    dt_output_char(t->out, '\n');
    return DT_OK;
}

dt_status dt_write_qiime2(const dt_format_source *source, dt_output *out)
{
    table t = {.source = source, .out = out};
    dt_output_text(out, "Feature ID\tTaxon\tConfidence\n");
    const dt_status status = dt_spool_each(source->spool, write_row, &t);
    dt_text_free(&t.label);
    return status;
}
