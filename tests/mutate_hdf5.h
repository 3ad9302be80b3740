/* Changes the structure of HDF5 files at random and makes all checksums right again: those of HDF5's
 * metadata, and the integrity header. For tests that no file which is correctly sealed does harm. */
#ifndef DT_TESTS_MUTATE_HDF5_H
#define DT_TESTS_MUTATE_HDF5_H

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/container_integrity.h"
#include "io/hdf5_bytes.h"

/* A part of a file with a checksum, `end` included; it is in the last four bytes, or at `inside`. */
typedef struct {
    size_t start;
    size_t end;
    size_t inside;
} checked_part;

typedef struct {
    unsigned char *bytes;
    size_t length;
    dt_extents chunks; /* of the integrity header: not changed */
    checked_part *part;
    size_t parts;
    size_t capacity;
} hdf5_original;

static inline uint64_t number_at(const unsigned char *at, size_t size)
{
    dt_hdf5_cursor cursor = {.at = at, .left = size};
    return dt_hdf5_number(&cursor, size);
}

static inline void put_number_at(unsigned char *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; ++i)
        at[i] = (unsigned char)(value >> (8 * i));
}

static inline uint32_t checksum_of(const unsigned char *bytes, const checked_part *part)
{
    unsigned char block[65536];
    const size_t length = part->end - part->start;
    if (!part->inside)
        return dt_hdf5_checksum(bytes + part->start, length - 4);
    memcpy(block, bytes + part->start, length);
    memset(block + part->inside, 0, 4);
    return dt_hdf5_checksum(block, length);
}

static inline unsigned char *checksum_at(unsigned char *bytes, const checked_part *part)
{
    return bytes + (part->inside ? part->start + part->inside : part->end - 4);
}

/* Finds the end of the part that starts here with a signature: where a checksum matches. */
static inline bool find_end(hdf5_original *file, checked_part *part)
{
    const size_t left = file->length - part->start;
    const bool block = memcmp(file->bytes + part->start, "FHDB", 4) == 0;
    for (size_t size = block ? 64 : 14; size <= left && size <= (block ? 65536 : 6000);
         size += block ? size : 1)
        for (size_t inside = block ? 17 : 0; inside <= (block ? 21 : 0); ++inside) {
            part->end = part->start + size;
            part->inside = inside;
            if (number_at(checksum_at(file->bytes, part), 4) == checksum_of(file->bytes, part))
                return true;
        }
    return false;
}

/* Reads a sealed file, and finds its parts with checksums. Free with hdf5_original_free(). */
static inline dt_status hdf5_original_read(hdf5_original *file, const char *path)
{
    static const char signatures[] = "OHDR OCHK FRHP FHDB FHIB BTHD BTLF BTIN FAHD FADB EAHD EAIB "
                                     "EADB EASB \x89HDF";
    char *bytes;
    *file = (hdf5_original){0};
    DT_TRY(dt_read_file(path, &bytes, &file->length));
    file->bytes = (unsigned char *)bytes;
    for (uint64_t i = 0; i < number_at(file->bytes + 36, 4); ++i) {
        const uint64_t start = number_at(file->bytes + 64 + 16 * i, 8);
        dt_extents_add(&file->chunks, start, start + number_at(file->bytes + 72 + 16 * i, 8));
    }
    for (size_t at = DT_INTEGRITY_BYTES; at + 14 < file->length; ++at)
        for (const char *s = signatures; strlen(s) >= 4; s += s[4] ? 5 : 4) {
            checked_part part = {.start = at};
            if (memcmp(bytes + at, s, 4) != 0 || !find_end(file, &part))
                continue;
            DT_TRY(DT_GROW(file->part, file->capacity, file->parts + 1));
            file->part[file->parts++] = part;
        }
    return DT_OK;
}

static inline void hdf5_original_free(hdf5_original *file)
{
    free(file->bytes);
    free(file->part);
}

/* The next number of the generator splitmix64. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* A position after the user block and outside the chunks; mostly in a part with a checksum or near
 * where structure is, since a file is mostly unused space. */
static inline size_t random_position(const hdf5_original *file, uint64_t *state)
{
    for (;;) {
        const checked_part *part =
            file->parts ? &file->part[next_random(state) % file->parts] : NULL;
        size_t at = DT_INTEGRITY_BYTES + next_random(state) % (file->length - DT_INTEGRITY_BYTES);
        if (part && next_random(state) % 8)
            at = part->start + next_random(state) % (part->end - part->start);
        else if (next_random(state) % 8 && file->bytes[at] == 0)
            continue;
        bool usable = at + 8 <= file->length;
        for (int32_t i = 0; i < file->chunks.count; ++i)
            usable =
                usable && (at + 8 <= file->chunks.item[i].start || at >= file->chunks.item[i].end);
        if (usable)
            return at;
    }
}

static inline void change(const hdf5_original *file, unsigned char *bytes, uint64_t *state)
{
    static const uint64_t limits[] = {0,       1,          0x7f,      0xff,       0xffff,
                                      1 << 16, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    static const size_t sizes[] = {1, 2, 4, 8};
    const size_t at = random_position(file, state);
    const size_t size = sizes[next_random(state) % 4];
    const uint64_t chosen = next_random(state);
    switch (next_random(state) % 6) {
    case 0:
        bytes[at] ^= (unsigned char)(1 << chosen % 8);
        break;
    case 1:
        bytes[at] = (unsigned char)chosen;
        break;
    case 2:
        put_number_at(bytes + at, limits[chosen % (sizeof limits / sizeof *limits)], size);
        break;
    case 3:
        put_number_at(bytes + at, number_at(bytes + at, size) + chosen % 9 - 4, size);
        break;
    case 4: /* an address or a length of another place */
        memcpy(bytes + at, file->bytes + random_position(file, state), size);
        break;
    default: /* the address of another part */
        if (file->parts)
            put_number_at(bytes + at, file->part[chosen % file->parts].start - DT_INTEGRITY_BYTES,
                          8);
    }
}

/* Writes a copy of `file` with one to four changes, which `seed` determines, sealed. */
static inline dt_status hdf5_mutant_write(const hdf5_original *file, const char *path,
                                          uint64_t seed)
{
    unsigned char *bytes;
    uint64_t state = seed;
    DT_TRY(DT_NEW(bytes, file->length));
    memcpy(bytes, file->bytes, file->length);
    for (uint64_t i = 1 + next_random(&state) % 4; i > 0; --i)
        change(file, bytes, &state);
    for (size_t i = 0; i < file->parts; ++i) {
        const checked_part *part = &file->part[i];
        if (memcmp(bytes + part->start, file->bytes + part->start, part->end - part->start) != 0)
            put_number_at(checksum_at(bytes, part), checksum_of(bytes, part), 4);
    }
    dt_extents chunks = file->chunks;
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, bytes, file->length) == (ssize_t)file->length;
    free(bytes);
    const dt_status status = written ? dt_integrity_write(fd, path, &chunks)
                                     : dt_fail(DT_ERR_IO, "%s: cannot write it", path);
    close(fd);
    return status;
}

#endif
