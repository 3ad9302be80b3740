#include "io/torch_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bf16.h"
#include "core/file.h"
#include "core/memory.h"
#include "io/zip_stored.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are stored little-endian");

struct dt_torch_type {
    const char *class; /* of the storage, as in the pickle */
    int64_t bytes;     /* of an element */
    void (*convert)(float *out, const void *elements, int64_t count); /* NULL: they are floats */
};

/* A storage, whose elements tensors share. */
typedef struct {
    const dt_torch_type *type;
    int64_t entry; /* number in the archive */
    int64_t elements;
} storage;

enum { IS_STORAGE = 1, IS_TENSOR }; /* kinds of DT_PICKLE_OBJECT */

struct dt_torch_file {
    char path[PATH_MAX];
    dt_zip zip;
    const char *root; /* (root_length) of the archive's folder, with its '/' */
    size_t root_length;
    dt_pickle *pickle;
    dt_pickle_value object;
};

/* The largest multiple in practice is that of a list of integers: it takes 5 bytes of the pickle for
 * each, and 16 of memory, up to twice. */
static int64_t most_memory(int64_t pickle_bytes)
{
    return ((int64_t)16 << 20) + 8 * pickle_bytes;
}

/* ---- element types --------------------------------------------------------------------------- */

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static float half_value(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    const uint32_t exponent = bits >> 10 & 0x1fu;
    const uint32_t fraction = bits & 0x3ffu;
    if (exponent == 0) /* zero or subnormal: fraction · 2^-24 */
        return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    const uint32_t wide = sign | (exponent == 31 ? 255u : exponent + 112u) << 23 | fraction << 13;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* A function that converts an array of `type`; VALUE(x) converts one element. */
#define CONVERSION(name, type, VALUE)                                                              \
    static void name(float *out, const void *elements, int64_t count)                              \
    {                                                                                              \
        const type *in = elements;                                                                 \
        for (int64_t i = 0; i < count; ++i)                                                        \
            out[i] = VALUE(in[i]);                                                                 \
    }
CONVERSION(from_half, uint16_t, half_value)
CONVERSION(from_bf16, uint16_t, dt_bf16_value)
CONVERSION(from_double, double, (float))
CONVERSION(from_int64, int64_t, (float))
CONVERSION(from_int32, int32_t, (float))
CONVERSION(from_int16, int16_t, (float))
CONVERSION(from_int8, int8_t, (float))
CONVERSION(from_uint8, uint8_t, (float))

static const dt_torch_type types[] = {
    {"torch FloatStorage", 4, NULL},       {"torch DoubleStorage", 8, from_double},
    {"torch HalfStorage", 2, from_half},   {"torch BFloat16Storage", 2, from_bf16},
    {"torch LongStorage", 8, from_int64},  {"torch IntStorage", 4, from_int32},
    {"torch ShortStorage", 2, from_int16}, {"torch CharStorage", 1, from_int8},
    {"torch ByteStorage", 1, from_uint8},  {"torch BoolStorage", 1, from_uint8},
};

static const dt_torch_type *type_of(const dt_pickle_value *value)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i)
        if (value->kind == DT_PICKLE_GLOBAL && strcmp(value->global->name, types[i].class) == 0)
            return &types[i];
    return NULL;
}

/* ---- storages and tensors -------------------------------------------------------------------- */

static bool is_count(const dt_pickle_value *value)
{
    return value->kind == DT_PICKLE_INT && value->integer >= 0;
}

/* The entry <root>/<folder><name>; NULL if there is none. */
static dt_zip_entry *find(const dt_torch_file *file, const char *folder, const char *name)
{
    char path[PATH_MAX];
    const int length =
        snprintf(path, sizeof path, "%.*s%s%s", (int)file->root_length, file->root, folder, name);
    return length > 0 && (size_t)length < sizeof path ? dt_zip_find(&file->zip, path) : NULL;
}

