#include "predict/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

#define BUFFER_SIZE ((size_t)256 * 1024)

/* Header of a row in the file; the id, the sequence and the cells follow. */
typedef struct {
    int64_t length;
    uint64_t id_length, sequence_length;
    int32_t number, reversed, nearest, unassigned;
    float similarity;
} row_head;

static dt_status spool_error(const dt_spool *spool, const char *what)
{
    return dt_fail(DT_ERR_IO, "%s: cannot %s the temporary file of results: %s", spool->folder,
                   what, strerror(errno ? errno : EIO));
}

dt_status dt_spool_create(dt_spool *spool, const char *folder, int32_t tax_ranks)
{
    *spool = (dt_spool){.folder = folder, .tax_ranks = tax_ranks};
    const int fd = dt_open_unnamed(folder);
    if (fd < 0)
        return spool_error(spool, "create");
    spool->stream = fdopen(fd, "w+b");
    if (!spool->stream) {
        close(fd);
        return spool_error(spool, "open");
    }
    const dt_status status = DT_NEW(spool->buffer, BUFFER_SIZE);
    if (status != DT_OK)
        dt_spool_close(spool);
    else
        setvbuf(spool->stream, spool->buffer, _IOFBF, BUFFER_SIZE);
    return status;
}

void dt_spool_close(dt_spool *spool)
{
    if (spool->stream)
        fclose(spool->stream);
    free(spool->buffer);
    *spool = (dt_spool){0};
}

void dt_spool_row_free(dt_spool_row *row)
{
    dt_text_free(&row->id);
    dt_text_free(&row->sequence);
}

dt_status dt_spool_add(dt_spool *spool, const dt_spool_row *row)
{
    const row_head head = {.length = row->length,
                           .id_length = row->id.length,
                           .sequence_length = row->sequence.length,
                           .number = row->number,
                           .reversed = row->reversed,
                           .nearest = row->nearest,
                           .unassigned = row->unassigned,
                           .similarity = row->similarity};
    const size_t ranks = (size_t)spool->tax_ranks;
    errno = 0;
    if (fwrite(&head, sizeof head, 1, spool->stream) != 1 ||
        fwrite(row->id.data, 1, row->id.length, spool->stream) != row->id.length ||
        (row->sequence.length && fwrite(row->sequence.data, 1, row->sequence.length,
                                        spool->stream) != row->sequence.length) ||
        fwrite(row->cell, sizeof *row->cell, ranks, spool->stream) != ranks)
        return spool_error(spool, "write");
    spool->rows++;
    return DT_OK;
}

dt_status dt_spool_rewind(dt_spool *spool)
{
    errno = 0;
    if (fflush(spool->stream) != 0 || fseek(spool->stream, 0, SEEK_SET) != 0)
        return spool_error(spool, "write");
    spool->next = 0;
    return DT_OK;
}

/* Reads the bytes of a text. */
static dt_status read_text(dt_spool *spool, dt_text *text, size_t length)
{
    DT_TRY(DT_GROW(text->data, text->capacity, length + 1));
    if (fread(text->data, 1, length, spool->stream) != length)
        return spool_error(spool, "read");
    text->data[length] = '\0';
    text->length = length;
    return DT_OK;
}

dt_status dt_spool_next(dt_spool *spool, dt_spool_row *row, bool *found)
{
    *found = spool->next < spool->rows;
    if (!*found)
        return DT_OK;
    row_head head;
    const size_t ranks = (size_t)spool->tax_ranks;
    errno = 0;
    if (fread(&head, sizeof head, 1, spool->stream) != 1)
        return spool_error(spool, "read");
    DT_TRY(read_text(spool, &row->id, head.id_length));
    DT_TRY(read_text(spool, &row->sequence, head.sequence_length));
    if (fread(row->cell, sizeof *row->cell, ranks, spool->stream) != ranks)
        return spool_error(spool, "read");
    row->length = head.length;
    row->number = head.number;
    row->reversed = head.reversed != 0;
    row->nearest = head.nearest;
    row->unassigned = head.unassigned;
    row->similarity = head.similarity;
    spool->next++;
    return DT_OK;
}

dt_status dt_spool_each(dt_spool *spool, dt_status (*use)(void *context, const dt_spool_row *row),
                        void *context)
{
    dt_spool_row row = {0};
    bool found = true;
    dt_status status = dt_spool_rewind(spool);
    while (status == DT_OK) {
        status = dt_spool_next(spool, &row, &found);
        if (status != DT_OK || !found)
            break;
        status = use(context, &row);
    }
    dt_spool_row_free(&row);
    return status;
}
