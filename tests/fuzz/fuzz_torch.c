/* Model files of DeepTaxa (.pt). The mutator changes one entry of the archive, mostly the pickle, and
 * writes the archive again; or bytes of the whole file. The target corrects the checksums. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "io/zip_records.h"
#include "use_checkpoint.h"

#define ENTRIES 256

typedef struct {
    const uint8_t *name;
    size_t name_length;
    const uint8_t *data;
    size_t size;
    size_t record; /* place in the directory */
} entry;

typedef struct {
    entry item[ENTRIES];
    size_t count;
} archive;

/* Reads an entry of the directory; false if it is not one of this file. */
static bool read_entry(const uint8_t *bytes, size_t size, size_t at, entry *out, size_t *length)
{
    if (at + 46 > size || memcmp(bytes + at, "PK\1\2", 4) != 0)
        return false;
    const size_t local = dt_zip_number(bytes + at + 42, 4);
    out->record = at;
    out->name = bytes + at + 46;
    out->name_length = dt_zip_number(bytes + at + 28, 2);
    out->size = dt_zip_number(bytes + at + 24, 4);
    *length = 46 + out->name_length + dt_zip_number(bytes + at + 30, 2) +
              dt_zip_number(bytes + at + 32, 2);
    if (at + 46 + out->name_length > size || local + 30 > size)
        return false;
    const size_t data =
        local + 30 + dt_zip_number(bytes + local + 26, 2) + dt_zip_number(bytes + local + 28, 2);
    out->data = bytes + data;
    return data <= size && out->size <= size - data;
}

static bool read_archive(const uint8_t *bytes, size_t size, archive *out)
{
    out->count = 0;
    if (size < DT_ZIP_END || memcmp(bytes + size - DT_ZIP_END, "PK\5\6", 4) != 0)
        return false;
    size_t at = dt_zip_number(bytes + size - 6, 4);
    size_t length;
    while (out->count < ENTRIES && read_entry(bytes, size, at, &out->item[out->count], &length)) {
        at += length;
        out->count++;
    }
    return out->count > 0;
}

static void put(uint8_t *at, uint64_t value, int count)
{
    for (int i = 0; i < count; ++i)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* Write an entry with its local header, and its record in the directory; return the length. */
static size_t put_local(uint8_t *to, const entry *e)
{
    memset(to, 0, 30);
    memcpy(to, "PK\3\4", 4);
    put(to + 18, e->size, 4);
    put(to + 22, e->size, 4);
    put(to + 26, e->name_length, 2);
    memcpy(to + 30, e->name, e->name_length);
    memcpy(to + 30 + e->name_length, e->data, e->size);
    return 30 + e->name_length + e->size;
}

static size_t put_record(uint8_t *to, const entry *e, size_t local)
{
    memset(to, 0, 46);
    memcpy(to, "PK\1\2", 4);
    put(to + 16, crc32_z(0, e->data, e->size), 4);
    put(to + 20, e->size, 4);
    put(to + 24, e->size, 4);
    put(to + 28, e->name_length, 2);
    put(to + 42, local, 4);
    memcpy(to + 46, e->name, e->name_length);
    return 46 + e->name_length;
}

/* Returns the length, 0 if it does not fit `most`. */
static size_t write_archive(const archive *from, uint8_t *to, size_t most)
{
    size_t local[ENTRIES];
    size_t need = DT_ZIP_END;
    size_t at = 0;
    for (size_t i = 0; i < from->count; ++i)
        need += 76 + 2 * from->item[i].name_length + from->item[i].size;
    if (need > most)
        return 0;
    for (size_t i = 0; i < from->count; ++i) {
        local[i] = at;
        at += put_local(to + at, &from->item[i]);
    }
    const size_t directory = at;
    for (size_t i = 0; i < from->count; ++i)
        at += put_record(to + at, &from->item[i], local[i]);
    memset(to + at, 0, DT_ZIP_END);
    memcpy(to + at, "PK\5\6", 4);
    put(to + at + 8, from->count, 2);
    put(to + at + 10, from->count, 2);
    put(to + at + 12, at - directory, 4);
    put(to + at + 16, directory, 4);
    return at + DT_ZIP_END;
}

/* Mutates an entry of a copy of the file; returns the new size, 0 if that is not possible. */
static size_t mutate_entry(const uint8_t *bytes, size_t size, uint8_t *to, size_t most,
                           uint64_t *random)
{
    archive zip;
    if (!read_archive(bytes, size, &zip))
        return 0;
    entry *chosen = &zip.item[fuzz_random(random) % zip.count];
    for (size_t i = 0; i < zip.count && fuzz_random(random) % 8 != 0; ++i)
        if (zip.item[i].name_length >= 8 &&
            memcmp(zip.item[i].name + zip.item[i].name_length - 8, "data.pkl", 8) == 0)
            chosen = &zip.item[i];
    const size_t room = chosen->size + 256;
    uint8_t *data = calloc(1, room);
    FUZZ_CHECK(data != NULL);
    memcpy(data, chosen->data, chosen->size);
    chosen->size = LLVMFuzzerMutate(data, chosen->size, room);
    chosen->data = data;
    const size_t length = write_archive(&zip, to, most);
    free(data);
    return length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned int seed)
{
    uint64_t random = seed;
    if (fuzz_random(&random) % 4 == 0)
        return LLVMFuzzerMutate(bytes, size, most);
    uint8_t *copy = malloc(size + 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    const size_t length = mutate_entry(copy, size, bytes, most, &random);
    if (!length)
        memcpy(bytes, copy, size);
    free(copy);
    return length ? length : LLVMFuzzerMutate(bytes, size, most);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    archive zip;
    uint8_t *copy = malloc(size + 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    if (read_archive(copy, size, &zip))
        for (size_t i = 0; i < zip.count; ++i)
            put(copy + zip.item[i].record + 16, crc32_z(0, zip.item[i].data, zip.item[i].size), 4);
    use_checkpoint(copy, size);
    free(copy);
    return 0;
}
