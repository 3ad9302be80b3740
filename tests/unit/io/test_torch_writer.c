/* Writing .pt files: what was written is read back; the archive is as PyTorch lays it out; failures
 * leave the earlier file. */
#include <dirent.h>

#include "io/torch_file.h"
#include "io/torch_writer.h"
#include "io/zip_stored.h"
#include "io_test.h"

#define PT "a.pt"

static const int64_t integers[] = {0,
                                   1,
                                   255,
                                   256,
                                   65535,
                                   65536,
                                   INT32_MAX,
                                   INT64_C(1) << 31,
                                   -1,
                                   INT32_MIN,
                                   INT64_MIN,
                                   INT64_MAX,
                                   -(INT64_C(1) << 32)};
#define INTEGERS (sizeof integers / sizeof *integers)
static const double numbers[] = {0.0, -0.0, 0.1, 1e-12, -1.7976931348623157e308, INFINITY};
#define NUMBERS (sizeof numbers / sizeof *numbers)
static const char *const texts[] = {"", "a", "Bacteria\n", "\xc3\xa4\xe2\x82\xac\xf0\x9f\xa7\xac"};
#define TEXTS (sizeof texts / sizeof *texts)

/* A dict of everything that can be written, with a matrix, a scalar and bytes as tensors. */
static void put_everything(dt_torch_writer *file)
{
    dt_pickle_writer *pickle = &file->pickle;
    dt_torch_writer_start(file);
    dt_pickle_begin_dict(pickle);
    dt_pickle_put_text(pickle, "integers");
    dt_pickle_begin_list(pickle);
    for (size_t i = 0; i < INTEGERS; ++i)
        dt_pickle_put_int(pickle, integers[i]);
    dt_pickle_end_list(pickle);
    dt_pickle_put_text(pickle, "numbers");
    dt_pickle_begin_tuple(pickle);
    for (size_t i = 0; i < NUMBERS; ++i)
        dt_pickle_put_double(pickle, numbers[i]);
    dt_pickle_end_tuple(pickle);
    dt_pickle_put_text(pickle, "texts");
    dt_pickle_begin_dict(pickle);
    for (size_t i = 0; i < TEXTS; ++i) {
        dt_pickle_put_text(pickle, texts[i]);
        dt_pickle_put_int(pickle, (int64_t)i);
    }
    dt_pickle_end_dict(pickle);
    dt_pickle_put_text(pickle, "empty");
    dt_pickle_begin_tuple(pickle);
    dt_pickle_begin_dict(pickle);
    dt_pickle_end_dict(pickle);
    dt_pickle_begin_list(pickle);
    dt_pickle_end_list(pickle);
    dt_pickle_begin_tuple(pickle);
    dt_pickle_end_tuple(pickle);
    dt_pickle_put_none(pickle);
    dt_pickle_put_bool(pickle, true);
    dt_pickle_put_bool(pickle, false);
    dt_pickle_end_tuple(pickle);
    dt_pickle_put_text(pickle, "tensors");
    dt_torch_put_ordered_dict(file);
    dt_pickle_begin_items(pickle);
    dt_pickle_put_text(pickle, "matrix");
    dt_torch_put_tensor(file, DT_TORCH_FLOAT32, 2, (const int64_t[]){3, 5});
    dt_pickle_put_text(pickle, "scalar");
    dt_torch_put_tensor(file, DT_TORCH_FLOAT32, 0, NULL);
    dt_pickle_put_text(pickle, "bytes");
    dt_torch_put_tensor(file, DT_TORCH_UINT8, 1, (const int64_t[]){70});
    dt_pickle_end_dict(pickle);
    dt_pickle_end_dict(pickle);
}

/* Adds 1, 2, … to every tensor; *context is the number of the tensor that fails, if it is one. */
static dt_status fill(void *context, int64_t number, dt_zip_writer *zip)
{
    static const int counts[] = {15, 1, 70};
    const int fails = *(const int *)context;
    if (number == fails)
        return dt_fail(DT_ERR_INPUT, "tensor %d fails", fails);
    for (int i = 1; i <= counts[number]; ++i) {
        const float value = (float)i;
        const unsigned char byte = (unsigned char)i;
        if (number == 2)
            dt_zip_writer_add(zip, &byte, 1);
        else
            dt_zip_writer_add(zip, &value, sizeof value);
    }
    return DT_OK;
}

static dt_status write_everything(int fails)
{
    dt_torch_writer file = {0};
    put_everything(&file);
    const dt_status status = dt_torch_writer_save(&file, PT, fill, &fails);
    dt_torch_writer_free(&file);
    return status;
}

static void check_tensor(dt_torch_file *file, const char *name, int32_t dimensions, int64_t count)
{
    float values[70];
    const dt_pickle_value *tensors = dt_pickle_get(dt_torch_root(file), "tensors");
    const dt_torch_tensor *tensor = dt_torch_tensor_of(dt_pickle_get(tensors, name));
    assert_non_null(tensor);
    assert_int_equal(tensor->dimensions, dimensions);
    assert_int_equal(tensor->count, count);
    ASSERT_OK(dt_torch_read(file, tensor, 0, count, values));
    for (int64_t i = 0; i < count; ++i)
        assert_true(values[i] == (float)(i + 1));
}

