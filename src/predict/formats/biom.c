/* --format biom: a table in BIOM 1.0 (JSON; biom-format.org/documentation/format_versions/biom-1.0.html)
 * of one sample, the input. An observation is a different sequence, in the order of the input, with
 * the id of the first read that has it; its count is the sum over all these reads. Metadata:
 * `taxonomy`, the lineage as in QIIME 2, and `confidence`, of its deepest rank. */
#include <stdlib.h>
#include <time.h>

#include "io/json_writer.h"
#include "predict/formats/taxon.h"

typedef struct {
    const dt_format_source *source;
    dt_json json;
    int64_t *count; /* (observations) reads */
    size_t capacity;
    int32_t observations;
    int32_t written;
    dt_text label;
} table;

static dt_status count_row(void *context, const dt_spool_row *row)
{
    table *t = context;
    DT_TRY(DT_GROW(t->count, t->capacity, (size_t)row->number + 1));
    if (row->number == t->observations)
        t->count[t->observations++] = 0;
    t->count[row->number] += dt_read_count(row->id.data, row->id.length);
    return DT_OK;
}

static dt_status write_lineage(table *t, const dt_spool_cell *cells, int32_t kept)
{
    dt_json_key(&t->json, "taxonomy");
    dt_json_array(&t->json);
    for (int32_t r = 0; r < kept; ++r) {
        DT_TRY(dt_with_prefix(&t->label, t->source, r, cells));
        dt_json_bytes(&t->json, t->label.data, t->label.length);
    }
    if (!kept)
        dt_json_string(&t->json, "Unassigned");
    dt_json_end(&t->json);
    return DT_OK;
}

static dt_status write_observation(void *context, const dt_spool_row *row)
{
    table *t = context;
    const int32_t kept = dt_kept_ranks(t->source, row);
    if (row->number != t->written)
        return DT_OK; /* a copy of an earlier sequence */
    t->written++;
    dt_json_object(&t->json);
    dt_json_key(&t->json, "id");
    dt_json_bytes(&t->json, row->id.data, row->id.length);
    dt_json_key(&t->json, "metadata");
    dt_json_object(&t->json);
    DT_TRY(write_lineage(t, row->cell, kept));
    dt_json_key(&t->json, "confidence");
    dt_json_float(&t->json, dt_kept_confidence(row->cell, kept));
    dt_json_end(&t->json);
    dt_json_end(&t->json);
    return DT_OK;
}

static void write_head(table *t)
{
    char text[96];
    const time_t now = (time_t)t->source->ended;
    struct tm utc = {0};
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    dt_json_put_null(&t->json, "id");
    dt_json_put_string(&t->json, "format", "Biological Observation Matrix 1.0.0");
    dt_json_put_string(&t->json, "format_url", "http://biom-format.org");
    dt_json_put_string(&t->json, "type", "OTU table");
    dt_json_put_string(&t->json, "date", text);
    snprintf(text, sizeof text, "DeepTaxa-MPI %s", t->source->version);
    dt_json_put_string(&t->json, "generated_by", text);
    dt_json_put_string(&t->json, "matrix_type", "sparse");
    dt_json_put_string(&t->json, "matrix_element_type", "int");
}

/* The shape and the counts as (observation, sample, count). */
static void write_matrix(table *t)
{
    dt_json_key(&t->json, "shape");
    dt_json_array(&t->json);
    dt_json_int(&t->json, t->observations);
    dt_json_int(&t->json, 1);
    dt_json_end(&t->json);
    dt_json_key(&t->json, "data");
    dt_json_array(&t->json);
    for (int32_t i = 0; i < t->observations; ++i) {
        dt_json_array(&t->json);
        dt_json_int(&t->json, i);
        dt_json_int(&t->json, 0);
        dt_json_int(&t->json, t->count[i]);
        dt_json_end(&t->json);
    }
    dt_json_end(&t->json);
}

static dt_status write_table(table *t)
{
    DT_TRY(dt_spool_each(t->source->spool, count_row, t));
    dt_json_object(&t->json);
    write_head(t);
    dt_json_key(&t->json, "rows");
    dt_json_array(&t->json);
    DT_TRY(dt_spool_each(t->source->spool, write_observation, t));
    dt_json_end(&t->json);
    dt_json_key(&t->json, "columns");
    dt_json_array(&t->json);
    dt_json_object(&t->json);
    dt_json_put_string(&t->json, "id", t->source->sample);
    dt_json_put_null(&t->json, "metadata");
    dt_json_end(&t->json);
    dt_json_end(&t->json);
    write_matrix(t);
    dt_json_end(&t->json);
    return DT_OK;
}

dt_status dt_write_biom(const dt_format_source *source, dt_output *out)
{
    table t = {.source = source};
    dt_json_begin(&t.json, out, 1, 2);
    const dt_status status = write_table(&t);
    dt_text_free(&t.label);
    free(t.count);
    return status;
}
