#include "io/zip_writer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/hash.h"
#include "core/memory.h"

/* Signatures and sizes of the records (APPNOTE 4.3.7 to 4.3.16). */
#define LOCAL_HEADER 0x04034b50u
#define LOCAL_HEADER_SIZE 30
#define DESCRIPTOR 0x08074b50u
#define CENTRAL_HEADER 0x02014b50u
#define END64 0x06064b50u
#define END64_SIZE 56
#define END64_LOCATOR 0x07064b50u
#define END 0x06054b50u

#define VERSION_ZIP64 45      /* needed to read the archive: 4.5, for zip64 */
#define FLAGS 0x0808u         /* checksum and sizes after the data; names in UTF-8 */
#define DATE 0x21u            /* 1980-01-01 */
#define ZIP64_FIELD 1u        /* extra field of numbers that do not fit 32 bits */
#define PADDING_FIELD 0x4246u /* "FB", as PyTorch writes it */
#define IN_ZIP64 UINT32_MAX   /* the number is in the extra field */

typedef struct {
    char *name;
    int64_t header; /* offset of the local header */
    int64_t size;
    uint32_t checksum;
} entry;

struct dt_zip_writer {
    dt_output *out; /* `own`, or the caller's */
    dt_output own;
    int64_t at; /* bytes written so far */
    entry *entries;
    size_t count, capacity;
    bool open;       /* the last entry is not complete */
    int64_t missing; /* bytes that the open entry still lacks */
    dt_status status;
};

static void put_bytes(dt_zip_writer *zip, const void *bytes, size_t length)
{
    dt_output_bytes(zip->out, bytes, length);
    zip->at += (int64_t)length;
}

/* Writes the lower `bytes` bytes of a number, the lowest first. */
static void put(dt_zip_writer *zip, uint64_t number, int bytes)
{
    unsigned char text[8];
    for (int i = 0; i < bytes; ++i)
        text[i] = (unsigned char)(number >> 8 * i);
    put_bytes(zip, text, (size_t)bytes);
}

static bool needs_zip64(int64_t number)
{
    return number >= IN_ZIP64;
}

static uint64_t narrow(int64_t number)
{
    return needs_zip64(number) ? IN_ZIP64 : (uint64_t)number;
}

dt_status dt_zip_writer_create(dt_zip_writer **out, const char *path)
{
    dt_zip_writer *zip;
    DT_TRY(DT_NEW(zip, 1));
    zip->out = &zip->own;
    const dt_status status = dt_output_begin(&zip->own, path);
    if (status != DT_OK)
        free(zip);
    else
        *out = zip;
    return status;
}

dt_status dt_zip_writer_attach(dt_zip_writer **out, dt_output *output)
{
    DT_TRY(DT_NEW(*out, 1));
    (*out)->out = output;
    return DT_OK;
}

/* Writes the end of the open entry: its checksum and size, in 8 bytes if the local header said so.
 */
static void end_entry(dt_zip_writer *zip)
{
    if (!zip->open)
        return;
    const entry *last = &zip->entries[zip->count - 1];
    const int width = needs_zip64(last->size) ? 8 : 4;
    if (zip->missing != 0 && zip->status == DT_OK)
        zip->status =
            dt_fail(DT_ERR_INTERNAL, "%s: %s got %lld bytes instead of %lld", zip->out->name,
                    last->name, (long long)(last->size - zip->missing), (long long)last->size);
    put(zip, DESCRIPTOR, 4);
    put(zip, last->checksum, 4);
    put(zip, (uint64_t)last->size, width);
    put(zip, (uint64_t)last->size, width);
    zip->open = false;
}

/* Writes the length of a local header's name and extra fields, and these: the entry's size in
 * 8 bytes, if it needs them, and padding up to the alignment of the data. */
static void put_name_and_extra(dt_zip_writer *zip, const entry *new)
{
    static const char filling[DT_ZIP_ALIGNMENT];
    const size_t length = strlen(new->name);
    const size_t field = needs_zip64(new->size) ? 4 + 16 : 0;
    const size_t begin = (size_t)zip->at + 2 + 2 + length + field + 4;
    const size_t padding = -begin & (DT_ZIP_ALIGNMENT - 1);
    put(zip, length, 2);
    put(zip, field + 4 + padding, 2);
    put_bytes(zip, new->name, length);
    if (field > 0) {
        put(zip, ZIP64_FIELD, 2);
        put(zip, 16, 2);
        put(zip, (uint64_t) new->size, 8);
        put(zip, (uint64_t) new->size, 8);
    }
    put(zip, PADDING_FIELD, 2);
    put(zip, padding, 2);
    put_bytes(zip, filling, padding);
}

static void put_local_header(dt_zip_writer *zip, const entry *new)
{
    const uint64_t size = needs_zip64(new->size) ? IN_ZIP64 : 0;
    put(zip, LOCAL_HEADER, 4);
    put(zip, VERSION_ZIP64, 2);
    put(zip, FLAGS, 2);
    put(zip, 0, 2); /* stored */
    put(zip, 0, 2); /* time */
    put(zip, DATE, 2);
    put(zip, 0, 4); /* checksum: after the data */
    put(zip, size, 4);
    put(zip, size, 4);
    put_name_and_extra(zip, new);
}

