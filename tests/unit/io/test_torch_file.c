/* Reading .pt files: what PyTorch wrote, hand-made archives and pickles, and damage of all kinds. */
#include <malloc.h>

#include "io/pickle.h"
#include "io/torch_file.h"
#include "io/zip_stored.h"
#include "io_test.h"
#include "pt_test.h"

#define PT "a.pt"

static const char version[] = "3\n";

/* Opens an archive with this pickle and one storage of `elements` floats 1, 2, … */
static dt_status open_pickle(const void *pickle, size_t length, size_t elements,
                             dt_torch_file **file)
{
    float values[16];
    pt_bytes *zip = calloc(1, sizeof *zip);
    for (size_t i = 0; i < 16; ++i)
        values[i] = (float)(i + 1);
    const pt_entry entry[] = {{.name = "m/data.pkl", .bytes = pickle, .length = length},
                              {.name = "m/data/0", .bytes = values, .length = 4 * elements},
                              {.name = "m/version", .bytes = version, .length = 2},
                              {.name = NULL}};
    pt_zip(zip, entry, false);
    pt_write(zip, PT);
    free(zip);
    return dt_torch_open(file, PT);
}

#define OPEN(text, elements, file) open_pickle(text, sizeof(text) - 1, elements, file)

/* The pickle must be refused with a message that contains `part`. */
#define REFUSED(part, text)                                                                        \
    do {                                                                                           \
        dt_torch_file *refused_ = NULL;                                                            \
        ASSERT_FAILS(DT_ERR_INPUT, part, OPEN(text, 6, &refused_));                                \
        assert_null(strchr(dt_error_message(), '\n'));                                             \
    } while (0)

#define PROTO "\x80\x02"
#define TEXT(length, text) "X" length "\0\0\0" text
#define STORAGE(class, count)                                                                      \
    "(" TEXT("\7", "storage") "ctorch\n" class "\n" TEXT("\1", "0") TEXT("\3", "cpu") "K" count "tQ"
/* A tensor of a storage; rest: offset, shape and strides as opcodes. */
#define TENSOR(class, count, rest)                                                                 \
    "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE(class, count) rest                              \
        "\x89"                                                                                     \
        "ccollections\nOrderedDict\n)RtR"

static void values_of_all_kinds(void **state)
{
    (void)state;
    static const char pickle[] = PROTO
        "}q\0(" TEXT("\1", "n") "N" TEXT("\1", "t") "\x88" TEXT("\1", "i") "J\xfe\xff\xff\xff" TEXT(
            "\1",
            "h") "M\x01\x02" TEXT("\1",
                                  "l") "\x8a\x02\x00\xff" TEXT("\1",
                                                               "f") "G\x3f\xf8\0\0\0\0\0"
                                                                    "\0" TEXT(
                                                                        "\1",
                                                                        "e") "]("
                                                                             "K\1K\2"
                                                                             "e" TEXT(
                                                                                 "\1",
                                                                                 "u") "K\3K\4\x86q"
                                                                                      "\1" TEXT(
                                                                                          "\1",
                                                                                          "v") "h\1"
                                                                                               "u.";
    dt_torch_file *file;
    ASSERT_OK(OPEN(pickle, 6, &file));
    const dt_pickle_value *root = dt_torch_root(file);
    assert_int_equal(dt_pickle_get(root, "n")->kind, DT_PICKLE_NONE);
    assert_int_equal(dt_pickle_get(root, "t")->kind, DT_PICKLE_BOOL);
    assert_int_equal(dt_pickle_get(root, "t")->integer, 1);
    assert_int_equal(dt_pickle_get(root, "i")->integer, -2);
    assert_int_equal(dt_pickle_get(root, "h")->integer, 0x201);
    assert_int_equal(dt_pickle_get(root, "l")->integer, -256);
    assert_true(dt_pickle_get(root, "f")->number == 1.5);
    assert_int_equal(dt_pickle_get(root, "e")->items->count, 2);
    assert_int_equal(dt_pickle_get(root, "e")->items->value[1].integer, 2);
    assert_ptr_equal(dt_pickle_get(root, "u")->items, dt_pickle_get(root, "v")->items);
    assert_null(dt_pickle_get(root, "x"));
    dt_torch_close(file);
}

