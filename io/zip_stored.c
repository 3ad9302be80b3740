#include "io/zip_stored.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/memory.h"
#include "io/zip_records.h"

enum {
    END_RECORD_64 = 56,
    DIRECTORY_ENTRY = 46,
    LOCAL_HEADER = 30,
    EXTRA_64 = 1, /* id of the extra field with 64-bit sizes */
    BLOCK = 1 << 18,
};
#define IN_EXTRA_64 INT64_C(0xFFFFFFFF) /* a 32-bit number that stands in that field */

/* ---- bytes ----------------------------------------------------------------------------------- */

static dt_status damaged(const dt_zip *zip, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged or truncated: %s", zip->path, what);
}

static dt_status read_at(const dt_zip *zip, int64_t at, int64_t size, void *out)
{
    for (int64_t got = 0; got < size;) {
        const ssize_t part =
            pread(zip->fd, (char *)out + got, (size_t)(size - got), (off_t)(at + got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return dt_fail(DT_ERR_IO, "%s: cannot read: %s", zip->path, strerror(errno));
        if (part == 0)
            return dt_fail(DT_ERR_INPUT, "%s: the file became shorter while it was read",
                           zip->path);
        got += part;
    }
    return DT_OK;
}

/* Returns whether the range lies in the first `end` bytes. */
static bool within(int64_t at, int64_t size, int64_t end)
{
    return at >= 0 && size >= 0 && at <= end && size <= end - at;
}

/* ---- the directory --------------------------------------------------------------------------- */

typedef struct {
    int64_t at, size, entries;
    int64_t end; /* position of the first record after it */
} directory;

/* The numbers that do not fit the end record stand in another one before it (zip64). */
static dt_status find_directory_64(const dt_zip *zip, int64_t locator, directory *d)
{
    unsigned char bytes[END_RECORD_64];
    DT_TRY(read_at(zip, locator, DT_ZIP_LOCATOR_64, bytes));
    d->end = dt_zip_size(bytes + 8, 8);
    if (!within(d->end, END_RECORD_64, locator))
        return damaged(zip, "its zip64 record is missing");
    DT_TRY(read_at(zip, d->end, END_RECORD_64, bytes));
    if (memcmp(bytes, "PK\6\6", 4) != 0)
        return damaged(zip, "its zip64 record is missing");
    d->entries = dt_zip_size(bytes + 32, 8);
    d->size = dt_zip_size(bytes + 40, 8);
    d->at = dt_zip_size(bytes + 48, 8);
    return DT_OK;
}

/* tail: the last `length` bytes of the file. */
static dt_status read_end(const dt_zip *zip, const unsigned char *tail, int64_t length,
                          directory *d)
{
    int64_t at = length - DT_ZIP_END;
    while (at >= 0 && (memcmp(tail + at, "PK\5\6", 4) != 0 ||
                       at + DT_ZIP_END + dt_zip_size(tail + at + 20, 2) != length))
        --at;
    if (at < 0)
        return damaged(zip, "the zip archive has no directory at its end");
    const unsigned char *end = tail + at;
    d->end = zip->bytes - length + at;
    d->entries = dt_zip_size(end + 10, 2);
    d->size = dt_zip_size(end + 12, 4);
    d->at = dt_zip_size(end + 16, 4);
    if (at >= DT_ZIP_LOCATOR_64 && memcmp(end - DT_ZIP_LOCATOR_64, "PK\6\7", 4) == 0)
        DT_TRY(find_directory_64(zip, d->end - DT_ZIP_LOCATOR_64, d));
    if (!within(d->at, d->size, d->end) || d->entries < 0 || d->entries > d->size / DIRECTORY_ENTRY)
        return damaged(zip, "the zip archive's directory is not where its end says");
    return DT_OK;
}

static dt_status find_directory(const dt_zip *zip, directory *d)
{
    const int64_t most = DT_ZIP_LOCATOR_64 + DT_ZIP_END + DT_ZIP_LONGEST_COMMENT;
    const int64_t length = zip->bytes < most ? zip->bytes : most;
    unsigned char *tail;
    DT_TRY(DT_NEW(tail, (size_t)length));
    dt_status status = read_at(zip, zip->bytes - length, length, tail);
    if (status == DT_OK)
        status = read_end(zip, tail, length, d);
    free(tail);
    return status;
}

/* Replaces those of the three numbers that stand in the extra field. */
static void read_extra(const unsigned char *extra, int64_t length, int64_t *number[3])
{
    while (length >= 4) {
        const int64_t size = dt_zip_size(extra + 2, 2);
        const unsigned char *at = extra + 4;
        const unsigned char *end = at + (size < length - 4 ? size : length - 4);
        for (int i = 0; i < 3 && dt_zip_number(extra, 2) == EXTRA_64; ++i) {
            if (*number[i] != IN_EXTRA_64 || end - at < 8)
                continue;
            *number[i] = dt_zip_size(at, 8);
            at += 8;
        }
        length -= 4 + size;
        extra += 4 + size;
    }
}

/* Reads one entry of the directory, of which `left` bytes remain, and sets *used to its length. */
static dt_status read_entry(const dt_zip *zip, const unsigned char *bytes, int64_t left,
                            dt_zip_entry *entry, char **names, int64_t *used)
{
    if (left < DIRECTORY_ENTRY || memcmp(bytes, "PK\1\2", 4) != 0)
        return damaged(zip, "an entry of the zip archive's directory is missing");
    const int64_t name = dt_zip_size(bytes + 28, 2);
    const int64_t extra = dt_zip_size(bytes + 30, 2);
    int64_t stored = dt_zip_size(bytes + 20, 4);
    *used = DIRECTORY_ENTRY + name + extra + dt_zip_size(bytes + 32, 2);
    if (*used > left || name == 0 || memchr(bytes + DIRECTORY_ENTRY, '\0', (size_t)name))
        return damaged(zip, "an entry of the zip archive's directory has no valid name");
    entry->crc = (uint32_t)dt_zip_number(bytes + 16, 4);
    entry->size = dt_zip_size(bytes + 24, 4);
    entry->header = dt_zip_size(bytes + 42, 4);
    entry->name = *names;
    memcpy(*names, bytes + DIRECTORY_ENTRY, (size_t)name);
    *names += name + 1;
    read_extra(bytes + DIRECTORY_ENTRY + name, extra,
               (int64_t *[3]){&entry->size, &stored, &entry->header});
    if ((dt_zip_number(bytes + 8, 2) & 1) || dt_zip_number(bytes + 10, 2) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the zip entry %.80s is compressed or encrypted, but those of a PyTorch "
                       "file are stored: save the model again with torch.save",
                       zip->path, entry->name);
    return stored == entry->size ? DT_OK : damaged(zip, "a zip entry has two sizes");
}

static dt_status misplaced(const dt_zip *zip, const dt_zip_entry *entry)
{
    return dt_fail(DT_ERR_INPUT,
                   "%s: the file is damaged or truncated: the zip entry %.80s is not where the "
                   "directory says",
                   zip->path, entry->name);
}

/* Finds the bytes of an entry, behind its local header. end: of the entries, where the directory
 * begins. */
static dt_status find_data(const dt_zip *zip, int64_t end, dt_zip_entry *entry)
{
    unsigned char header[LOCAL_HEADER];
    if (!within(entry->header, LOCAL_HEADER, end))
        return misplaced(zip, entry);
    DT_TRY(read_at(zip, entry->header, LOCAL_HEADER, header));
    const int64_t name = dt_zip_size(header + 26, 2);
    entry->data = entry->header + LOCAL_HEADER + name + dt_zip_size(header + 28, 2);
    if (memcmp(header, "PK\3\4", 4) != 0 || name != (int64_t)strlen(entry->name) ||
        !within(entry->data, entry->size, end))
        return misplaced(zip, entry);
    return DT_OK;
}

static int by_place(const void *a, const void *b)
{
    const dt_zip_entry *x = a;
    const dt_zip_entry *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const dt_zip_entry *)a)->name, ((const dt_zip_entry *)b)->name);
}