/* ('storage', class, key, device, number of elements) */
static dt_status make_storage(dt_pickle *pickle, const dt_pickle_value *id, dt_pickle_value *out)
{
    const dt_torch_file *file = dt_pickle_context(pickle);
    const dt_pickle_value *part = id->kind == DT_PICKLE_TUPLE ? id->items->value : NULL;
    if (!part || id->items->count != 5 || !dt_pickle_is_text(&part[0], "storage") ||
        !type_of(&part[1]) || part[2].kind != DT_PICKLE_TEXT || !is_count(&part[4]))
        return dt_pickle_damaged(pickle, "a storage of an unknown kind");
    const dt_torch_type *type = type_of(&part[1]);
    const dt_zip_entry *entry = find(file, "data/", part[2].text);
    if (!entry)
        return dt_pickle_damaged(pickle, "a tensor's storage is not in the file");
    if (part[4].integer != entry->size / type->bytes || entry->size % type->bytes != 0)
        return dt_pickle_damaged(pickle, "a tensor's storage has another size than its zip entry");
    void *memory;
    DT_TRY(dt_pickle_take(pickle, sizeof(storage), &memory));
    *(storage *)memory =
        (storage){.type = type, .entry = entry - file->zip.entry, .elements = part[4].integer};
    *out = (dt_pickle_value){.kind = DT_PICKLE_OBJECT, .length = IS_STORAGE, .object = memory};
    return DT_OK;
}

