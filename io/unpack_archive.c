/* The module "archive": implements io/unpack.h with libarchive. */
#include "io/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dt_unpacker {
    dt_unpack_source source;
    dt_status failed; /* error of the source, if it failed */
    struct archive *archive;
    struct archive_entry *entry; /* the current one, owned by `archive` */
    bool at_end;
};

/* ---- callbacks of libarchive ----------------------------------------------------------------- */

static la_ssize_t next_block(struct archive *archive, void *context, const void **out)
{
    dt_unpacker *u = context;
    const unsigned char *block = NULL;
    size_t length = 0;
    u->failed = u->source.next(u->source.file, &block, &length);
    if (u->failed == DT_OK) {
        *out = block;
        return (la_ssize_t)length;
    }
    archive_set_error(archive, EIO, "cannot read");
    return ARCHIVE_FATAL;
}

static la_int64_t seek_to(struct archive *archive, void *context, la_int64_t offset, int whence)
{
    dt_unpacker *u = context;
    const int64_t position = whence == SEEK_END ? u->source.size + offset : offset;
    if (whence == SEEK_CUR || position < 0 || position > u->source.size) {
        archive_set_error(archive, EIO, "seek outside the file");
        return ARCHIVE_FATAL;
    }
    u->failed = u->source.seek(u->source.file, position);
    return u->failed == DT_OK ? position : ARCHIVE_FATAL;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Returns the error of the source if there is one, else that of libarchive. */
static dt_status failure(const dt_unpacker *u)
{
    if (u->failed != DT_OK)
        return u->failed;
    const char *reason = archive_error_string(u->archive);
    return dt_fail(DT_ERR_INPUT, "%s", reason ? reason : "no reason given");
}

static void close_unpacker(dt_unpacker *u)
{
    if (!u)
        return;
    if (u->archive)
        archive_read_free(u->archive);
    free(u);
}

/* A zip archive is read through the directory at its end: an archive without one is truncated, even
 * if some entries can still be found. */
static dt_status choose_format(const dt_unpacker *u, dt_packing packing)
{
    static const int filters[] = {[DT_PACKED_BZIP2] = ARCHIVE_FILTER_BZIP2,
                                  [DT_PACKED_XZ] = ARCHIVE_FILTER_XZ,
                                  [DT_PACKED_ZSTD] = ARCHIVE_FILTER_ZSTD};
    struct archive *a = u->archive;
    int code = ARCHIVE_OK;
    if (packing == DT_PACKED_ZIP)
        return archive_read_support_format_zip_seekable(a) == ARCHIVE_OK ? DT_OK : failure(u);
    archive_read_support_format_raw(a);
    archive_read_support_format_empty(a);
    code = archive_read_append_filter(a, filters[packing]);
    if (code == ARCHIVE_OK) /* otherwise it would run an external program */
        return DT_OK;
    return dt_fail(DT_ERR_DEVICE, "%s was built without it", archive_version_string());
}

static dt_status open_archive(dt_unpacker *u, const dt_unpack_source *source, dt_packing packing)
{
    u->source = *source;
    u->archive = archive_read_new();
    if (!u->archive)
        return dt_fail(DT_ERR_MEMORY, "out of memory while decompressing");
    DT_TRY(choose_format(u, packing));
    archive_read_set_callback_data(u->archive, u);
    archive_read_set_read_callback(u->archive, next_block);
    if (source->size >= 0)
        archive_read_set_seek_callback(u->archive, seek_to);
    if (archive_read_open1(u->archive) != ARCHIVE_OK)
        return failure(u);
    /* data that is damaged from the start looks like an empty file, except for the error */
    return archive_errno(u->archive) == 0 ? DT_OK : failure(u);
}

/* Continues with the next entry; u->entry is NULL after the last. */
static dt_status next_entry(dt_unpacker *u)
{
    const int code = archive_read_next_header(u->archive, &u->entry);
    if (code == ARCHIVE_OK ||
        code == ARCHIVE_WARN) /* warning: the name is not valid in this locale */
        return DT_OK;
    u->entry = NULL;
    return code == ARCHIVE_EOF ? DT_OK : failure(u);
}

static dt_status new_unpacker(dt_unpacker **out, const dt_unpack_source *source, dt_packing packing)
{
    DT_TRY(DT_NEW(*out, 1));
    const dt_status status = open_archive(*out, source, packing);
    if (status != DT_OK) {
        close_unpacker(*out);
        *out = NULL;
    }
    return status;
}

static dt_status open_entry(dt_unpacker **out, const dt_unpack_source *source, int64_t entry)
{
    DT_TRY(source->seek(source->file, 0));
    DT_TRY(new_unpacker(out, source, DT_PACKED_ZIP));
    dt_status status = DT_OK;
    for (int64_t i = 0; i <= entry && status == DT_OK; ++i) {
        status = next_entry(*out);
        if (status == DT_OK && !(*out)->entry)
            status = dt_fail(DT_ERR_INPUT, "an entry is missing");
    }
    if (status == DT_OK && archive_entry_is_encrypted((*out)->entry))
        status = dt_fail(DT_ERR_USAGE, "it is encrypted");
    if (status != DT_OK) {
        close_unpacker(*out);
        *out = NULL;
    }
    return status;
}

static dt_status open_stream(dt_unpacker **out, const dt_unpack_source *source, dt_packing packing)
{
    DT_TRY(new_unpacker(out, source, packing));
    const dt_status status = next_entry(*out);
    (*out)->at_end = !(*out)->entry; /* an empty file */
    if (status != DT_OK) {
        close_unpacker(*out);
        *out = NULL;
    }
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

static dt_status add_names(dt_unpacker *u, dt_text *names)
{
    for (;;) {
        DT_TRY(next_entry(u));
        if (!u->entry)
            return DT_OK;
        const char *name = archive_entry_pathname_utf8(u->entry);
        if (!name)
            name = archive_entry_pathname(u->entry);
        if (!name)
            name = "?";
        DT_TRY(dt_text_add(names, name, strlen(name) + 1));
    }
}

static dt_status list(const dt_unpack_source *source, dt_text *names)
{
    dt_unpacker *u;
    DT_TRY(source->seek(source->file, 0));
    DT_TRY(new_unpacker(&u, source, DT_PACKED_ZIP));
    const dt_status status = add_names(u, names);
    close_unpacker(u);
    return status;
}

/* libarchive reports a wrong checksum or size as a warning; here it is an error. */
static dt_status read_block(dt_unpacker *u, const void **block, size_t *length)
{
    la_int64_t offset;
    *block = NULL;
    *length = 0;
    while (*length == 0 && !u->at_end) {
        const int code = archive_read_data_block(u->archive, block, length, &offset);
        if (code != ARCHIVE_OK && code != ARCHIVE_EOF)
            return failure(u);
        u->at_end = code == ARCHIVE_EOF;
    }
    return DT_OK;
}

static int64_t used(const dt_unpacker *u)
{
    return archive_filter_bytes(u->archive, -1);
}

extern const dt_unpack_ops dt_unpack_archive __attribute__((visibility("default")));
const dt_unpack_ops dt_unpack_archive = {
    .contract = DT_UNPACK_CONTRACT,
    .open = open_stream,
    .list = list,
    .open_entry = open_entry,
    .read = read_block,
    .used = used,
    .close = close_unpacker,
};