static void objects_of_transformers_and_numpy(void **state)
{
    (void)state;
    static const char pickle[] = PROTO "}(" TEXT(
        "\1", "b") "ctransformers.models.bert.configuration_bert\nBertConfig\n)"
                   "\x81}" TEXT("\1", "h") "K\7sb" TEXT(
                       "\1", "s") "cnumpy._core."
                                  "multiarray\nscalar\ncnumpy\ndtype"
                                  "\n" TEXT("\2",
                                            "f8") "\x89\x88\x87R("
                                                  "K\3" TEXT(
                                                      "\1",
                                                      "<") "NNNJ"
                                                           "\xff"
                                                           "\xff"
                                                           "\xff"
                                                           "\xff"
                                                           "K\0t"
                                                           "b"
                                                           "c_"
                                                           "code"
                                                           "cs\n"
                                                           "enco"
                                                           "de"
                                                           "\n" TEXT("\11", "\0\0\0\0\0\0\xc3\xb8?")
                                                               TEXT("\6", "latin1") "\x86R\x86Ru.";
    dt_torch_file *file;
    ASSERT_OK(OPEN(pickle, 6, &file));
    const dt_pickle_value *root = dt_torch_root(file);
    assert_int_equal(dt_pickle_get(dt_pickle_get(root, "b"), "h")->integer, 7);
    assert_int_equal(dt_pickle_get(root, "s")->kind, DT_PICKLE_FLOAT);
    assert_true(dt_pickle_get(root, "s")->number == 1.5);
    dt_torch_close(file);
}

static void tensors_are_read_in_blocks(void **state)
{
    (void)state;
    dt_torch_file *file;
    float out[6];
    ASSERT_OK(OPEN(PROTO TENSOR("FloatStorage", "\6", "K\0K\2K\3\x86K\3K\1\x86") ".", 6, &file));
    const dt_torch_tensor *tensor = dt_torch_tensor_of(dt_torch_root(file));
    assert_non_null(tensor);
    assert_int_equal(tensor->dimensions, 2);
    assert_int_equal(tensor->shape[1], 3);
    assert_int_equal(tensor->count, 6);
    ASSERT_OK(dt_torch_read(file, tensor, 0, 4, out));
    ASSERT_OK(dt_torch_read(file, tensor, 4, 2, out + 4));
    for (int i = 0; i < 6; ++i)
        assert_true(out[i] == (float)(i + 1));
    dt_torch_close(file);
    /* a part of a storage, and a stride that counts for nothing */
    ASSERT_OK(OPEN(PROTO TENSOR("FloatStorage", "\6", "K\2K\1K\3\x86K\x77K\1\x86") ".", 6, &file));
    tensor = dt_torch_tensor_of(dt_torch_root(file));
    ASSERT_OK(dt_torch_read(file, tensor, 1, 2, out));
    assert_true(out[0] == 4.0f && out[1] == 5.0f);
    dt_torch_close(file);
}