static void everything_is_read_back(void **state)
{
    (void)state;
    dt_torch_file *file;
    ASSERT_OK(write_everything(-1));
    ASSERT_OK(dt_torch_open(&file, PT));
    const dt_pickle_value *root = dt_torch_root(file);
    const dt_pickle_value *list = dt_pickle_get(root, "integers");
    assert_int_equal(list->kind, DT_PICKLE_LIST);
    assert_int_equal(list->items->count, INTEGERS);
    for (size_t i = 0; i < INTEGERS; ++i)
        assert_true(list->items->value[i].integer == integers[i]);
    const dt_pickle_value *tuple = dt_pickle_get(root, "numbers");
    assert_int_equal(tuple->kind, DT_PICKLE_TUPLE);
    assert_int_equal(tuple->items->count, NUMBERS);
    for (size_t i = 0; i < NUMBERS; ++i)
        assert_memory_equal(&tuple->items->value[i].number, &numbers[i], sizeof *numbers);
    for (size_t i = 0; i < TEXTS; ++i) {
        const dt_pickle_value *place = dt_pickle_get(dt_pickle_get(root, "texts"), texts[i]);
        assert_non_null(place);
        assert_true(place->integer == (int64_t)i);
    }
    const dt_pickle_value *empty = dt_pickle_get(root, "empty")->items->value;
    static const dt_pickle_kind kinds[] = {DT_PICKLE_DICT, DT_PICKLE_LIST, DT_PICKLE_TUPLE,
                                           DT_PICKLE_NONE, DT_PICKLE_BOOL, DT_PICKLE_BOOL};
    for (int i = 0; i < 6; ++i)
        assert_int_equal(empty[i].kind, kinds[i]);
    for (int i = 0; i < 3; ++i)
        assert_int_equal(empty[i].items->count, 0);
    assert_int_equal(empty[4].integer, 1);
    assert_int_equal(empty[5].integer, 0);
    check_tensor(file, "matrix", 2, 15);
    check_tensor(file, "scalar", 0, 1);
    check_tensor(file, "bytes", 1, 70);
    dt_torch_close(file);
}

/* Names, order and alignment as in the files of PyTorch 2.15, and the same bytes every time. */
static void the_archive_is_as_pytorch_lays_it_out(void **state)
{
    (void)state;
    static const char *const names[] = {
        "archive/data.pkl",  "archive/.format_version", "archive/.storage_alignment",
        "archive/byteorder", "archive/data/0",          "archive/data/1",
        "archive/data/2",    "archive/version",         "archive/.data/serialization_id"};
    dt_zip zip;
    char *first;
    char *second;
    size_t length;
    size_t again;
    int64_t before = -1;
    ASSERT_OK(write_everything(-1));
    ASSERT_OK(dt_zip_open(&zip, PT));
    assert_int_equal(zip.count, 9);
    for (int i = 0; i < 9; ++i) {
        dt_zip_entry *entry = dt_zip_find(&zip, names[i]);
        assert_non_null(entry);
        assert_int_equal(entry->data % DT_ZIP_ALIGNMENT, 0);
        assert_true(entry->data > before);
        before = entry->data;
        ASSERT_OK(dt_zip_verify(&zip, entry));
    }
    assert_int_equal(dt_zip_find(&zip, names[8])->size, 40);
    dt_zip_close(&zip);
    ASSERT_OK(dt_read_file(PT, &first, &length));
    ASSERT_OK(write_everything(-1));
    ASSERT_OK(dt_read_file(PT, &second, &again));
    assert_int_equal(length, again);
    assert_memory_equal(first, second, length);
    free(first);
    free(second);
}

/* Counts the files in the test's folder. */
static int files(void)
{
    int count = 0;
    DIR *folder = opendir(".");
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(folder);
    return count;
}

static void a_failure_keeps_the_earlier_file(void **state)
{
    (void)state;
    char *text;
    size_t length;
    dt_zip_writer *zip;
    ASSERT_OK(dt_write_file(PT, "earlier", 7));
    const int before = files();
    ASSERT_FAILS(DT_ERR_INPUT, "tensor 1 fails", write_everything(1));
    for (int missing = -1; missing <= 1; missing += 2) {
        ASSERT_OK(dt_zip_writer_create(&zip, PT));
        dt_zip_writer_begin(zip, "one", 5 + missing);
        dt_zip_writer_add(zip, "12345", 5);
        dt_zip_writer_put(zip, "two", "2", 1);
        ASSERT_FAILS(DT_ERR_INTERNAL, "one got", dt_zip_writer_commit(zip));
    }
    assert_int_equal(files(), before);
    ASSERT_OK(dt_read_file(PT, &text, &length));
    assert_string_equal(text, "earlier");
    free(text);
    ASSERT_FAILS(DT_ERR_IO, "none/a.pt", dt_zip_writer_create(&zip, "none/a.pt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read_back),
        cmocka_unit_test(the_archive_is_as_pytorch_lays_it_out),
        cmocka_unit_test(a_failure_keeps_the_earlier_file),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