/* Sets shape and count; false unless the strides are those of contiguous elements. */
static bool set_shape(dt_torch_tensor *tensor, const dt_pickle_items *shape,
                      const dt_pickle_items *strides)
{
    if (shape->count > DT_TORCH_DIMENSIONS || strides->count != shape->count)
        return false;
    tensor->dimensions = (int32_t)shape->count;
    tensor->count = 1;
    for (int32_t d = tensor->dimensions - 1; d >= 0; --d) {
        const dt_pickle_value *size = &shape->value[d];
        const dt_pickle_value *stride = &strides->value[d];
        if (!is_count(size) || !is_count(stride) ||
            (size->integer > 1 && tensor->count > 0 && stride->integer != tensor->count) ||
            (size->integer > 0 && tensor->count > INT64_MAX / size->integer))
            return false;
        tensor->shape[d] = size->integer;
        tensor->count *= size->integer;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, …) */
static dt_status make_tensor(dt_pickle *pickle, const dt_pickle_global *global,
                             const dt_pickle_items *arguments, dt_pickle_value *out)
{
    (void)global;
    const dt_pickle_value *part = arguments->value;
    if (arguments->count < 4 || part[0].kind != DT_PICKLE_OBJECT || part[0].length != IS_STORAGE ||
        part[1].kind != DT_PICKLE_INT || part[2].kind != DT_PICKLE_TUPLE ||
        part[3].kind != DT_PICKLE_TUPLE)
        return dt_pickle_damaged(pickle, "a tensor is incomplete");
    const storage *from = part[0].object;
    dt_torch_tensor tensor = {.first = part[1].integer, .type = from->type, .storage = from->entry};
    if (!set_shape(&tensor, part[2].items, part[3].items))
        return dt_pickle_damaged(
            pickle, "a tensor's shape and strides are not those of contiguous elements");
    if (tensor.first < 0 || tensor.first > from->elements ||
        tensor.count > from->elements - tensor.first)
        return dt_pickle_damaged(pickle, "a tensor exceeds its storage");
    void *memory;
    DT_TRY(dt_pickle_take(pickle, sizeof tensor, &memory));
    memcpy(memory, &tensor, sizeof tensor);
    *out = (dt_pickle_value){.kind = DT_PICKLE_OBJECT, .length = IS_TENSOR, .object = memory};
    return DT_OK;
}

/* ---- other objects --------------------------------------------------------------------------- */

/* The first argument: of a call that only wraps it. */
static dt_status make_first(dt_pickle *pickle, const dt_pickle_global *global,
                            const dt_pickle_items *arguments, dt_pickle_value *out)
{
    (void)global;
    if (arguments->count < 1)
        return dt_pickle_damaged(pickle, "a call without an argument");
    *out = arguments->value[0];
    return DT_OK;
}

/* Converts a text of the characters U+0000 … U+00FF to `size` bytes; false if it is another one. */
static bool latin1_bytes(const dt_pickle_value *text, unsigned char *out, size_t size)
{
    const unsigned char *in = (const unsigned char *)text->text;
    size_t i = 0;
    for (size_t at = 0; at < text->length; ++i) {
        if (i == size || in[at] > 0xc3)
            return false;
        const bool one = in[at] < 0x80;
        out[i] = (unsigned char)(one ? in[at] : in[at] << 6 | (in[at + 1] & 0x3f));
        at += one ? 1 : 2;
    }
    return i == size;
}

/* scalar(dtype, bytes): a NumPy number. The dtype and the bytes have become texts. */
static dt_status make_scalar(dt_pickle *pickle, const dt_pickle_global *global,
                             const dt_pickle_items *arguments, dt_pickle_value *out)
{
    (void)pickle;
    (void)global;
    const dt_pickle_value *part = arguments->value;
    unsigned char bytes[8];
    *out = (dt_pickle_value){.kind = DT_PICKLE_OPAQUE};
    if (arguments->count != 2 || part[1].kind != DT_PICKLE_TEXT)
        return DT_OK;
    if (dt_pickle_is_text(&part[0], "f8") && latin1_bytes(&part[1], bytes, 8)) {
        out->kind = DT_PICKLE_FLOAT;
        memcpy(&out->number, bytes, 8);
    } else if (dt_pickle_is_text(&part[0], "i8") && latin1_bytes(&part[1], bytes, 8)) {
        out->kind = DT_PICKLE_INT;
        memcpy(&out->integer, bytes, 8);
    } else if (dt_pickle_is_text(&part[0], "f4") && latin1_bytes(&part[1], bytes, 4)) {
        float number;
        memcpy(&number, bytes, 4);
        out->kind = DT_PICKLE_FLOAT;
        out->number = (double)number;
    }
    return DT_OK;
}

static const dt_pickle_global allowed[] = {
    {.name = "collections OrderedDict", .call = dt_pickle_make_dict},
    {.name = "torch._utils _rebuild_tensor_v2", .call = make_tensor},
    {.name = "torch._utils _rebuild_parameter", .call = make_first},
    {.name = "torch FloatStorage"},
    {.name = "torch DoubleStorage"},
    {.name = "torch HalfStorage"},
    {.name = "torch BFloat16Storage"},
    {.name = "torch LongStorage"},
    {.name = "torch IntStorage"},
    {.name = "torch ShortStorage"},
    {.name = "torch CharStorage"},
    {.name = "torch ByteStorage"},
    {.name = "torch BoolStorage"},
    {.name = "torch float32"},
    {.name = "torch float16"},
    {.name = "torch bfloat16"},
    {.name = "numpy ndarray"},
    {.name = "numpy dtype", .call = make_first},
    {.name = "numpy._core.multiarray _reconstruct", .call = dt_pickle_make_opaque},
    {.name = "numpy.core.multiarray _reconstruct", .call = dt_pickle_make_opaque},
    {.name = "numpy._core.multiarray scalar", .call = make_scalar},
    {.name = "numpy.core.multiarray scalar", .call = make_scalar},
    {.name = "_codecs encode", .call = make_first},
    {.name = "builtins bytearray"}, /* an attribute of the state of a generator */
    {.name = "transformers.models.bert.configuration_bert BertConfig",
     .call = dt_pickle_make_dict,
     .takes_state = true},
    {.name = NULL},
};

/* ---- the archive ----------------------------------------------------------------------------- */

/* The folder of the archive is that of data.pkl. */
static dt_status find_root(dt_torch_file *file)
{
    static const char name[] = "/data.pkl";
    for (int64_t i = 0; i < file->zip.count; ++i) {
        const char *entry = file->zip.entry[i].name;
        const char *slash = strchr(entry, '/');
        if (!slash || strcmp(slash, name) != 0)
            continue;
        file->root = entry;
        file->root_length = (size_t)(slash - entry) + 1;
        return DT_OK;
    }
    return dt_fail(DT_ERR_INPUT, "%s: a zip archive, but not a PyTorch file: it has no data.pkl",
                   file->path);
}

static dt_status check_byte_order(dt_torch_file *file)
{
    dt_zip_entry *entry = find(file, "", "byteorder");
    char *order;
    if (!entry)
        return DT_OK;
    DT_TRY(dt_zip_load(&file->zip, entry, &order));
    const bool little = strcmp(order, "little") == 0;
    free(order);
    return little ? DT_OK
                  : dt_fail(DT_ERR_INPUT,
                            "%s: written on a big-endian machine: save the model again on a "
                            "little-endian one",
                            file->path);
}

static dt_status check_kind(dt_torch_file *file)
{
    DT_TRY(find_root(file));
    if (find(file, "", "constants.pkl"))
        return dt_fail(DT_ERR_INPUT,
                       "%s: a TorchScript program, not a model saved by DeepTaxa with torch.save",
                       file->path);
    if (!find(file, "", "version"))
        return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: a PyTorch file without its version",
                       file->path);
    return check_byte_order(file);
}

