#include "predict/embeddings_file.h"

#include <stdlib.h>
#include <string.h>

#define IDS_AT_A_TIME 4096

dt_status dt_embeddings_begin(dt_container **out, const char *path, int32_t features)
{
    const int64_t shape[2] = {DT_ROWS_UNKNOWN, features};
    DT_TRY(dt_container_create(out, path, "deeptaxa-embeddings", 1));
    const dt_status status =
        dt_container_begin_array(*out, "embeddings", DT_ELEMENT_FLOAT32, 2, shape);
    if (status == DT_OK)
        return DT_OK;
    dt_container_discard(*out);
    *out = NULL;
    return status;
}

dt_status dt_embeddings_add(dt_container *file, const float *embeddings, int64_t count)
{
    return dt_container_add_rows(file, count, embeddings);
}

static dt_status longest_id(dt_spool *spool, dt_spool_row *row, size_t *longest)
{
    DT_TRY(dt_spool_rewind(spool));
    *longest = 1; /* HDF5 strings have at least one byte */
    for (bool found = true; found;) {
        DT_TRY(dt_spool_next(spool, row, &found));
        if (found && row->id.length > *longest)
            *longest = row->id.length;
    }
    return DT_OK;
}

/* Writes the ids, `longest` bytes each, IDS_AT_A_TIME at a time. */
static dt_status copy_ids(dt_container *file, dt_spool *spool, dt_spool_row *row, size_t longest,
                          char *padded)
{
    int64_t count = 0;
    DT_TRY(dt_spool_rewind(spool));
    for (bool found = true; found;) {
        DT_TRY(dt_spool_next(spool, row, &found));
        if (found) {
            char *at = padded + (size_t)count++ * longest;
            memset(at, 0, longest);
            memcpy(at, row->id.data, row->id.length);
        }
        if (count == IDS_AT_A_TIME || !found) {
            DT_TRY(dt_container_add_rows(file, count, padded));
            count = 0;
        }
    }
    return DT_OK;
}

static dt_status put_ids(dt_container *file, dt_spool *spool, dt_spool_row *row)
{
    size_t longest;
    char *padded;
    DT_TRY(longest_id(spool, row, &longest));
    DT_TRY(dt_container_begin_texts(file, "seq_ids", spool->rows, (int64_t)longest));
    DT_TRY(dt_calloc((void **)&padded, IDS_AT_A_TIME, longest, "ids"));
    const dt_status status = copy_ids(file, spool, row, longest, padded);
    free(padded);
    return status;
}

dt_status dt_embeddings_finish(dt_container *file, dt_spool *spool, const char *run_id,
                               const char *checkpoint)
{
    dt_spool_row row = {0};
    const dt_status status = put_ids(file, spool, &row);
    dt_spool_row_free(&row);
    DT_TRY(status);
    DT_TRY(dt_container_put_attribute_text(file, "", "run_uuid", run_id));
    return dt_container_put_attribute_text(file, "", "checkpoint", checkpoint);
}