/* Refuses entries that overlap or share a name; leaves them sorted by name. */
static dt_status check_entries(const dt_zip *zip)
{
    const size_t count = (size_t)zip->count;
    qsort(zip->entry, count, sizeof *zip->entry, by_place);
    for (size_t i = 1; i < count; ++i)
        if (zip->entry[i - 1].data + zip->entry[i - 1].size > zip->entry[i].header)
            return damaged(zip, "two zip entries overlap");
    qsort(zip->entry, count, sizeof *zip->entry, by_name);
    for (size_t i = 1; i < count; ++i)
        if (by_name(&zip->entry[i - 1], &zip->entry[i]) == 0)
            return damaged(zip, "two zip entries have the same name");
    return DT_OK;
}

static dt_status read_entries(dt_zip *zip, const unsigned char *bytes, const directory *d)
{
    char *names = zip->names;
    int64_t at = 0;
    for (; zip->count < d->entries; ++zip->count) {
        dt_zip_entry *entry = &zip->entry[zip->count];
        int64_t used = 0;
        DT_TRY(read_entry(zip, bytes + at, d->size - at, entry, &names, &used));
        DT_TRY(find_data(zip, d->at, entry));
        at += used;
    }
    return check_entries(zip);
}

static dt_status read_directory(dt_zip *zip)
{
    directory d = {0};
    unsigned char *bytes;
    DT_TRY(find_directory(zip, &d));
    DT_TRY(DT_NEW(zip->entry, (size_t)d.entries));
    DT_TRY(DT_NEW(zip->names, (size_t)d.size)); /* room for each name and its '\0' */
    DT_TRY(DT_NEW(bytes, (size_t)d.size));
    dt_status status = read_at(zip, d.at, d.size, bytes);
    if (status == DT_OK)
        status = read_entries(zip, bytes, &d);
    free(bytes);
    return status;
}