static void other_element_types(void **state)
{
    (void)state;
    static const struct {
        const char *class;
        size_t bytes;
        unsigned char element[8];
        float value;
    } cases[] = {
        {"HalfStorage", 2, {0x00, 0xc1}, -2.5f},
        {"HalfStorage", 2, {0x01, 0x00}, 0x1p-24f},
        {"HalfStorage", 2, {0x00, 0x7c}, INFINITY},
        {"BFloat16Storage", 2, {0xc0, 0x3f}, 1.5f},
        {"DoubleStorage", 8, {0, 0, 0, 0, 0, 0, 0xe0, 0x3f}, 0.5f},
        {"LongStorage", 8, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, -2.0f},
        {"IntStorage", 4, {7, 0, 0, 0}, 7.0f},
        {"ByteStorage", 1, {200}, 200.0f},
        {"CharStorage", 1, {200}, -56.0f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char pickle[512];
        char *end = pickle;
        const char head[] = PROTO "ctorch._utils\n_rebuild_tensor_v2\n((" TEXT("\7", "storage");
        const char tail[] = TEXT("\1", "0") TEXT("\3", "cpu") "K\1tQK\0))\x89"
                                                              "ccollections\n"
                                                              "OrderedDict\n)RtR.";
        float out = 0.0f;
        dt_torch_file *file;
        pt_bytes *zip = calloc(1, sizeof *zip);
        end = (char *)memcpy(end, head, sizeof head - 1) + sizeof head - 1;
        end += sprintf(end, "ctorch\n%s\n", cases[i].class);
        end = (char *)memcpy(end, tail, sizeof tail - 1) + sizeof tail - 1;
        const pt_entry entry[] = {
            {.name = "m/data.pkl", .bytes = pickle, .length = (size_t)(end - pickle)},
            {.name = "m/data/0", .bytes = cases[i].element, .length = cases[i].bytes},
            {.name = "m/version", .bytes = version, .length = 2},
            {.name = NULL}};
        pt_zip(zip, entry, true); /* and zip64 is read */
        pt_write(zip, PT);
        free(zip);
        ASSERT_OK(dt_torch_open(&file, PT));
        ASSERT_OK(dt_torch_read(file, dt_torch_tensor_of(dt_torch_root(file)), 0, 1, &out));
        assert_true(out == cases[i].value);
        dt_torch_close(file);
    }
}

static void pickles_that_are_refused(void **state)
{
    (void)state;
    char deep[600] = PROTO;
    dt_torch_file *file;
    REFUSED("posix.system", PROTO "cposix\nsystem\n" TEXT("\2", "ls") "\x85R.");
    REFUSED("builtins.eval", PROTO "cbuiltins\neval\n.");
    REFUSED("cannot be called", PROTO "ctorch\nFloatStorage\n)R.");
    REFUSED("contains itself", PROTO "]q\0h\0a.");
    REFUSED("contains itself", PROTO "}q\0" TEXT("\1", "a") "h\0\x85s.");
    REFUSED("unknown memo", PROTO "h\1.");
    REFUSED("impossible number", PROTO "]r\xff\xff\xff\xff.");
    REFUSED("ends too early", PROTO "]");
    REFUSED("ends too early", PROTO "X\xff\xff\xff\xff.");
    REFUSED("ends within a name", PROTO "cposix");
    REFUSED("a value is missing", PROTO "\x85.");
    REFUSED("a value is missing", PROTO "K\1(\x85.");
    REFUSED("a mark is missing", PROTO "t.");
    REFUSED("no list or dict", PROTO "K\1K\2a.");
    REFUSED("a key has no value", PROTO "}(K\1u.");
    REFUSED("not UTF-8", PROTO TEXT("\1", "\xff") ".");
    REFUSED("64 bits", PROTO "\x8a\x09"
                             "\1\1\1\1\1\1\1\1\1.");
    REFUSED("not of protocol 2", "\x80\x04K\1.");
    REFUSED("opcode", PROTO "i.");
    REFUSED("one object", PROTO "K\1K\2.");
    REFUSED("one object", PROTO "K\1..");
    REFUSED("wrong kind", PROTO "ctransformers.models.bert.configuration_bert\nBertConfig\n)\x81q"
                                "\0h\0b.");
    memset(deep + 2, ']', 101);
    memset(deep + 103, 'a', 100);
    deep[203] = '.';
    ASSERT_FAILS(DT_ERR_INPUT, "nested too deeply", open_pickle(deep, 204, 6, &file));
}

static void tensors_that_are_refused(void **state)
{
    (void)state;
    const char *contiguous = "contiguous";
    REFUSED("unknown kind", PROTO STORAGE("float32", "\6") ".");
    REFUSED("not in the file", PROTO "(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" TEXT(
                                   "\1", "1") TEXT("\3", "cpu") "K\6tQ.");
    REFUSED("another size", PROTO STORAGE("FloatStorage", "\7") ".");
    REFUSED("another size", PROTO STORAGE("DoubleStorage", "\6") ".");
    REFUSED("exceeds its storage", PROTO TENSOR("FloatStorage", "\6", "K\1K\6\x85K\1\x85") ".");
    REFUSED("exceeds its storage",
            PROTO TENSOR("FloatStorage", "\6", "J\xff\xff\xff\xffK\6\x85K\1\x85") ".");
    REFUSED(contiguous, PROTO TENSOR("FloatStorage", "\6", "K\0K\2K\3\x86K\1K\2\x86") ".");
    REFUSED(contiguous, PROTO TENSOR("FloatStorage", "\6", "K\0K\6\x85J\xff\xff\xff\xff\x85") ".");
    REFUSED(contiguous, PROTO TENSOR("FloatStorage", "\6", "K\0J\xff\xff\xff\xff\x85K\1\x85") ".");
    REFUSED(contiguous, PROTO TENSOR("FloatStorage", "\6", "K\0K\2K\3\x86K\1\x85") ".");
    REFUSED(contiguous, PROTO TENSOR("FloatStorage", "\6",
                                     "K\0(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ft"
                                     "(K\0J\xff\xff\xff\x7fK\1t") ".");
    REFUSED("incomplete", PROTO "ctorch._utils\n_rebuild_tensor_v2\n(K\1K\0))tR.");
    REFUSED("incomplete", PROTO "ctorch._utils\n_rebuild_tensor_v2\n)R.");
}

/* Many empty lists of one byte each may not fill the memory. */
static void memory_is_limited(void **state)
{
    (void)state;
    const size_t length = (size_t)1 << 20;
    char *pickle = malloc(length);
    dt_pickle *read;
    dt_pickle_value root;
    const dt_pickle_global none[] = {{.name = NULL}};
    const dt_pickle_options options = {.path = PT, .allowed = none, .memory = 1 << 16};
    assert_non_null(pickle);
    memset(pickle, ']', length);
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    ASSERT_FAILS(DT_ERR_INPUT, "more memory",
                 dt_pickle_read(&read, pickle, length, &options, &root));
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd <= before + (1 << 12));
    /* a list whose elements fit, but not the memory that it takes for more */
    memset(pickle, 'N', length);
    memcpy(pickle, PROTO "](", 4);
    memcpy(pickle + 4 + 1025, "e.", 2);
    ASSERT_FAILS(DT_ERR_INPUT, "more memory",
                 dt_pickle_read(&read, pickle, 4 + 1025 + 2, &options, &root));
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd <= before + (1 << 12));
    free(pickle);
}

