/* Reads a file of torch.save() (`.pt`, the zip format of PyTorch 1.6 and later): a tree of values
 * (io/pickle.h) whose leaves may be tensors, and the elements of a tensor.
 *
 * Nothing in the file is executed. Every tensor is checked when the file is opened: its elements
 * are contiguous, in row-major order, and inside its storage, which has the size of its zip entry.
 * Failures are DT_ERR_INPUT or DT_ERR_IO with the file's name and the reason, in one line.
 *
 * Objects that the tree understands: dicts, OrderedDict, lists, tuples, numbers, texts, tensors, NumPy
 * scalars, and a BertConfig of transformers as the dict of its attributes. NumPy arrays and dtypes
 * of PyTorch are opaque. A file that refers to anything else is refused.
 */
#ifndef DT_IO_TORCH_FILE_H
#define DT_IO_TORCH_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "io/pickle.h"

#define DT_TORCH_DIMENSIONS 8

typedef struct dt_torch_file dt_torch_file;

/* A kind of storage: its class in PyTorch and the conversion of its elements; torch_file.c. */
typedef struct dt_torch_type dt_torch_type;

typedef struct {
    int32_t dimensions; /* 0 … DT_TORCH_DIMENSIONS */
    int64_t shape[DT_TORCH_DIMENSIONS];
    int64_t count; /* product of the shape: 1 without dimensions */
    int64_t first; /* its first element in the storage */
    const dt_torch_type *type;
    int64_t storage; /* number of its entry in the archive */
} dt_torch_tensor;

/* Returns whether the file begins like a zip archive, as those of torch.save() do; false also if it
 * cannot be read. */
bool dt_torch_file_probable(const char *path);

/* Opens the file and reads its tree. `path` is copied. */
dt_status dt_torch_open(dt_torch_file **out, const char *path);
void dt_torch_close(dt_torch_file *file); /* NULL is allowed */

const char *dt_torch_path(const dt_torch_file *file);
/* The object that was saved; valid until the file is closed, as all its values. */
const dt_pickle_value *dt_torch_root(const dt_torch_file *file);

/* Reads the whole file and checks its checksums. */
dt_status dt_torch_verify(dt_torch_file *file);

/* Returns the tensor of a value; NULL if it is none (or NULL). */
const dt_torch_tensor *dt_torch_tensor_of(const dt_pickle_value *value);

/* Reads `count` elements from number `first` on into `out`, converted to float (from float, double,
 * half, bfloat16, integers or bool). Elements of float are read from the file into `out` directly.
 * The blocks of a tensor that are read in order are checked against the storage's CRC by the last
 * one; so read a tensor to its end before using it. */
dt_status dt_torch_read(dt_torch_file *file, const dt_torch_tensor *tensor, int64_t first,
                        int64_t count, float *out);

#endif
