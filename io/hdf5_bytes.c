#include "io/hdf5_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "io/container_integrity.h"

dt_status dt_hdf5_damaged(const dt_hdf5_file *file, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: the HDF5 %s of '/%.200s' is invalid",
                   file->path, what, file->object);
}

dt_status dt_hdf5_refused(const dt_hdf5_file *file, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: '/%.200s' %s, which DeepTaxa-MPI does not read", file->path,
                   file->object, what);
}

dt_status dt_hdf5_read(const dt_hdf5_file *file, uint64_t address, uint64_t size, void *out,
                       const char *what)
{
    const uint64_t room = file->bytes > DT_INTEGRITY_BYTES ? file->bytes - DT_INTEGRITY_BYTES : 0;
    if (address > room || size > room - address)
        return dt_hdf5_damaged(file, what);
    char *to = out;
    off_t at = (off_t)(address + DT_INTEGRITY_BYTES);
    while (size > 0) {
        const ssize_t got = pread(file->fd, to, (size_t)size, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dt_fail(DT_ERR_IO, "%s: cannot read: %s", file->path, strerror(errno));
        if (got == 0)
            return dt_fail(DT_ERR_INPUT, "%s: the file became shorter while it was read",
                           file->path);
        to += got;
        at += got;
        size -= (uint64_t)got;
    }
    return DT_OK;
}

dt_status dt_hdf5_load(dt_hdf5_file *file, uint64_t address, uint64_t size, unsigned char **out,
                       const char *what)
{
    unsigned char *bytes;
    if (size > file->left)
        return dt_hdf5_damaged(file, what);
    file->left -= size;
    DT_TRY(dt_calloc((void **)&bytes, (size_t)size, 1, what));
    const dt_status status = dt_hdf5_read(file, address, size, bytes, what);
    if (status != DT_OK) {
        free(bytes);
        return status;
    }
    *out = bytes;
    return DT_OK;
}

dt_status dt_hdf5_load_part(dt_hdf5_file *file, uint64_t address, uint64_t size,
                            const char *signature, bool checked, unsigned char **out,
                            const char *what)
{
    unsigned char *bytes = NULL;
    if (size < 8)
        return dt_hdf5_damaged(file, what);
    DT_TRY(dt_hdf5_load(file, address, size, &bytes, what));
    dt_hdf5_cursor end = {.at = bytes + size - 4, .left = 4};
    if (!bytes || memcmp(bytes, signature, 4) != 0 || /* NULL: only to the analyser of clang */
        (checked && dt_hdf5_checksum(bytes, (size_t)size - 4) != dt_hdf5_number(&end, 4))) {
        free(bytes);
        return dt_hdf5_damaged(file, what);
    }
    *out = bytes;
    return DT_OK;
}

/* ---- Checksums ------------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

/* Up to four bytes as a little-endian number. */
static uint32_t word(const unsigned char *at, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count && i < 4; ++i)
        value |= (uint32_t)at[i] << (8 * i);
    return value;
}

static void mix(uint32_t s[3])
{
    static const int bits[6] = {4, 6, 8, 16, 19, 4};
    for (int i = 0; i < 6; ++i) {
        uint32_t *a = &s[i % 3];
        uint32_t *b = &s[(i + 1) % 3];
        uint32_t *c = &s[(i + 2) % 3];
        *a = (*a - *c) ^ rotate(*c, bits[i]);
        *c += *b;
    }
}

static uint32_t finish(uint32_t a, uint32_t b, uint32_t c)
{
    c = (c ^ b) - rotate(b, 14);
    a = (a ^ c) - rotate(c, 11);
    b = (b ^ a) - rotate(a, 25);
    c = (c ^ b) - rotate(b, 16);
    a = (a ^ c) - rotate(c, 4);
    b = (b ^ a) - rotate(a, 14);
    return (c ^ b) - rotate(b, 24);
}

uint32_t dt_hdf5_checksum(const unsigned char *bytes, size_t length)
{
    const uint32_t start = 0xdeadbeef + (uint32_t)length;
    uint32_t s[3] = {start, start, start};
    for (; length > 12; length -= 12, bytes += 12) {
        for (int i = 0; i < 3; ++i)
            s[i] += word(bytes + (size_t)4 * (size_t)i, 4);
        mix(s);
    }
    if (length == 0)
        return s[2];
    for (size_t i = 0; i < 3 && 4 * i < length; ++i)
        s[i] += word(bytes + 4 * i, length - 4 * i);
    return finish(s[0], s[1], s[2]);
}

/* A sum modulo 65,535 in which only a sum of zeros is 0. */
static uint64_t fold(uint64_t sum)
{
    const uint64_t rest = sum % 65535;
    return rest == 0 && sum != 0 ? 65535 : rest;
}

uint32_t dt_hdf5_fletcher32(const unsigned char *bytes, size_t length)
{
    const size_t block = (size_t)1 << 20; /* words; the sum of sums stays below 2^56 */
    uint64_t sum = 0;
    uint64_t sums = 0;
    for (size_t words = length / 2; words > 0;) {
        const size_t count = words < block ? words : block;
        for (size_t i = 0; i < count; ++i) {
            sum += (uint64_t)bytes[2 * i] << 8 | bytes[2 * i + 1];
            sums += sum;
        }
        bytes += 2 * count;
        words -= count;
        sum = fold(sum);
        sums = fold(sums);
    }
    if (length % 2) {
        sum += (uint64_t)*bytes << 8;
        sums += sum;
    }
    return (uint32_t)(fold(sums) << 16 | fold(sum));
}

/* ---- Decoding -------------------------------------------------------------------------------- */

const unsigned char *dt_hdf5_take(dt_hdf5_cursor *cursor, size_t count)
{
    if (cursor->failed || count > cursor->left) {
        cursor->failed = true;
        return NULL;
    }
    const unsigned char *at = cursor->at;
    cursor->at += count;
    cursor->left -= count;
    return at;
}

uint64_t dt_hdf5_number(dt_hdf5_cursor *cursor, size_t size)
{
    const unsigned char *at = dt_hdf5_take(cursor, size);
    uint64_t value = 0;
    for (size_t i = 0; at && i < size; ++i)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

unsigned dt_hdf5_log2(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value | 1);
}

size_t dt_hdf5_bytes_for(uint64_t limit)
{
    return dt_hdf5_log2(limit) / 8 + 1;
}