/* Writes an archive of one entry "m/data.pkl" and checks how it is refused. */
static void refuse_zip(const char *part, const pt_entry *entry, bool zip64)
{
    dt_zip zip;
    pt_bytes *bytes = calloc(1, sizeof *bytes);
    pt_zip(bytes, entry, zip64);
    pt_write(bytes, PT);
    free(bytes);
    ASSERT_FAILS(DT_ERR_INPUT, part, dt_zip_open(&zip, PT));
    assert_null(strchr(dt_error_message(), '\n'));
    dt_zip_close(&zip);
}

static void archives_that_are_refused(void **state)
{
    (void)state;
    const pt_entry good = {.name = "m/a", .bytes = "12345678", .length = 8};
    const pt_entry end = {.name = NULL};
    pt_entry bad = good;
    bad.method = 8;
    refuse_zip("compressed", (pt_entry[]){bad, end}, false);
    for (int zip64 = 0; zip64 < 2; ++zip64) {
        bad = good;
        bad.size = UINT32_MAX - 1; /* just under 4 GiB */
        refuse_zip("not where", (pt_entry[]){bad, end}, zip64);
        bad.size = 9;
        refuse_zip("overlap", (pt_entry[]){bad, {.name = "m/b", .bytes = "", .length = 0}, end},
                   zip64);
    }
    bad.size = UINT64_MAX;
    refuse_zip("not where", (pt_entry[]){bad, end}, true);
    bad.size = INT64_MAX;
    refuse_zip("not where", (pt_entry[]){bad, end}, true);
    bad = good;
    bad.moved = 1;
    refuse_zip("not where", (pt_entry[]){bad, end}, false);
    bad.moved = INT64_MAX;
    refuse_zip("not where", (pt_entry[]){bad, end}, true);
    bad.moved = INT64_MIN;
    refuse_zip("not where", (pt_entry[]){bad, end}, true);
    refuse_zip("same name", (pt_entry[]){good, good, end}, false);
    ASSERT_OK(dt_write_file(PT, "PK\3\4", 4));
    dt_torch_file *file;
    ASSERT_FAILS(DT_ERR_INPUT, "no directory", dt_torch_open(&file, PT));
    ASSERT_FAILS(DT_ERR_IO, "cannot open", dt_torch_open(&file, "none.pt"));
    ASSERT_FAILS(DT_ERR_INPUT, "not a regular file", dt_torch_open(&file, "."));
}

