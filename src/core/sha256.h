/* SHA-256 (FIPS 180-4), by which a published file is recognised. */
#ifndef DT_CORE_SHA256_H
#define DT_CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DT_SHA256_HEX 65 /* bytes of a digest in hexadecimal, with the '\0' */

typedef struct {
    uint32_t state[8];
    uint64_t length;         /* bytes so far */
    unsigned char block[64]; /* the last length % 64 of them */
} dt_sha256;

void dt_sha256_begin(dt_sha256 *sha);
void dt_sha256_add(dt_sha256 *sha, const void *bytes, size_t length);
/* Writes the digest, in small letters. */
void dt_sha256_end(dt_sha256 *sha, char hex[DT_SHA256_HEX]);

/* The digest of a file. DT_ERR_IO. */
dt_status dt_sha256_file(const char *path, char hex[DT_SHA256_HEX]);

/* Removes <path>.sha256, with a notice, after `path` has been replaced: it is that of the older file. */
void dt_sha256_remove_beside(const char *path);

/* Compares the file with a digest that a user gives with --expect-sha256, of either case:
 * DT_ERR_USAGE if that is not 64 hexadecimal digits, DT_ERR_INPUT if the file has another. */
dt_status dt_sha256_expect(const char *path, const char *expected);

#endif
