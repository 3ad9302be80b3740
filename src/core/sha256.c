#include "core/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"

#define FILE_BLOCK ((size_t)1 << 18)

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, int bits)
{
    return value >> bits | value << (32 - bits);
}

static void add_block(uint32_t state[8], const unsigned char *bytes)
{
    uint32_t w[64];
    for (int i = 0; i < 16; ++i, bytes += 4)
        w[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
               bytes[3];
    for (int i = 16; i < 64; ++i)
        w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
               w[i - 7] + (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; ++i) {
        const uint32_t first = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                               ((e & f) ^ (~e & g)) + constants[i] + w[i];
        const uint32_t second =
            (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    const uint32_t add[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i)
        state[i] += add[i];
}

void dt_sha256_begin(dt_sha256 *sha)
{
    *sha = (dt_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void dt_sha256_add(dt_sha256 *sha, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    while (length > 0) {
        const size_t used = sha->length % sizeof sha->block;
        const size_t room = sizeof sha->block - used;
        const size_t count = length < room ? length : room;
        if (count == sizeof sha->block) {
            add_block(sha->state, at);
        } else {
            memcpy(sha->block + used, at, count);
            if (count == room)
                add_block(sha->state, sha->block);
        }
        sha->length += count;
        at += count;
        length -= count;
    }
}

void dt_sha256_end(dt_sha256 *sha, char hex[DT_SHA256_HEX])
{
    static const unsigned char padding[64] = {0x80};
    unsigned char bits[8];
    for (int i = 0; i < 8; ++i)
        bits[i] = (unsigned char)(sha->length * 8 >> (56 - 8 * i));
    const size_t used = sha->length % 64;
    dt_sha256_add(sha, padding, used < 56 ? 56 - used : 120 - used);
    dt_sha256_add(sha, bits, sizeof bits);
    for (int i = 0; i < 8; ++i)
        snprintf(hex + (size_t)8 * i, 9, "%08x", (unsigned)sha->state[i]);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static dt_status cannot_read(const char *path)
{
    return dt_fail(DT_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
}

static dt_status add_file(dt_sha256 *sha, int fd, const char *path)
{
    unsigned char *buffer;
    DT_TRY(DT_NEW(buffer, FILE_BLOCK));
    ssize_t got;
    while ((got = read(fd, buffer, FILE_BLOCK)) > 0 || (got < 0 && errno == EINTR))
        dt_sha256_add(sha, buffer, got > 0 ? (size_t)got : 0);
    free(buffer);
    return got < 0 ? cannot_read(path) : DT_OK;
}

dt_status dt_sha256_file(const char *path, char hex[DT_SHA256_HEX])
{
    dt_sha256 sha;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not block on a pipe */
    if (fd < 0)
        return cannot_read(path);
    dt_sha256_begin(&sha);
    const dt_status status = add_file(&sha, fd, path);
    close(fd);
    dt_sha256_end(&sha, hex);
    return status;
}

void dt_sha256_remove_beside(const char *path)
{
    char beside[PATH_MAX];
    if (dt_path(beside, sizeof beside, "%s.sha256", path) == DT_OK && unlink(beside) == 0)
        dt_notice("%s: removed, since the file that it was of has been replaced", beside);
}

dt_status dt_sha256_expect(const char *path, const char *expected)
{
    char found[DT_SHA256_HEX];
    if (strlen(expected) != DT_SHA256_HEX - 1 ||
        strspn(expected, "0123456789abcdefABCDEF") != DT_SHA256_HEX - 1)
        return dt_fail(DT_ERR_USAGE, "--expect-sha256 %.80s: must be 64 hexadecimal digits",
                       expected);
    DT_TRY(dt_sha256_file(path, found));
    if (strcasecmp(found, expected) == 0)
        return DT_OK;
    return dt_fail(
        DT_ERR_INPUT,
        "%s: another file than expected: its SHA-256 is %s, not %.64s: download it again", path,
        found, expected);
}