static void files_of_other_kinds(void **state)
{
    (void)state;
    const pt_entry pickle = {.name = "m/data.pkl", .bytes = PROTO "N.", .length = 4};
    const pt_entry v = {.name = "m/version", .bytes = version, .length = 2};
    const pt_entry end = {.name = NULL};
    const struct {
        const char *part;
        pt_entry entry[4];
    } cases[] = {
        {"no data.pkl", {v, end}},
        {"without its version", {pickle, end}},
        {"big-endian", {pickle, v, {.name = "m/byteorder", .bytes = "big", .length = 3}, end}},
        {"TorchScript", {pickle, v, {.name = "m/constants.pkl", .bytes = "", .length = 0}, end}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        dt_torch_file *file;
        pt_bytes *bytes = calloc(1, sizeof *bytes);
        pt_zip(bytes, cases[i].entry, false);
        pt_write(bytes, PT);
        free(bytes);
        ASSERT_FAILS(DT_ERR_INPUT, cases[i].part, dt_torch_open(&file, PT));
    }
}

/* Opens a file and reads all its tensors. */
static dt_status read_all(const dt_pickle_value *value, dt_torch_file *file)
{
    const dt_torch_tensor *tensor = dt_torch_tensor_of(value);
    float block[64];
    for (int64_t at = 0; tensor && at < tensor->count; at += 64)
        DT_TRY(dt_torch_read(file, tensor, at, tensor->count - at < 64 ? tensor->count - at : 64,
                             block));
    if (value->kind == DT_PICKLE_LIST || value->kind == DT_PICKLE_TUPLE ||
        value->kind == DT_PICKLE_DICT)
        for (int64_t i = 0; i < value->items->count; ++i)
            DT_TRY(read_all(&value->items->value[i], file));
    return DT_OK;
}

static dt_status open_and_read(const char *path)
{
    dt_torch_file *file;
    DT_TRY(dt_torch_open(&file, path));
    const dt_status status = read_all(dt_torch_root(file), file);
    dt_torch_close(file);
    return status;
}

static void file_of_deeptaxa(void **state)
{
    (void)state;
    pt_bytes *fixture = pt_fixture("resume.pt", start_folder);
    dt_torch_file *file;
    float step;
    pt_write(fixture, PT);
    free(fixture);
    assert_true(dt_torch_file_probable(PT));
    ASSERT_OK(open_and_read(PT));
    ASSERT_OK(dt_torch_open(&file, PT));
    const dt_pickle_value *root = dt_torch_root(file);
    assert_true(dt_pickle_is_text(dt_pickle_get(root, "model_type"), "hybridcnnbert"));
    assert_int_equal(dt_pickle_get(root, "epoch")->integer, 3);
    const dt_pickle_value *state_dict = dt_pickle_get(root, "state_dict");
    const dt_torch_tensor *tensor =
        dt_torch_tensor_of(dt_pickle_get(state_dict, "conv_stacks.0.1.0.weight"));
    assert_int_equal(tensor->dimensions, 3);
    assert_int_equal(tensor->shape[2], 5);
    const dt_pickle_value *optimizer =
        dt_pickle_get(dt_pickle_get(root, "optimizer_state_dict"), "state");
    tensor = dt_torch_tensor_of(dt_pickle_get(dt_pickle_get_int(optimizer, 0), "step"));
    assert_int_equal(tensor->dimensions, 0);
    ASSERT_OK(dt_torch_read(file, tensor, 0, 1, &step));
    assert_true(step == 3.0f);
    dt_torch_close(file);
}

static void changed_elements_and_truncation(void **state)
{
    (void)state;
    pt_bytes *file = pt_fixture("hybrid.pt", start_folder);
    const size_t whole = file->length;
    const size_t storage = pt_place(file, 0, "data/8", 6);
    file->bytes[storage + 300] ^= 1;
    pt_write(file, PT);
    ASSERT_FAILS(DT_ERR_INPUT, "checksum of the zip entry hybrid/data/8", open_and_read(PT));
    file->bytes[storage + 300] ^= 1;
    for (file->length = 0; file->length < whole; file->length += 997) {
        pt_write(file, PT);
        ASSERT_FAILS(DT_ERR_INPUT, "truncated", open_and_read(PT));
    }
    file->length = whole;
    pt_write(file, PT);
    ASSERT_OK(open_and_read(PT));
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_all_kinds),
        cmocka_unit_test(objects_of_transformers_and_numpy),
        cmocka_unit_test(tensors_are_read_in_blocks),
        cmocka_unit_test(other_element_types),
        cmocka_unit_test(pickles_that_are_refused),
        cmocka_unit_test(tensors_that_are_refused),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(archives_that_are_refused),
        cmocka_unit_test(files_of_other_kinds),
        cmocka_unit_test(file_of_deeptaxa),
        cmocka_unit_test(changed_elements_and_truncation),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