void dt_zip_writer_begin(dt_zip_writer *zip, const char *name, int64_t size)
{
    end_entry(zip);
    if (zip->status == DT_OK)
        zip->status = DT_GROW(zip->entries, zip->capacity, zip->count + 1);
    if (zip->status != DT_OK)
        return;
    entry *new = &zip->entries[zip->count];
    *new = (entry){.header = zip->at, .size = size};
    zip->status = dt_copy_text(&new->name, name);
    if (zip->status != DT_OK)
        return;
    zip->count++;
    zip->open = true;
    zip->missing = size;
    put_local_header(zip, new);
}

void dt_zip_writer_add(dt_zip_writer *zip, const void *bytes, size_t length)
{
    if (zip->status != DT_OK)
        return;
    entry *last = &zip->entries[zip->count - 1];
    last->checksum = (uint32_t)crc32_z(last->checksum, bytes, length);
    zip->missing -= (int64_t)length;
    put_bytes(zip, bytes, length);
}

void dt_zip_writer_put(dt_zip_writer *zip, const char *name, const void *bytes, size_t length)
{
    dt_zip_writer_begin(zip, name, (int64_t)length);
    dt_zip_writer_add(zip, bytes, length);
}

uint64_t dt_zip_writer_hash(const dt_zip_writer *zip)
{
    uint64_t hash = DT_HASH_START;
    for (size_t i = 0; i < zip->count; ++i)
        hash = dt_hash_add(dt_hash_text(hash, zip->entries[i].name), zip->entries[i].checksum);
    return hash;
}

/* ---- the end of the archive ------------------------------------------------------------------ */

static void put_central_header(dt_zip_writer *zip, const entry *one)
{
    const bool wide = needs_zip64(one->size);
    const bool far = needs_zip64(one->header);
    const size_t numbers = (wide ? 16 : 0) + (far ? 8 : 0);
    put(zip, CENTRAL_HEADER, 4);
    put(zip, VERSION_ZIP64, 2); /* made by */
    put(zip, VERSION_ZIP64, 2); /* needed */
    put(zip, FLAGS, 2);
    put(zip, 0, 2);
    put(zip, 0, 2);
    put(zip, DATE, 2);
    put(zip, one->checksum, 4);
    put(zip, narrow(one->size), 4);
    put(zip, narrow(one->size), 4);
    put(zip, strlen(one->name), 2);
    put(zip, numbers > 0 ? 4 + numbers : 0, 2);
    put(zip, 0, 2); /* length of the comment */
    put(zip, 0, 2); /* disk */
    put(zip, 0, 2); /* attributes */
    put(zip, 0, 4);
    put(zip, narrow(one->header), 4);
    put_bytes(zip, one->name, strlen(one->name));
    if (numbers == 0)
        return;
    put(zip, ZIP64_FIELD, 2);
    put(zip, numbers, 2);
    put(zip, (uint64_t)one->size, wide ? 8 : 0);
    put(zip, (uint64_t)one->size, wide ? 8 : 0);
    put(zip, (uint64_t)one->header, far ? 8 : 0);
}

static void put_end(dt_zip_writer *zip, int64_t directory)
{
    const int64_t end64 = zip->at;
    const uint64_t size = (uint64_t)(end64 - directory);
    const uint64_t few = zip->count < UINT16_MAX ? zip->count : UINT16_MAX;
    put(zip, END64, 4);
    put(zip, END64_SIZE - 12, 8); /* bytes that follow in this record */
    put(zip, VERSION_ZIP64, 2);
    put(zip, VERSION_ZIP64, 2);
    put(zip, 0, 8); /* two numbers of disks */
    put(zip, zip->count, 8);
    put(zip, zip->count, 8);
    put(zip, size, 8);
    put(zip, (uint64_t)directory, 8);
    put(zip, END64_LOCATOR, 4);
    put(zip, 0, 4);
    put(zip, (uint64_t)end64, 8);
    put(zip, 1, 4);
    put(zip, END, 4);
    put(zip, 0, 4);
    put(zip, few, 2);
    put(zip, few, 2);
    put(zip, narrow((int64_t)size), 4);
    put(zip, narrow(directory), 4);
    put(zip, 0, 2); /* length of the comment */
}

static void free_writer(dt_zip_writer *zip)
{
    for (size_t i = 0; i < zip->count; ++i)
        free(zip->entries[i].name);
    free(zip->entries);
    free(zip);
}

static dt_status complete(dt_zip_writer *zip)
{
    end_entry(zip);
    const int64_t directory = zip->at;
    for (size_t i = 0; i < zip->count; ++i)
        put_central_header(zip, &zip->entries[i]);
    put_end(zip, directory);
    return zip->status;
}

dt_status dt_zip_writer_commit(dt_zip_writer *zip)
{
    dt_status status = complete(zip);
    if (status != DT_OK)
        dt_output_discard(&zip->own);
    else
        status = dt_output_commit(&zip->own);
    free_writer(zip);
    return status;
}

dt_status dt_zip_writer_detach(dt_zip_writer *zip)
{
    const dt_status status = complete(zip);
    free_writer(zip);
    return status;
}

void dt_zip_writer_discard(dt_zip_writer *zip)
{
    dt_output_discard(&zip->own);
    free_writer(zip);
}
