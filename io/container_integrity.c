#include "io/container_integrity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/file_kind.h"

#define BUFFER_BYTES ((size_t)1 << 18)

/* Contains a non-ASCII byte, so that the file is not taken for text, and line ends, so that a
 * conversion of line ends is detected. */
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
    if (extents->count == DT_INTEGRITY_EXTENTS)
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

/* Reads `size` bytes, fewer at the end of the file; *got is the number read. */
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

static uint32_t header_crc(unsigned char *header)
{
    const uint64_t stored = get_number(header + AT_CRC, 4);
    put_number(header + AT_CRC, 0, 4);
    const uint32_t crc = (uint32_t)crc32(0, header, DT_INTEGRITY_BYTES);
    put_number(header + AT_CRC, stored, 4);
    return crc;
}

/* Updates *crc, a CRC-32, with the bytes of [start, end). */
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

/* Computes the CRC-32 of everything after the header and outside all extents (sorted). */
static dt_status rest_crc(int fd, const char *path, uint64_t bytes, const dt_extents *extents,
                          uint32_t *crc)
{
    unsigned char *buffer;
    DT_TRY(DT_NEW(buffer, BUFFER_BYTES));
    uint64_t at = DT_INTEGRITY_BYTES;
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

dt_status dt_integrity_write(int fd, const char *path, dt_extents *extents)
{
    unsigned char header[DT_INTEGRITY_BYTES] = {0};
    struct stat info;
    uint32_t crc;
    sort_extents(extents);
    if (fstat(fd, &info) != 0)
        return read_failed(path);
    DT_TRY(rest_crc(fd, path, (uint64_t)info.st_size, extents, &crc));
    memcpy(header, magic, sizeof magic);
    put_number(header + AT_VERSION, 1, 4);
    put_number(header + AT_BYTES, (uint64_t)info.st_size, 8);
    put_number(header + AT_REST_CRC, crc, 4);
    put_number(header + AT_COUNT, (uint64_t)extents->count, 4);
    unsigned char *at = header + AT_LIST;
    for (int32_t i = 0; i < extents->count; ++i, at += 16) {
        put_number(at, extents->item[i].start, 8);
        put_number(at + 8, extents->item[i].end - extents->item[i].start, 8);
    }
    put_number(header + AT_CRC, header_crc(header), 4);
    for (size_t done = 0; done < sizeof header;) {
        const ssize_t put = pwrite(fd, header + done, sizeof header - done, (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return dt_fail(dt_write_failure(errno), "%s: cannot write: %s", path, strerror(errno));
        done += (size_t)put;
    }
    return DT_OK;
}

/* Describes a file that does not begin with our magic. `head` holds its first `got` bytes. */
static dt_status foreign(const char *path, const unsigned char *head, size_t got)
{
    if (got == 0)
        return dt_fail(DT_ERR_INPUT, "%s: the file is empty", path);
    if (got >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0)
        return dt_fail(DT_ERR_INPUT, "%s: an HDF5 file, but not written by DeepTaxa-MPI", path);
    const bool zip = got >= 4 && memcmp(head, "PK\3\4", 4) == 0;
    const bool pickle = got >= 2 && head[0] == 0x80 && head[1] <= 5;
    if (zip || pickle)
        return dt_fail(DT_ERR_INPUT,
                       "%s: a PyTorch file (%s), not an HDF5 file written by DeepTaxa-MPI%s", path,
                       zip ? "zip" : "pickle",
                       pickle ? ": save a model again with PyTorch 1.6 or later" : "");
    const char *kind = dt_file_kind_of(head, got).what;
    return dt_fail(DT_ERR_INPUT,
                   "%s: %s%sneither a file written by DeepTaxa-MPI (.h5) nor a checkpoint of "
                   "DeepTaxa (.pt)",
                   path, kind ? kind : "", kind ? ", " : "");
}

static dt_status damaged(const char *path, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: %s", path, what);
}

static dt_status load_extents(const unsigned char *header, const char *path, uint64_t bytes,
                              dt_extents *extents)
{
    const uint64_t count = get_number(header + AT_COUNT, 4);
    uint64_t last = DT_INTEGRITY_BYTES;
    if (count > DT_INTEGRITY_EXTENTS)
        return damaged(path, "its integrity header is invalid");
    extents->count = (int32_t)count;
    for (uint64_t i = 0; i < count; ++i) {
        const uint64_t start = get_number(header + AT_LIST + 16 * i, 8);
        const uint64_t length = get_number(header + AT_LIST + 16 * i + 8, 8);
        if (start < last || start > bytes || length > bytes - start)
            return damaged(path, "its integrity header is invalid");
        last = start + length;
        extents->item[i].start = start;
        extents->item[i].end = last;
    }
    return DT_OK;
}

dt_status dt_integrity_check(int fd, const char *path)
{
    unsigned char header[DT_INTEGRITY_BYTES];
    struct stat info;
    size_t got;
    uint32_t crc;
    dt_extents extents = {0};
    if (fstat(fd, &info) != 0)
        return read_failed(path);
    DT_TRY(read_bytes(fd, path, 0, header, sizeof header, &got));
    if (got == 0 || memcmp(header, magic, got < sizeof magic ? got : sizeof magic) != 0)
        return foreign(path, header, got);
    if (got < sizeof header)
        return dt_fail(DT_ERR_INPUT, "%s: the file is truncated: only %zu bytes remain", path, got);
    if (header_crc(header) != get_number(header + AT_CRC, 4) ||
        get_number(header + AT_VERSION, 4) != 1)
        return damaged(path, "the checksum of its integrity header does not match");
    const uint64_t bytes = get_number(header + AT_BYTES, 8);
    if ((uint64_t)info.st_size < bytes)
        return dt_fail(DT_ERR_INPUT,
                       "%s: the file is truncated: %" PRIu64 " of %" PRIu64 " bytes remain", path,
                       (uint64_t)info.st_size, bytes);
    if ((uint64_t)info.st_size > bytes)
        return damaged(path, "bytes were appended to it");
    DT_TRY(load_extents(header, path, bytes, &extents));
    DT_TRY(rest_crc(fd, path, bytes, &extents, &crc));
    if (crc != get_number(header + AT_REST_CRC, 4))
        return damaged(path, "the checksum of its structure does not match");
    return DT_OK;
}
