/* Writes a file as PyTorch's torch.save() does: a zip archive (io/zip_writer.h) of a pickle
 * (io/pickle_writer.h) and, for each tensor in it, an entry with the tensor's elements.
 *
 *     dt_torch_writer file = {0};
 *     dt_torch_writer_start(&file);
 *     dt_pickle_begin_dict(&file.pickle);
 *     dt_pickle_put_text(&file.pickle, "weight");
 *     dt_torch_put_tensor(&file, DT_TORCH_FLOAT32, 2, shape);
 *     dt_pickle_end_dict(&file.pickle);
 *     status = dt_torch_writer_save(&file, path, fill, context);
 *     dt_torch_writer_free(&file);
 */
#ifndef DT_IO_TORCH_WRITER_H
#define DT_IO_TORCH_WRITER_H

#include <stdint.h>

#include "io/pickle_writer.h"
#include "io/zip_writer.h"

typedef enum { DT_TORCH_FLOAT32, DT_TORCH_UINT8 } dt_torch_element;

typedef struct {
    dt_pickle_writer pickle;
    int64_t *bytes; /* (count) size of each tensor */
    size_t count, capacity;
} dt_torch_writer;

void dt_torch_writer_start(dt_torch_writer *file);

/* Adds a contiguous tensor to the pickle; dims 0: a scalar. Tensors are numbered from 0. */
void dt_torch_put_tensor(dt_torch_writer *file, dt_torch_element element, int32_t dims,
                         const int64_t *shape);

/* Adds the empty collections.OrderedDict to the pickle. */
void dt_torch_put_ordered_dict(dt_torch_writer *file);

/* Adds the elements of the tensor `number`, little-endian, to the entry that has begun. */
typedef dt_status (*dt_torch_fill)(void *context, int64_t number, dt_zip_writer *zip);

/* Writes the file, atomically; `fill` is called once for each tensor, in order. */
dt_status dt_torch_writer_save(dt_torch_writer *file, const char *path, dt_torch_fill fill,
                               void *context);

void dt_torch_writer_free(dt_torch_writer *file);

#endif
