#include "io/container_seal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/memory.h"

#define BUFFER_BYTES ((size_t)1 << 18)

/* Not a text, so that nobody converts it, and with line ends, so that it shows when somebody did.
 */
static const char magic[16] = "\x89"
                              "DeepTaxa\r\n\x1a\n\0\0\0";

enum { AT_VERSION = 16, AT_CRC = 20, AT_BYTES = 24, AT_REST_CRC = 32, AT_COUNT = 36, AT_LIST = 64 };

/* ---- Extents -------------------------------------------------------------------------------- */

void dt_extents_add(dt_extents *extents, uint64_t start, uint64_t end)
{
    for (int32_t i = extents->count - 1; i >= 0; --i) {
        if (start > extents->item[i].end || end < extents->item[i].start)
            continue;
        if (start < extents->item[i].start)
            extents->item[i].start = start;
        if (end > extents->item[i].end)
            extents->item[i].end = end;
        return;
    }
    if (extents->count == DT_SEAL_EXTENTS)
        return;
    extents->item[extents->count].start = start;
    extents->item[extents->count++].end = end;
}

void dt_extents_remove(dt_extents *extents, uint64_t start, uint64_t end)
{
    for (int32_t i = extents->count - 1; i >= 0; --i)
        if (start < extents->item[i].end && end > extents->item[i].start)
            extents->item[i] = extents->item[--extents->count];
}