dt_status dt_zip_open(dt_zip *zip, const char *path)
{
    struct stat info;
    *zip = (dt_zip){.path = path};
    zip->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not block on a pipe */
    if (zip->fd < 0 || fstat(zip->fd, &info) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return dt_fail(DT_ERR_INPUT, "%s: not a regular file", path);
    zip->bytes = info.st_size;
    return read_directory(zip);
}

void dt_zip_close(dt_zip *zip)
{
    if (zip->path && zip->fd >= 0)
        close(zip->fd);
    free(zip->entry);
    free(zip->names);
    *zip = (dt_zip){0};
}

dt_zip_entry *dt_zip_find(const dt_zip *zip, const char *name)
{
    const dt_zip_entry wanted = {.name = name};
    return zip->count == 0
               ? NULL
               : bsearch(&wanted, zip->entry, (size_t)zip->count, sizeof *zip->entry, by_name);
}

/* ---- reading --------------------------------------------------------------------------------- */

static dt_status check_crc(const dt_zip *zip, dt_zip_entry *entry, uint32_t crc)
{
    entry->verified = crc == entry->crc;
    return entry->verified ? DT_OK
                           : dt_fail(DT_ERR_INPUT,
                                     "%s: the file is damaged: the checksum of the zip entry %.80s "
                                     "does not match",
                                     zip->path, entry->name);
}

dt_status dt_zip_verify(const dt_zip *zip, dt_zip_entry *entry)
{
    unsigned char *block;
    uint32_t crc = 0;
    dt_status status = DT_OK;
    if (entry->verified)
        return DT_OK;
    DT_TRY(DT_NEW(block, BLOCK));
    for (int64_t at = 0; at < entry->size && status == DT_OK; at += BLOCK) {
        const int64_t size = entry->size - at < BLOCK ? entry->size - at : BLOCK;
        status = read_at(zip, entry->data + at, size, block);
        crc = (uint32_t)crc32_z(crc, block, (size_t)size);
    }
    free(block);
    return status == DT_OK ? check_crc(zip, entry, crc) : status;
}

dt_status dt_zip_read(dt_zip *zip, dt_zip_entry *entry, int64_t first, int64_t count, void *out)
{
    if (!within(first, count, entry->size))
        return damaged(zip, "more is wanted of a zip entry than it has");
    if (first == 0) {
        zip->current = entry;
        zip->position = 0;
        zip->crc = 0;
    }
    const bool in_order = zip->current == entry && zip->position == first;
    if (!in_order)
        DT_TRY(dt_zip_verify(zip, entry));
    DT_TRY(read_at(zip, entry->data + first, count, out));
    if (!in_order || entry->verified)
        return DT_OK;
    zip->crc = (uint32_t)crc32_z(zip->crc, out, (size_t)count);
    zip->position += count;
    return zip->position == entry->size ? check_crc(zip, entry, zip->crc) : DT_OK;
}

dt_status dt_zip_load(dt_zip *zip, dt_zip_entry *entry, char **out)
{
    DT_TRY(DT_NEW(*out, (size_t)entry->size + 1));
    const dt_status status = dt_zip_read(zip, entry, 0, entry->size, *out);
    if (status == DT_OK)
        return DT_OK;
    free(*out);
    *out = NULL;
    return status;
}