static dt_status read_tree(dt_torch_file *file)
{
    dt_zip_entry *entry = find(file, "", "data.pkl");
    char *bytes;
    DT_TRY(dt_zip_load(&file->zip, entry, &bytes));
    const dt_pickle_options options = {.path = file->path,
                                       .allowed = allowed,
                                       .persistent = make_storage,
                                       .context = file,
                                       .memory = most_memory(entry->size)};
    const dt_status status =
        dt_pickle_read(&file->pickle, bytes, (size_t)entry->size, &options, &file->object);
    free(bytes); /* the tree has copies */
    return status;
}

static dt_status open_steps(dt_torch_file *file, const char *path)
{
    DT_TRY(dt_path(file->path, sizeof file->path, "%s", path));
    DT_TRY(dt_zip_open(&file->zip, file->path));
    DT_TRY(check_kind(file));
    return read_tree(file);
}

dt_status dt_torch_open(dt_torch_file **out, const char *path)
{
    dt_torch_file *file;
    DT_TRY(DT_NEW(file, 1));
    const dt_status status = open_steps(file, path);
    if (status != DT_OK) {
        dt_torch_close(file);
        return status;
    }
    *out = file;
    return DT_OK;
}

void dt_torch_close(dt_torch_file *file)
{
    if (!file)
        return;
    dt_pickle_free(file->pickle);
    dt_zip_close(&file->zip);
    free(file);
}

bool dt_torch_file_probable(const char *path)
{
    char bytes[4] = "";
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* do not block on a pipe */
    if (fd < 0)
        return false;
    const bool probable = pread(fd, bytes, 4, 0) == 4 && memcmp(bytes, "PK\3\4", 4) == 0;
    close(fd);
    return probable;
}

dt_status dt_torch_verify(dt_torch_file *file)
{
    for (int64_t i = 0; i < file->zip.count; ++i)
        DT_TRY(dt_zip_verify(&file->zip, &file->zip.entry[i]));
    return DT_OK;
}

const char *dt_torch_path(const dt_torch_file *file)
{
    return file->path;
}

const dt_pickle_value *dt_torch_root(const dt_torch_file *file)
{
    return &file->object;
}

const dt_torch_tensor *dt_torch_tensor_of(const dt_pickle_value *value)
{
    return value && value->kind == DT_PICKLE_OBJECT && value->length == IS_TENSOR ? value->object
                                                                                  : NULL;
}

/* ---- elements -------------------------------------------------------------------------------- */

static dt_status read_converted(dt_torch_file *file, dt_zip_entry *entry, const dt_torch_type *type,
                                int64_t first, int64_t count, float *out)
{
    double buffer[2048]; /* of the largest element */
    const int64_t most = (int64_t)sizeof buffer / type->bytes;
    for (int64_t done = 0; done < count;) {
        const int64_t part = count - done < most ? count - done : most;
        DT_TRY(dt_zip_read(&file->zip, entry, (first + done) * type->bytes, part * type->bytes,
                           buffer));
        type->convert(out + done, buffer, part);
        done += part;
    }
    return DT_OK;
}

dt_status dt_torch_read(dt_torch_file *file, const dt_torch_tensor *tensor, int64_t first,
                        int64_t count, float *out)
{
    const dt_torch_type *type = tensor->type;
    dt_zip_entry *entry = &file->zip.entry[tensor->storage];
    if (first < 0 || count < 0 || first > tensor->count || count > tensor->count - first)
        return dt_fail(DT_ERR_INTERNAL, "%s: elements outside of a tensor", file->path);
    if (tensor->count * type->bytes != entry->size)
        DT_TRY(dt_zip_verify(&file->zip, entry)); /* a part is never read to the end */
    const int64_t begin = tensor->first + first;
    return type->convert
               ? read_converted(file, entry, type, begin, count, out)
               : dt_zip_read(&file->zip, entry, begin * type->bytes, count * type->bytes, out);
}