static int compare_extents(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_extents(dt_extents *extents)
{
    qsort(extents->item, (size_t)extents->count, sizeof extents->item[0], compare_extents);
    int32_t kept = 0;
    for (int32_t i = 1; i < extents->count; ++i) {
        if (extents->item[i].start > extents->item[kept].end)
            extents->item[++kept] = extents->item[i];
        else if (extents->item[i].end > extents->item[kept].end)
            extents->item[kept].end = extents->item[i].end;
    }
    extents->count = extents->count ? kept + 1 : 0;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static void put_number(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; ++i)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static dt_status read_failed(const char *path)
{
    return dt_fail(DT_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
}

/* Reads `size` bytes, fewer at the end of the file: *got. */
static dt_status read_bytes(int fd, const char *path, uint64_t at, unsigned char *out, size_t size,
                            size_t *got)
{
    *got = 0;
    while (*got < size) {
        const ssize_t part = pread(fd, out + *got, size - *got, (off_t)(at + *got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return read_failed(path);
        if (part == 0)
            break;
        *got += (size_t)part;
    }
    return DT_OK;
}

static uint32_t seal_crc(unsigned char *seal)
{
    const uint64_t stored = get_number(seal + AT_CRC, 4);
    put_number(seal + AT_CRC, 0, 4);
    const uint32_t crc = (uint32_t)crc32(0, seal, DT_SEAL_BYTES);
    put_number(seal + AT_CRC, stored, 4);
    return crc;
}

/* Goes on with the CRC-32 over [start, end). */
static dt_status range_crc(int fd, const char *path, uint64_t start, uint64_t end,
                           unsigned char *buffer, uint32_t *crc)
{
    while (start < end) {
        const size_t size = end - start < BUFFER_BYTES ? (size_t)(end - start) : BUFFER_BYTES;
        size_t got;
        DT_TRY(read_bytes(fd, path, start, buffer, size, &got));
        if (got < size)
            return dt_fail(DT_ERR_INPUT, "%s: the file became shorter while it was read", path);
        *crc = (uint32_t)crc32(*crc, buffer, (uInt)size);
        start += size;
    }
    return DT_OK;
}

/* CRC-32 of what lies behind the seal and in no extent (sorted). */
static dt_status rest_crc(int fd, const char *path, uint64_t bytes, const dt_extents *extents,
                          uint32_t *crc)
{
    unsigned char *buffer;
    DT_TRY(DT_NEW(buffer, BUFFER_BYTES));
    uint64_t at = DT_SEAL_BYTES;
    dt_status status = DT_OK;
    *crc = 0;
    for (int32_t i = 0; i < extents->count && status == DT_OK; ++i) {
        status = range_crc(fd, path, at, extents->item[i].start, buffer, crc);
        at = extents->item[i].end;
    }
    if (status == DT_OK)
        status = range_crc(fd, path, at, bytes, buffer, crc);
    free(buffer);
    return status;
}

/* ---- Writing and checking ------------------------------------------------------------------- */

dt_status dt_seal_write(int fd, const char *path, dt_extents *extents)
{
    unsigned char seal[DT_SEAL_BYTES] = {0};
    struct stat info;
    uint32_t crc;
    sort_extents(extents);
    if (fstat(fd, &info) != 0)
        return read_failed(path);
    DT_TRY(rest_crc(fd, path, (uint64_t)info.st_size, extents, &crc));
    memcpy(seal, magic, sizeof magic);
    put_number(seal + AT_VERSION, 1, 4);
    put_number(seal + AT_BYTES, (uint64_t)info.st_size, 8);
    put_number(seal + AT_REST_CRC, crc, 4);
    put_number(seal + AT_COUNT, (uint64_t)extents->count, 4);
    unsigned char *at = seal + AT_LIST;
    for (int32_t i = 0; i < extents->count; ++i, at += 16) {
        put_number(at, extents->item[i].start, 8);
        put_number(at + 8, extents->item[i].end - extents->item[i].start, 8);
    }
    put_number(seal + AT_CRC, seal_crc(seal), 4);
    for (size_t done = 0; done < sizeof seal;) {
        const ssize_t put = pwrite(fd, seal + done, sizeof seal - done, (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return dt_fail(DT_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
        done += (size_t)put;
    }
    return DT_OK;
}

/* What a file is that does not begin with our magic. `head` holds `got` bytes of it. */
static dt_status foreign(const char *path, const unsigned char *head, size_t got)
{
    if (got == 0)
        return dt_fail(DT_ERR_INPUT, "%s: the file is empty", path);
    if (got >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0)
        return dt_fail(DT_ERR_INPUT, "%s: an HDF5 file, but none that DeepTaxa-MPI wrote", path);
    const bool zip = got >= 4 && memcmp(head, "PK\3\4", 4) == 0;
    const bool pickle = got >= 2 && head[0] == 0x80 && head[1] <= 5;
    if (zip || pickle)
        return dt_fail(DT_ERR_INPUT,
                       "%s: a PyTorch file (%s); DeepTaxa-MPI reads its own HDF5 files", path,
                       zip ? "zip" : "pickle");
    return dt_fail(DT_ERR_INPUT, "%s: not an HDF5 file that DeepTaxa-MPI wrote", path);
}

static dt_status damaged(const char *path, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: %s", path, what);
}

static dt_status load_extents(const unsigned char *seal, const char *path, uint64_t bytes,
                              dt_extents *extents)
{
    const uint64_t count = get_number(seal + AT_COUNT, 4);
    uint64_t last = DT_SEAL_BYTES;
    if (count > DT_SEAL_EXTENTS)
        return damaged(path, "its seal is not usable");
    extents->count = (int32_t)count;
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t start = get_number(seal + AT_LIST + 16 * i, 8);
        const uint64_t length = get_number(seal + AT_LIST + 16 * i + 8, 8);
        if (start < last || start > bytes || length > bytes - start)
            return damaged(path, "its seal is not usable");
        last = start + length;
        extents->item[i].start = start;
        extents->item[i].end = last;
    }
    return DT_OK;
}

dt_status dt_seal_check(int fd, const char *path)
{
    unsigned char seal[DT_SEAL_BYTES];
    struct stat info;
    size_t got;
    uint32_t crc;
    dt_extents extents = {0};
    if (fstat(fd, &info) != 0)
        return read_failed(path);
    DT_TRY(read_bytes(fd, path, 0, seal, sizeof seal, &got));
    if (got == 0 || memcmp(seal, magic, got < sizeof magic ? got : sizeof magic) != 0)
        return foreign(path, seal, got);
    if (got < sizeof seal)
        return dt_fail(DT_ERR_INPUT, "%s: the file is cut short: only %zu bytes are left", path,
                       got);
    if (seal_crc(seal) != get_number(seal + AT_CRC, 4) || get_number(seal + AT_VERSION, 4) != 1)
        return damaged(path, "the checksum of its seal does not fit");
    const uint64_t bytes = get_number(seal + AT_BYTES, 8);
    if ((uint64_t)info.st_size < bytes)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the file is cut short: %" PRIu64 " of %" PRIu64 " bytes are left", path,
                       (uint64_t)info.st_size, bytes);
    if ((uint64_t)info.st_size > bytes)
        return damaged(path, "something was added at its end");
    DT_TRY(load_extents(seal, path, bytes, &extents));
    DT_TRY(rest_crc(fd, path, bytes, &extents, &crc));
    if (crc != get_number(seal + AT_REST_CRC, 4))
        return damaged(path, "the checksum of its structure does not fit");
    return DT_OK;
}
