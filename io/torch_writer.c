#include "io/torch_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "archive/"

void dt_torch_writer_start(dt_torch_writer *file)
{
    dt_pickle_writer_start(&file->pickle);
}

void dt_torch_put_ordered_dict(dt_torch_writer *file)
{
    dt_pickle_put_global(&file->pickle, "collections", "OrderedDict");
    dt_pickle_begin_tuple(&file->pickle);
    dt_pickle_end_tuple(&file->pickle);
    dt_pickle_put_call(&file->pickle);
}

/* The storage of tensor `number`: all its elements. */
static void put_storage(dt_pickle_writer *pickle, dt_torch_element element, size_t number,
                        int64_t elements)
{
    char key[24];
    snprintf(key, sizeof key, "%zu", number);
    dt_pickle_begin_tuple(pickle);
    dt_pickle_put_text(pickle, "storage");
    dt_pickle_put_global(pickle, "torch",
                         element == DT_TORCH_UINT8 ? "ByteStorage" : "FloatStorage");
    dt_pickle_put_text(pickle, key);
    dt_pickle_put_text(pickle, "cpu");
    dt_pickle_put_int(pickle, elements);
    dt_pickle_end_tuple(pickle);
    dt_pickle_put_persistent(pickle);
}

static void put_numbers(dt_pickle_writer *pickle, int32_t count, const int64_t *numbers)
{
    dt_pickle_begin_tuple(pickle);
    for (int32_t i = 0; i < count; ++i)
        dt_pickle_put_int(pickle, numbers[i]);
    dt_pickle_end_tuple(pickle);
}

void dt_torch_put_tensor(dt_torch_writer *file, dt_torch_element element, int32_t dims,
                         const int64_t *shape)
{
    dt_pickle_writer *pickle = &file->pickle;
    int64_t stride[8];
    int64_t elements = 1;
    for (int32_t d = dims - 1; d >= 0; --d) {
        stride[d] = elements;
        elements *= shape[d];
    }
    if (pickle->status == DT_OK)
        pickle->status = DT_GROW(file->bytes, file->capacity, file->count + 1);
    if (pickle->status != DT_OK)
        return;
    dt_pickle_put_global(pickle, "torch._utils", "_rebuild_tensor_v2");
    dt_pickle_begin_tuple(pickle);
    put_storage(pickle, element, file->count, elements);
    dt_pickle_put_int(pickle, 0); /* offset in the storage */
    put_numbers(pickle, dims, shape);
    put_numbers(pickle, dims, stride);
    dt_pickle_put_bool(pickle, false); /* requires_grad */
    dt_torch_put_ordered_dict(file);   /* hooks of the backward pass */
    dt_pickle_end_tuple(pickle);
    dt_pickle_put_call(pickle);
    file->bytes[file->count++] =
        elements * (element == DT_TORCH_UINT8 ? 1 : (int64_t)sizeof(float));
}

static void put_text(dt_zip_writer *zip, const char *name, const char *text)
{
    dt_zip_writer_put(zip, name, text, strlen(text));
}

static dt_status write_entries(dt_torch_writer *file, dt_zip_writer *zip, dt_torch_fill fill,
                               void *context)
{
    char text[48];
    dt_zip_writer_put(zip, FOLDER "data.pkl", file->pickle.text.data, file->pickle.text.length);
    put_text(zip, FOLDER ".format_version", "1");
    put_text(zip, FOLDER ".storage_alignment", "64");
    put_text(zip, FOLDER "byteorder", "little");
    for (size_t i = 0; i < file->count; ++i) {
        snprintf(text, sizeof text, FOLDER "data/%zu", i);
        dt_zip_writer_begin(zip, text, file->bytes[i]);
        DT_TRY(fill(context, (int64_t)i, zip));
    }
    put_text(zip, FOLDER "version", "3\n");
    snprintf(text, sizeof text, "%040" PRIu64, dt_zip_writer_hash(zip));
    put_text(zip, FOLDER ".data/serialization_id", text);
    return DT_OK;
}

dt_status dt_torch_writer_save(dt_torch_writer *file, const char *path, dt_torch_fill fill,
                               void *context)
{
    dt_zip_writer *zip;
    DT_TRY(dt_pickle_writer_finish(&file->pickle));
    DT_TRY(dt_zip_writer_create(&zip, path));
    const dt_status status = write_entries(file, zip, fill, context);
    if (status != DT_OK) {
        dt_zip_writer_discard(zip);
        return status;
    }
    return dt_zip_writer_commit(zip);
}

void dt_torch_writer_free(dt_torch_writer *file)
{
    dt_text_free(&file->pickle.text);
    free(file->bytes);
    *file = (dt_torch_writer){0};
}
