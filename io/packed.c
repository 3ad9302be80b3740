#include "io/packed.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

static bool begins(const unsigned char *bytes, size_t length, const char *magic, size_t size)
{
    return length >= size && memcmp(bytes, magic, size) == 0;
}

/* "BZh" and a digit, then the first block; or the end, if the text is empty. */
static bool is_bzip2(const unsigned char *bytes, size_t length)
{
    return length >= 10 && begins(bytes, length, "BZh", 3) && bytes[3] >= '1' && bytes[3] <= '9' &&
           (memcmp(bytes + 4, "1AY&SY", 6) == 0 || memcmp(bytes + 4, "\x17rE8P\x90", 6) == 0);
}

/* Some programs write a skippable frame before the data. */
static bool is_zstd(const unsigned char *bytes, size_t length)
{
    return begins(bytes, length, "\x28\xb5\x2f\xfd", 4) ||
           (length >= 4 && (bytes[0] & 0xf0) == 0x50 && memcmp(bytes + 1, "\x2a\x4d\x18", 3) == 0);
}

dt_packing dt_packing_of(const unsigned char *bytes, size_t length)
{
    if (begins(bytes, length, "\x1f\x8b", 2))
        return DT_PACKED_GZIP;
    if (is_bzip2(bytes, length))
        return DT_PACKED_BZIP2;
    if (begins(bytes, length, "\xfd\x37zXZ\0", 6))
        return DT_PACKED_XZ;
    if (is_zstd(bytes, length))
        return DT_PACKED_ZSTD;
    if (begins(bytes, length, "PK\3\4", 4))
        return DT_PACKED_ZIP;
    return DT_PACKED_NOT;
}

const char *dt_packing_name(dt_packing packing)
{
    static const char *const names[] = {
        [DT_PACKED_NOT] = "plain", [DT_PACKED_GZIP] = "gzip", [DT_PACKED_BZIP2] = "bzip2",
        [DT_PACKED_XZ] = "xz",     [DT_PACKED_ZSTD] = "zstd", [DT_PACKED_ZIP] = "zip"};
    return names[packing];
}

dt_status dt_packed_skip_zeros(dt_raw_file *raw, const unsigned char **block, size_t *length)
{
    for (;;) {
        size_t zeros = 0;
        DT_TRY(dt_raw_file_block(raw, block, length));
        while (zeros < *length && (*block)[zeros] == 0)
            zeros++;
        dt_raw_file_take(raw, zeros);
        if (zeros < *length || *length == 0) {
            *block += zeros;
            *length -= zeros;
            return DT_OK;
        }
    }
}

dt_status dt_packed_cut_off(const char *name, dt_packing packing, int64_t line)
{
    return dt_fail(
        DT_ERR_INPUT,
        "%s: the %s data ends too early, after line %lld: the file is truncated and the text after "
        "that line is missing; copy or download it again",
        name, dt_packing_name(packing), (long long)line);
}

dt_status dt_packed_damaged(const char *name, dt_packing packing, int64_t line, const char *reason)
{
    return dt_fail(
        DT_ERR_INPUT,
        "%s: damaged %s data after line %lld (%s): the text after that line is lost; copy or "
        "download the file again",
        name, dt_packing_name(packing), (long long)line, reason);
}

dt_status dt_packed_refuse_rest(dt_raw_file *raw, dt_packing packing, int64_t line)
{
    const unsigned char *block;
    size_t length;
    char excerpt[DT_EXCERPT_SIZE];
    char count[32] = "bytes";
    DT_TRY(dt_packed_skip_zeros(raw, &block, &length));
    const long long left = (long long)(raw->size - raw->taken);
    if (raw->size >= 0)
        snprintf(count, sizeof count, "%lld byte%s", left, left == 1 ? "" : "s");
    return dt_fail(
        DT_ERR_INPUT,
        "%s: its %s data ends after line %lld, followed by %s that would be lost ('%s'): "
        "decompress each part separately and join the texts",
        raw->name, dt_packing_name(packing), (long long)line, count,
        dt_excerpt(excerpt, (const char *)block, length));
}
