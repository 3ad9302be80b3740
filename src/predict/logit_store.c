#include "predict/logit_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"

static dt_status store_error(const dt_logit_store *store, const char *what)
{
    return dt_fail(DT_ERR_IO, "%s: cannot %s the temporary file of logits: %s", store->folder, what,
                   strerror(errno ? errno : EIO));
}

static dt_status open_stream(dt_logit_store *store)
{
    const int fd = dt_open_unnamed(store->folder);
    if (fd < 0)
        return store_error(store, "create");
    store->stream = fdopen(fd, "w+b");
    if (store->stream)
        return DT_OK;
    close(fd);
    return store_error(store, "open");
}

dt_status dt_logit_store_create(dt_logit_store *store, const char *folder, int32_t tax_ranks,
                                int32_t classes)
{
    *store = (dt_logit_store){.tax_ranks = tax_ranks, .classes = classes};
    dt_status status = dt_copy_text(&store->folder, folder);
    if (status == DT_OK)
        status = DT_NEW(store->row, (size_t)classes);
    if (status == DT_OK)
        status = open_stream(store);
    if (status != DT_OK)
        dt_logit_store_close(store);
    return status;
}

void dt_logit_store_close(dt_logit_store *store)
{
    if (store->mapped)
        munmap(store->map, store->mapped);
    if (store->stream)
        fclose(store->stream);
    free(store->folder);
    free(store->labels);
    free(store->row);
    *store = (dt_logit_store){0};
}

dt_status dt_logit_store_add(dt_logit_store *store, const void *logits, int32_t statistic_size,
                             const int32_t *labels)
{
    const size_t ranks = (size_t)store->tax_ranks;
    const size_t used = (size_t)store->count * ranks;
    DT_TRY(DT_GROW(store->labels, store->label_capacity, used + ranks));
    memcpy(store->labels + used, labels, ranks * sizeof *labels);
    for (int32_t c = 0; c < store->classes; ++c)
        store->row[c] =
            statistic_size == 8 ? (float)((const double *)logits)[c] : ((const float *)logits)[c];
    errno = 0;
    if (fwrite(store->row, sizeof *store->row, (size_t)store->classes, store->stream) !=
        (size_t)store->classes)
        return store_error(store, "write");
    store->count++;
    return DT_OK;
}

dt_status dt_logit_store_map(dt_logit_store *store)
{
    const size_t bytes = (size_t)store->count * (size_t)store->classes * sizeof *store->row;
    errno = 0;
    if (fflush(store->stream) != 0)
        return store_error(store, "write");
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fileno(store->stream), 0);
    if (mapped == MAP_FAILED)
        return store_error(store, "read");
    store->map = mapped;
    store->logits = mapped;
    store->mapped = bytes;
    return DT_OK;
}
