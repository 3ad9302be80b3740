#include "io/hdf5_elements.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

dt_status dt_hdf5_elements_open(dt_hdf5_elements *elements, dt_hdf5_file *file,
                                const dt_hdf5_object *array)
{
    const dt_array_info *info = &array->info;
    const dt_hdf5_storage *storage = &array->storage;
    *elements = (dt_hdf5_elements){.file = file, .array = array, .loaded = -1};
    file->object = info->name;
    if (info->bytes == 0)
        return DT_OK;
    if ((uint64_t)info->bytes > file->bytes)
        return dt_fail(DT_ERR_INPUT, "%s: '%s' claims more bytes than the file has", file->path,
                       info->name);
    if (storage->kind == DT_HDF5_CONTIGUOUS) {
        if (storage->address == DT_HDF5_UNDEFINED)
            return dt_hdf5_refused(file, "was never written");
        return storage->bytes == (uint64_t)info->bytes && storage->address <= file->bytes &&
                       !storage->fletcher32
                   ? DT_OK
                   : dt_hdf5_damaged(file, "layout");
    }
    DT_TRY(dt_hdf5_chunks_load(&elements->chunks, file, array));
    const dt_status status = DT_NEW(elements->buffer, (size_t)elements->chunks.bytes + 4);
    if (status != DT_OK)
        dt_hdf5_elements_close(elements);
    return status;
}

void dt_hdf5_elements_close(dt_hdf5_elements *elements)
{
    free(elements->chunks.address);
    free(elements->buffer);
    *elements = (dt_hdf5_elements){0};
}

/* Loads a chunk into the buffer, and compares its checksum. */
static dt_status load_chunk(dt_hdf5_elements *elements, int64_t number)
{
    if (elements->loaded == number)
        return DT_OK;
    const bool checked = elements->array->storage.fletcher32;
    const size_t bytes = (size_t)elements->chunks.bytes;
    elements->loaded = -1;
    DT_TRY(dt_hdf5_read(elements->file, elements->chunks.address[number], bytes + (checked ? 4 : 0),
                        elements->buffer, "chunk"));
    dt_hdf5_cursor end = {.at = elements->buffer + bytes, .left = 4};
    if (checked && dt_hdf5_fletcher32(elements->buffer, bytes) != dt_hdf5_number(&end, 4))
        return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: the checksum of '%s' does not match",
                       elements->file->path, elements->array->info.name);
    elements->loaded = number;
    return DT_OK;
}

/* The part of a chunk that is copied: steps of each dimension in the chunk and in the output. */
typedef struct {
    int32_t last; /* the dimension whose part is copied as a whole */
    int64_t extent[DT_MAX_DIMENSIONS];
    int64_t chunk_step[DT_MAX_DIMENSIONS]; /* bytes */
    int64_t step[DT_MAX_DIMENSIONS];       /* bytes */
} box;

static void copy_box(const box *part, int32_t dimension, const unsigned char *from,
                     unsigned char *to)
{
    if (dimension == part->last) {
        memcpy(to, from, (size_t)(part->extent[dimension] * part->step[dimension]));
        return;
    }
    for (int64_t i = 0; i < part->extent[dimension]; ++i)
        copy_box(part, dimension + 1, from + i * part->chunk_step[dimension],
                 to + i * part->step[dimension]);
}

/* Copies what the loaded chunk has of rows first … first + rows - 1 to `out`. */
static void copy_chunk(const dt_hdf5_elements *elements, int64_t first, int64_t rows,
                       unsigned char *out)
{
    const dt_array_info *info = &elements->array->info;
    const int64_t *chunk = elements->array->storage.chunk;
    int64_t number = elements->loaded;
    int64_t chunk_step = info->element_bytes;
    int64_t step = info->element_bytes;
    const unsigned char *from = elements->buffer;
    box part = {0};
    for (int32_t i = info->dimensions - 1; i >= 0; --i) {
        const int64_t origin = number % elements->chunks.along[i] * chunk[i];
        const int64_t start = i == 0 && first > origin ? first : origin;
        int64_t end = i == 0 ? first + rows : info->shape[i];
        end = end < origin + chunk[i] ? end : origin + chunk[i];
        number /= elements->chunks.along[i];
        part.extent[i] = end - start;
        part.chunk_step[i] = chunk_step;
        part.step[i] = step;
        from += (start - origin) * chunk_step;
        out += (start - (i == 0 ? first : 0)) * step;
        if (part.last == 0 && (i == 0 || chunk[i] != info->shape[i]))
            part.last = i; /* what is below is whole in both */
        chunk_step *= chunk[i];
        step *= info->shape[i];
    }
    copy_box(&part, 0, from, out);
}

dt_status dt_hdf5_elements_read(dt_hdf5_elements *elements, int64_t first, int64_t rows, void *out)
{
    const dt_array_info *info = &elements->array->info;
    const dt_hdf5_storage *storage = &elements->array->storage;
    if (info->bytes == 0 || rows == 0)
        return DT_OK;
    elements->file->object = info->name;
    if (storage->kind == DT_HDF5_CONTIGUOUS) {
        const uint64_t row = (uint64_t)(info->bytes / info->shape[0]);
        return dt_hdf5_read(elements->file, storage->address + (uint64_t)first * row,
                            (uint64_t)rows * row, out, "array");
    }
    const int64_t across = elements->chunks.count / elements->chunks.along[0]; /* chunks of a row */
    const int64_t end = ((first + rows - 1) / storage->chunk[0] + 1) * across;
    for (int64_t i = first / storage->chunk[0] * across; i < end; ++i) {
        DT_TRY(load_chunk(elements, i));
        copy_chunk(elements, first, rows, out);
    }
    return DT_OK;
}
