#include "predict/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

#define BUFFER_SIZE ((size_t)256 * 1024)

/* Header of a row in the file; the id and the cells follow. */
typedef struct {
    int64_t length;
    uint64_t id_length;
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
}

dt_status dt_spool_add(dt_spool *spool, const char *id, size_t id_length, int64_t length,
                       const dt_spool_cell *cells)
{
    const row_head head = {.length = length, .id_length = id_length};
    const size_t ranks = (size_t)spool->tax_ranks;
    errno = 0;
    if (fwrite(&head, sizeof head, 1, spool->stream) != 1 ||
        fwrite(id, 1, id_length, spool->stream) != id_length ||
        fwrite(cells, sizeof *cells, ranks, spool->stream) != ranks)
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
    DT_TRY(DT_GROW(row->id.data, row->id.capacity, head.id_length + 1));
    if (fread(row->id.data, 1, head.id_length, spool->stream) != head.id_length ||
        fread(row->cell, sizeof *row->cell, ranks, spool->stream) != ranks)
        return spool_error(spool, "read");
    row->id.data[head.id_length] = '\0';
    row->id.length = head.id_length;
    row->length = head.length;
    spool->next++;
    return DT_OK;
}
