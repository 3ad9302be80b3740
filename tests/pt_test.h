/* Damaged and hand-made .pt files for tests: stored zip archives with correct checksums. */
#ifndef DT_TESTS_PT_TEST_H
#define DT_TESTS_PT_TEST_H

#include <zlib.h>

#include "core/file.h"
#include "test.h"

typedef struct {
    unsigned char bytes[1 << 17];
    size_t length;
} pt_bytes;

static inline void pt_number(pt_bytes *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; ++i)
        to->bytes[to->length++] = (unsigned char)(i < 8 ? value >> (8 * i) : 0);
}

static inline void pt_add(pt_bytes *to, const void *bytes, size_t length)
{
    assert_true(length <= sizeof to->bytes - to->length);
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

typedef struct {
    const char *name;
    const void *bytes;
    size_t length;
    int method;    /* 0: stored */
    uint64_t size; /* claimed in the directory; 0: the length */
    int64_t moved; /* added to the place in the directory */
} pt_entry;

/* Adds an archive of these entries, the last one without a name. zip64: sizes, places and the
 * directory's in 64 bits. */
static inline void pt_zip(pt_bytes *to, const pt_entry *entry, bool zip64)
{
    pt_bytes *list = calloc(1, sizeof *list);
    size_t count = 0;
    assert_non_null(list);
    for (; entry[count].name; ++count) {
        const pt_entry *e = &entry[count];
        const uint64_t size = e->size ? e->size : e->length;
        const uint64_t at = to->length + (uint64_t)e->moved;
        pt_add(to, "PK\3\4", 4);
        pt_number(to, 0, 22);
        pt_number(to, strlen(e->name), 2);
        pt_number(to, 0, 2);
        pt_add(to, e->name, strlen(e->name));
        pt_add(list, "PK\1\2", 4);
        pt_number(list, 0, 6);
        pt_number(list, (uint64_t)e->method, 2);
        pt_number(list, 0, 4);
        pt_number(list, crc32_z(0, e->bytes, e->length), 4);
        pt_number(list, zip64 ? UINT32_MAX : size, 4);
        pt_number(list, zip64 ? UINT32_MAX : size, 4);
        pt_number(list, strlen(e->name), 2);
        pt_number(list, zip64 ? 28 : 0, 2);
        pt_number(list, 0, 10);
        pt_number(list, zip64 ? UINT32_MAX : at, 4);
        pt_add(list, e->name, strlen(e->name));
        if (zip64) {
            pt_number(list, 1, 2);
            pt_number(list, 24, 2);
            pt_number(list, size, 8);
            pt_number(list, size, 8);
            pt_number(list, at, 8);
        }
        pt_add(to, e->bytes, e->length);
    }
    const uint64_t directory = to->length;
    pt_add(to, list->bytes, list->length);
    const uint64_t end = to->length;
    if (zip64) {
        pt_add(to, "PK\6\6", 4);
        pt_number(to, 44, 8);
        pt_number(to, 0, 12);
        pt_number(to, count, 8);
        pt_number(to, count, 8);
        pt_number(to, list->length, 8);
        pt_number(to, directory, 8);
        pt_add(to, "PK\6\7", 4);
        pt_number(to, 0, 4);
        pt_number(to, end, 8);
        pt_number(to, 1, 4);
    }
    pt_add(to, "PK\5\6", 4);
    pt_number(to, 0, 4);
    pt_number(to, zip64 ? UINT16_MAX : count, 2);
    pt_number(to, zip64 ? UINT16_MAX : count, 2);
    pt_number(to, zip64 ? UINT32_MAX : list->length, 4);
    pt_number(to, zip64 ? UINT32_MAX : directory, 4);
    pt_number(to, 0, 2);
    free(list);
}

/* A fixture of tests/fixtures/deeptaxa; the caller frees it. */
static inline pt_bytes *pt_fixture(const char *name, const char *project)
{
    char path[8192];
    char *bytes;
    pt_bytes *file = calloc(1, sizeof *file);
    size_t length;
    snprintf(path, sizeof path, "%s/tests/fixtures/deeptaxa/%s", project, name);
    ASSERT_OK(dt_read_file(path, &bytes, &length));
    assert_non_null(file);
    pt_add(file, bytes, length);
    free(bytes);
    return file;
}

/* Position of bytes in the file from `from` on; they must be there. */
static inline size_t pt_place(const pt_bytes *file, size_t from, const void *bytes, size_t length)
{
    for (size_t i = from; i + length <= file->length; ++i)
        if (memcmp(file->bytes + i, bytes, length) == 0)
            return i;
    fail_msg("the fixture lacks the bytes that the test replaces");
    return 0;
}

/* Corrects the CRC of data.pkl in the directory, after bytes of it were changed. PyTorch writes it
 * first, with its data at the first multiple of 64. */
static inline void pt_correct(pt_bytes *file)
{
    const size_t entry = pt_place(file, 0, "PK\1\2", 4);
    unsigned char *at = file->bytes + entry;
    const size_t size = at[24] | (size_t)at[25] << 8 | (size_t)at[26] << 16;
    const size_t data = 30u + file->bytes[26] + file->bytes[28] + ((size_t)file->bytes[29] << 8);
    const uint32_t crc = (uint32_t)crc32_z(0, file->bytes + data, size);
    for (int i = 0; i < 4; ++i)
        at[16 + i] = (unsigned char)(crc >> (8 * i));
}

/* Replaces the first `from` behind `after` (NULL: from the beginning) in data.pkl by `to`. */
static inline void pt_replace(pt_bytes *file, const char *after, const void *from, const void *to,
                              size_t length)
{
    const size_t start = after ? pt_place(file, 0, after, strlen(after)) + strlen(after) : 0;
    memcpy(file->bytes + pt_place(file, start, from, length), to, length);
    pt_correct(file);
}

static inline void pt_write(const pt_bytes *file, const char *path)
{
    FILE *to = fopen(path, "wb");
    assert_non_null(to);
    assert_int_equal(fwrite(file->bytes, 1, file->length, to), file->length);
    fclose(to);
}

#endif
