#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/container_internal.h"
#include "test.h"

/* A size read from a damaged file must not reach the allocator: more than this in one piece is an
 * error under AddressSanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=64:allocator_may_return_null=0";
}

#define FORMAT "deeptaxa-checkpoint"
static char folder[64];

static char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dt-container-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* ---- A file as a checkpoint is: tensors, labels, a tokenizer, vectors, attributes ------------ */

static const char *const labels[] = {"Bacteria", "", "Größe; 'é'", "a longer label, with blanks"};

static float *numbers(int64_t count, float seed)
{
    float *out = malloc((size_t)count * sizeof *out);
    for (int64_t i = 0; i < count; ++i)
        out[i] = seed + (float)i * 0.37f;
    return out;
}

static dt_status put_tensor(dt_container *file, const char *name, int64_t rows, int64_t columns)
{
    const int64_t shape[2] = {rows, columns};
    float *values = numbers(rows * columns, (float)strlen(name));
    const dt_status status =
        dt_container_put_array(file, name, DT_ELEMENT_FLOAT32, 2, shape, values);
    free(values);
    return status;
}

static dt_status fill(dt_container *file, int64_t rows, int tensors)
{
    char name[64];
    for (int i = 0; i < tensors; ++i) {
        snprintf(name, sizeof name, "model/encoder.%d.weight", i);
        DT_TRY(put_tensor(file, name, rows, 7));
    }
    DT_TRY(put_tensor(file, "optimizer/exp_avg/x", rows, 5));
    const int64_t indices[] = {3, 1, INT64_MAX, -1};
    const int64_t count = 4;
    DT_TRY(dt_container_put_array(file, "split/training", DT_ELEMENT_INT64, 1, &count, indices));
    DT_TRY(dt_container_put_array(file, "split/none", DT_ELEMENT_INT64, 1, &(int64_t){0}, NULL));
    DT_TRY(dt_container_put_texts(file, "labels/domain", 4, labels));
    DT_TRY(dt_container_put_text(file, "tokenizer", "{\"a\": [1, 2]}"));
    for (int i = 0; i < 20; ++i) {
        snprintf(name, sizeof name, "number %d", i);
        DT_TRY(dt_container_put_attribute_int(file, "", name, (int64_t)i * 1000));
    }
    DT_TRY(dt_container_put_attribute_double(file, "training", "learning_rate", 5e-4));
    return dt_container_put_attribute_text(file, "training", "schedule", "linear");
}

static dt_status write_file(const char *path, int64_t rows, int tensors)
{
    dt_container *file;
    DT_TRY(dt_container_create(&file, path, FORMAT, 3));
    const dt_status status = fill(file, rows, tensors);
    if (status != DT_OK) {
        dt_container_discard(file);
        return status;
    }
    return dt_container_commit(file);
}

static dt_status read_array(dt_container *file, const dt_array_info *info, dt_text *out)
{
    char *bytes;
    DT_TRY(dt_text_add(out, (const char *)info, sizeof *info));
    DT_TRY(DT_NEW(bytes, (size_t)info->bytes));
    const dt_status status = dt_container_get_array(file, info->name, info->element,
                                                    info->dimensions, info->shape, bytes);
    if (status == DT_OK)
        dt_text_add(out, bytes, (size_t)info->bytes);
    free(bytes);
    return status;
}

static dt_status read_arrays(dt_container *file, dt_text *out)
{
    dt_array_info *infos;
    int64_t count;
    DT_TRY(dt_container_list(file, "", &infos, &count));
    dt_status status = DT_OK;
    for (int64_t i = 0; i < count && status == DT_OK; ++i) {
        char *const name = infos[i].name;
        dt_array_info info = infos[i];
        dt_text_add(out, name, strlen(name));
        info.name = name;
        status = read_array(file, &info, out);
        /* the pointer is not part of the content */
        if (status == DT_OK)
            memset(out->data + out->length - (size_t)info.bytes - sizeof info, 0, sizeof name);
    }
    dt_array_infos_free(infos, count);
    return status;
}

static dt_status read_attributes(dt_container *file, dt_text *out)
{
    char name[64];
    for (int i = 0; i < 20; ++i) {
        int64_t value;
        snprintf(name, sizeof name, "number %d", i);
        DT_TRY(dt_container_get_attribute_int(file, "", name, &value));
        dt_text_add(out, (const char *)&value, sizeof value);
    }
    double rate;
    char *text;
    DT_TRY(dt_container_get_attribute_double(file, "training", "learning_rate", &rate));
    DT_TRY(dt_container_get_attribute_text(file, "training", "schedule", &text));
    dt_text_add(out, (const char *)&rate, sizeof rate);
    dt_text_add(out, text, strlen(text));
    free(text);
    bool there;
    DT_TRY(dt_container_has(file, "optimizer/exp_avg", &there));
    DT_TRY(dt_text_add(out, there ? "yes" : "no", 2));
    DT_TRY(dt_container_has_attribute(file, "model", "nothing", &there));
    return dt_text_add(out, there ? "yes" : "no", 2);
}

/* Everything that is in the file, as bytes. */
static dt_status read_all(const char *path, dt_text *out)
{
    dt_container *file;
    dt_text_clear(out);
    DT_TRY(dt_container_open(&file, path, FORMAT, 3, NULL));
    dt_status status = read_arrays(file, out);
    if (status == DT_OK)
        status = read_attributes(file, out);
    dt_container_close(file);
    return status;
}

/* ---- What was written is read ---------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
    (void)state;
    const char *path = in_folder("whole.h5");
    ASSERT_OK(write_file(path, 100, 12));
    dt_container *file;
    int32_t version;
    ASSERT_OK(dt_container_open(&file, path, FORMAT, 9, &version));
    assert_int_equal(version, 3);

    float *expected = numbers(700, (float)strlen("model/encoder.7.weight"));
    float *values = calloc(700, sizeof *values);
    const int64_t shape[2] = {100, 7};
    ASSERT_OK(dt_container_get_array(file, "model/encoder.7.weight", DT_ELEMENT_FLOAT32, 2, shape,
                                     values));
    assert_memory_equal(values, expected, 700 * sizeof *values);
    memset(values, 0, 700 * sizeof *values);
    ASSERT_OK(dt_container_get_rows(file, "model/encoder.7.weight", DT_ELEMENT_FLOAT32, 7, 90, 10,
                                    values));
    assert_memory_equal(values, expected + 630, 70 * sizeof *values);
    free(values);
    free(expected);

    int64_t *indices;
    int64_t count;
    ASSERT_OK(dt_container_load_vector(file, "split/training", DT_ELEMENT_INT64, (void **)&indices,
                                       &count));
    assert_int_equal(count, 4);
    assert_true(indices[0] == 3 && indices[2] == INT64_MAX && indices[3] == -1);
    free(indices);
    ASSERT_OK(
        dt_container_load_vector(file, "split/none", DT_ELEMENT_INT64, (void **)&indices, &count));
    assert_int_equal(count, 0);
    free(indices);

    char **texts;
    ASSERT_OK(dt_container_get_texts(file, "labels/domain", &texts, &count));
    assert_int_equal(count, 4);
    for (int i = 0; i < 4; ++i)
        assert_string_equal(texts[i], labels[i]);
    free(texts);
    char *text;
    ASSERT_OK(dt_container_get_text(file, "tokenizer", &text));
    assert_string_equal(text, "{\"a\": [1, 2]}");
    free(text);
    int64_t number;
    ASSERT_OK(dt_container_get_attribute_int(file, "", "number 19", &number));
    assert_int_equal(number, 19000);
    double rate;
    ASSERT_OK(dt_container_get_attribute_double(file, "training", "learning_rate", &rate));
    assert_true(rate == 5e-4);
    dt_container_close(file);
}

static void arrays_are_listed_in_the_order_of_writing(void **state)
{
    (void)state;
    const char *path = in_folder("list.h5");
    ASSERT_OK(write_file(path, 10, 12));
    dt_container *file;
    ASSERT_OK(dt_container_open(&file, path, FORMAT, 3, NULL));
    dt_array_info *infos;
    int64_t count;
    ASSERT_OK(dt_container_list(file, "", &infos, &count));
    assert_int_equal(count, 12 + 1 + 2 + 2);
    assert_string_equal(infos[2].name, "model/encoder.2.weight");
    assert_string_equal(infos[10].name, "model/encoder.10.weight");
    assert_string_equal(infos[12].name, "optimizer/exp_avg/x");
    assert_int_equal(infos[12].dimensions, 2);
    assert_int_equal(infos[12].shape[0], 10);
    assert_int_equal(infos[12].shape[1], 5);
    assert_int_equal(infos[12].bytes, 200);
    assert_string_equal(infos[16].name, "tokenizer");
    assert_int_equal(infos[16].element, DT_ELEMENT_TEXT);
    dt_array_infos_free(infos, count);
    ASSERT_OK(dt_container_list(file, "optimizer", &infos, &count));
    assert_int_equal(count, 1);
    dt_array_infos_free(infos, count);
    dt_container_close(file);
}

/* More than one chunk, pieces that end inside chunks, a last chunk that is not full. */
static void an_array_in_pieces_equals_the_array_whole(void **state)
{
    (void)state;
    const int64_t shape[3] = {1009, 300, 3};
    const int64_t row = 900;
    float *values = numbers(1009 * row, 0);
    dt_container *file;
    ASSERT_OK(dt_container_create(&file, in_folder("pieces.h5"), FORMAT, 1));
    ASSERT_OK(dt_container_put_array(file, "whole", DT_ELEMENT_FLOAT32, 3, shape, values));
    ASSERT_OK(dt_container_begin_array(file, "pieces", DT_ELEMENT_FLOAT32, 3, shape));
    for (int64_t first = 0, rows = 1; first < 1009; first += rows, rows = rows * 2 + 1)
        ASSERT_OK(dt_container_add_rows(file, first + rows > 1009 ? 1009 - first : rows,
                                        values + first * row));
    ASSERT_OK(dt_container_commit(file));

    float *read = calloc((size_t)(1009 * row), sizeof *read);
    ASSERT_OK(dt_container_open(&file, in_folder("pieces.h5"), FORMAT, 1, NULL));
    ASSERT_OK(dt_container_get_array(file, "pieces", DT_ELEMENT_FLOAT32, 3, shape, read));
    assert_memory_equal(read, values, (size_t)(1009 * row) * sizeof *read);
    memset(read, 0, (size_t)(1009 * row) * sizeof *read);
    for (int64_t first = 0; first < 1009; first += 100)
        ASSERT_OK(dt_container_get_rows(file, "whole", DT_ELEMENT_FLOAT32, row, first,
                                        1009 - first < 100 ? 1009 - first : 100,
                                        read + first * row));
    assert_memory_equal(read, values, (size_t)(1009 * row) * sizeof *read);
    dt_container_close(file);
    free(read);
    free(values);
}

/* Rows whose number is not known before, in pieces that end inside chunks; texts a few at a time.
 */
static void an_array_that_grows_has_what_was_added(void **state)
{
    (void)state;
    const int64_t begun[2] = {DT_ROWS_UNKNOWN, 301};
    const int64_t shape[2] = {1009, 301};
    const int64_t none[2] = {0, 301};
    float *values = numbers(1009 * 301, 0);
    float *read = calloc((size_t)1009 * 301, sizeof *read);
    char **texts;
    int64_t count;
    dt_container *file;
    ASSERT_OK(dt_container_create(&file, in_folder("grows.h5"), FORMAT, 1));
    ASSERT_OK(dt_container_begin_array(file, "empty", DT_ELEMENT_FLOAT32, 2, begun));
    ASSERT_OK(dt_container_begin_array(file, "grown", DT_ELEMENT_FLOAT32, 2, begun));
    for (int64_t first = 0, rows = 1; first < 1009; first += rows, rows = rows * 2 + 1)
        ASSERT_OK(dt_container_add_rows(file, first + rows > 1009 ? 1009 - first : rows,
                                        values + first * 301));
    ASSERT_OK(dt_container_begin_texts(file, "texts", 3, 4));
    ASSERT_OK(dt_container_add_rows(file, 2, "ab\0\0abcd"));
    ASSERT_OK(dt_container_add_rows(file, 1, "\0\0\0\0"));
    ASSERT_OK(dt_container_commit(file));

    ASSERT_OK(dt_container_open(&file, in_folder("grows.h5"), FORMAT, 1, NULL));
    ASSERT_OK(dt_container_get_array(file, "grown", DT_ELEMENT_FLOAT32, 2, shape, read));
    assert_memory_equal(read, values, (size_t)1009 * 301 * sizeof *read);
    ASSERT_OK(dt_container_get_array(file, "empty", DT_ELEMENT_FLOAT32, 2, none, read));
    ASSERT_OK(dt_container_get_texts(file, "texts", &texts, &count));
    assert_int_equal(count, 3);
    assert_string_equal(texts[0], "ab");
    assert_string_equal(texts[1], "abcd");
    assert_string_equal(texts[2], "");
    free(texts);
    dt_container_close(file);
    free(read);
    free(values);
}

static void the_same_content_gives_the_same_bytes(void **state)
{
    (void)state;
    char *a;
    char *b;
    size_t a_length;
    size_t b_length;
    ASSERT_OK(write_file(in_folder("a.h5"), 30011, 2));
    ASSERT_OK(dt_read_file(in_folder("a.h5"), &a, &a_length));
    sleep(1); /* no time of day in the file */
    ASSERT_OK(write_file(in_folder("b.h5"), 30011, 2));
    ASSERT_OK(dt_read_file(in_folder("b.h5"), &b, &b_length));
    assert_int_equal(a_length, b_length);
    assert_memory_equal(a, b, a_length);
    free(a);
    free(b);
}

static void an_incomplete_array_is_refused(void **state)
{
    (void)state;
    const int64_t shape[2] = {10, 2};
    const float values[20] = {0};
    dt_container *file;
    ASSERT_OK(dt_container_create(&file, in_folder("incomplete.h5"), FORMAT, 1));
    ASSERT_OK(dt_container_begin_array(file, "x", DT_ELEMENT_FLOAT32, 2, shape));
    ASSERT_OK(dt_container_add_rows(file, 9, values));
    assert_int_not_equal(dt_container_commit(file), DT_OK);
    assert_int_not_equal(access(in_folder("incomplete.h5"), F_OK), 0);

    ASSERT_OK(dt_container_create(&file, in_folder("incomplete.h5"), FORMAT, 1));
    ASSERT_OK(dt_container_put_array(file, "x", DT_ELEMENT_FLOAT32, 2, shape, values));
    ASSERT_FAILS(DT_ERR_INTERNAL, "already used",
                 dt_container_put_array(file, "x", DT_ELEMENT_FLOAT32, 2, shape, values));
    dt_container_discard(file);
}

static void wrong_names_shapes_and_types_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("refuse.h5");
    ASSERT_OK(write_file(path, 10, 2));
    dt_container *file;
    ASSERT_OK(dt_container_open(&file, path, FORMAT, 3, NULL));
    const int64_t shape[2] = {10, 6};
    float values[100];
    const char *name = "model/encoder.0.weight";
    ASSERT_FAILS(
        DT_ERR_INPUT, "lacks 'model/nothing'",
        dt_container_get_array(file, "model/nothing", DT_ELEMENT_FLOAT32, 2, shape, values));
    ASSERT_FAILS(DT_ERR_INPUT, "lacks 'no/thing'",
                 dt_container_get_array(file, "no/thing", DT_ELEMENT_FLOAT32, 2, shape, values));
    ASSERT_FAILS(DT_ERR_INPUT, "is 10 x 7, but 10 x 6 is expected",
                 dt_container_get_array(file, name, DT_ELEMENT_FLOAT32, 2, shape, values));
    ASSERT_FAILS(DT_ERR_INPUT, "array of float32, but int32 is expected",
                 dt_container_get_array(file, name, DT_ELEMENT_INT32, 2, shape, values));
    ASSERT_FAILS(DT_ERR_INPUT, "has 10 rows",
                 dt_container_get_rows(file, name, DT_ELEMENT_FLOAT32, 7, 8, 3, values));
    ASSERT_FAILS(DT_ERR_INPUT, "elements per row",
                 dt_container_get_rows(file, name, DT_ELEMENT_FLOAT32, 8, 0, 3, values));
    int64_t number;
    ASSERT_FAILS(DT_ERR_INPUT, "is not a single int64",
                 dt_container_get_attribute_int(file, "training", "learning_rate", &number));
    ASSERT_FAILS(DT_ERR_INPUT, "lacks the attribute",
                 dt_container_get_attribute_int(file, "training", "nothing", &number));
    char *text;
    ASSERT_FAILS(DT_ERR_INPUT, "is 4, but 1", dt_container_get_text(file, "labels/domain", &text));
    dt_container_close(file);
}

static void texts_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const latin1[] = {"Bacillus", "Gr\xf6\xdf"};
    dt_container *file;
    char **texts;
    char *text;
    int64_t count;
    ASSERT_OK(dt_container_create(&file, in_folder("latin1.h5"), FORMAT, 1));
    ASSERT_OK(dt_container_put_texts(file, "texts", 2, latin1));
    ASSERT_OK(dt_container_put_text(file, "text", latin1[1]));
    ASSERT_OK(dt_container_commit(file));
    ASSERT_OK(dt_container_open(&file, in_folder("latin1.h5"), FORMAT, 1, NULL));
    ASSERT_FAILS(DT_ERR_INPUT, "latin1.h5: damaged: a text of 'texts' is not UTF-8 (byte 0xf6)",
                 dt_container_get_texts(file, "texts", &texts, &count));
    ASSERT_FAILS(DT_ERR_INPUT, "'text' is not UTF-8", dt_container_get_text(file, "text", &text));
    dt_container_close(file);
}

/* ---- Files that are none of ours ------------------------------------------------------------- */

static void assert_refused(const char *bytes, size_t length, dt_status expected, const char *part)
{
    dt_container *file;
    ASSERT_OK(dt_write_file(in_folder("foreign"), bytes, length));
    ASSERT_FAILS(expected, part, dt_container_open(&file, in_folder("foreign"), FORMAT, 3, NULL));
    assert_non_null(strstr(dt_error_message(), in_folder("foreign")));
    assert_null(strchr(dt_error_message(), '\n'));
}

static void other_files_are_told_for_what_they_are(void **state)
{
    (void)state;
    dt_container *file;
    ASSERT_FAILS(DT_ERR_IO, "No such file",
                 dt_container_open(&file, in_folder("missing.h5"), FORMAT, 3, NULL));
    ASSERT_FAILS(DT_ERR_INPUT, "not a regular file",
                 dt_container_open(&file, folder, FORMAT, 3, NULL));
    assert_refused("", 0, DT_ERR_INPUT, "empty");
    assert_refused("\x89HDF\r\n\x1a\n....", 12, DT_ERR_INPUT, "but not written by DeepTaxa-MPI");
    assert_refused("PK\3\4........", 12, DT_ERR_INPUT, "PyTorch file (zip)");
    assert_refused("\x80\2}q\0.......", 12, DT_ERR_INPUT, "PyTorch file (pickle)");
    assert_refused(">seq1\nACGT\n", 11, DT_ERR_INPUT, "neither a file written by DeepTaxa-MPI");
    ASSERT_OK(write_file(in_folder("whole.h5"), 10, 2));
    ASSERT_FAILS(DT_ERR_INPUT, "is a deeptaxa-checkpoint, not a deeptaxa-shard",
                 dt_container_open(&file, in_folder("whole.h5"), "deeptaxa-shard", 3, NULL));
    ASSERT_FAILS(DT_ERR_INPUT, "format version 3; this program reads up to version 2",
                 dt_container_open(&file, in_folder("whole.h5"), FORMAT, 2, NULL));
}

/* ---- Damage ---------------------------------------------------------------------------------- */

/* Reads the file with one byte changed: an error of one line, or the same content. Returns whether
 * it was refused. */
static bool damaged_is_told(const char *path, int fd, const char *bytes, size_t at, char mask,
                            const dt_text *whole, dt_text *read)
{
    const char changed = (char)(bytes[at] ^ mask);
    assert_int_equal(pwrite(fd, &changed, 1, (off_t)at), 1);
    const dt_status status = read_all(path, read);
    if (status == DT_OK &&
        (read->length != whole->length || memcmp(read->data, whole->data, whole->length) != 0))
        fail_msg("byte %zu changed by %02x: other content was read", at, mask & 0xff);
    if (status != DT_OK && (status != DT_ERR_INPUT || !strstr(dt_error_message(), path) ||
                            strchr(dt_error_message(), '\n')))
        fail_msg("byte %zu changed by %02x: status %d, '%s'", at, mask & 0xff, (int)status,
                 dt_error_message());
    assert_int_equal(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    return status != DT_OK;
}

static void check_damage(const char *path, size_t step)
{
    char *bytes;
    size_t length;
    dt_text whole = {0};
    dt_text read = {0};
    int refused = 0;
    int tried = 0;
    ASSERT_OK(dt_read_file(path, &bytes, &length));
    ASSERT_OK(read_all(path, &whole));
    const int fd = open(path, O_RDWR);
    for (size_t at = 0; at < length; at += step, ++tried)
        refused += damaged_is_told(path, fd, bytes, at,
                                   (char)(tried % 3 == 0 ? 0xff : 1 << tried % 8), &whole, &read);
    print_message("%d of %d changed bytes refused, %zu bytes in all\n", refused, tried, length);
    assert_true(refused > 0);
    close(fd);
    dt_text_free(&whole);
    dt_text_free(&read);
    free(bytes);
}

static void a_changed_byte_is_refused_or_harmless(void **state)
{
    (void)state;
    ASSERT_OK(write_file(in_folder("damage.h5"), 20, 12));
    check_damage(in_folder("damage.h5"), 13);
}

static void a_changed_byte_among_many_chunks_is_refused_or_harmless(void **state)
{
    (void)state;
    ASSERT_OK(write_file(in_folder("damage.h5"), 120011, 1));
    check_damage(in_folder("damage.h5"), 50021);
}

/* So `describe` is quick on a large checkpoint, and damage in a tensor is told by its name. */
static void opening_and_listing_read_no_array(void **state)
{
    (void)state;
    const char *path = in_folder("damage.h5");
    ASSERT_OK(write_file(path, 120011, 1));
    const int fd = open(path, O_RDWR);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, 1500000), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 1500000), 1);
    close(fd);
    dt_container *file;
    dt_array_info *infos;
    int64_t count;
    int64_t number;
    ASSERT_OK(dt_container_open(&file, path, FORMAT, 3, NULL));
    ASSERT_OK(dt_container_list(file, "", &infos, &count));
    dt_array_infos_free(infos, count);
    ASSERT_OK(dt_container_get_attribute_int(file, "", "number 3", &number));
    const int64_t shape[2] = {120011, 7};
    float *values = calloc((size_t)(shape[0] * shape[1]), sizeof *values);
    const char *name = "model/encoder.0.weight";
    ASSERT_FAILS(DT_ERR_INPUT, "the checksum of 'model/encoder.0.weight' does not match",
                 dt_container_get_array(file, name, DT_ELEMENT_FLOAT32, 2, shape, values));
    free(values);
    dt_container_close(file);
}

static void a_file_cut_short_is_refused(void **state)
{
    (void)state;
    char *bytes;
    size_t length;
    ASSERT_OK(write_file(in_folder("damage.h5"), 500, 12));
    ASSERT_OK(dt_read_file(in_folder("damage.h5"), &bytes, &length));
    for (size_t i = 1; i < 50; ++i)
        assert_refused(bytes, length * i / 50, DT_ERR_INPUT, "truncated");
    for (size_t i = 1; i < 64; i += 3)
        assert_refused(bytes, i, DT_ERR_INPUT, "truncated");
    assert_refused(bytes, length - 1, DT_ERR_INPUT, "truncated");
    free(bytes);
}

/* ---- A disk that is full --------------------------------------------------------------------- */

/* In a process of its own: no file may grow beyond `limit` bytes. Returns as the test's child. */
static int write_under_limit(const char *path, size_t limit)
{
    const struct rlimit size = {limit, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &size) != 0)
        return 2;
    const dt_status status = write_file(path, 60000, 3);
    const char *message = dt_error_message();
    if (status == DT_ERR_IO && strstr(message, path) && strstr(message, "File too large") &&
        !strchr(message, '\n'))
        return 0;
    fprintf(stderr, "limit %zu: status %d, '%s'\n", limit, (int)status, message);
    return 1;
}

static void a_full_disk_leaves_the_older_file(void **state)
{
    (void)state;
    const char *path = in_folder("full.h5");
    char *before;
    char *after;
    size_t length;
    size_t after_length;
    ASSERT_OK(write_file(path, 60000, 3));
    ASSERT_OK(dt_read_file(path, &before, &length));
    const int files = files_in_folder();
    const size_t limits[] = {0,          1,          100,         600,        2000,
                             4000,       length / 7, length / 5,  length / 3, length / 2,
                             length - 1, length - 9, length - 999};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; ++i) {
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0)
            exit(write_under_limit(path, limits[i])); /* HDF5's own end must go well, too */
        int result;
        assert_int_equal(waitpid(child, &result, 0), child);
        if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
            fail_msg("limit %zu: the child ended with %x", limits[i], (unsigned)result);
        assert_int_equal(files_in_folder(), files);
        ASSERT_OK(dt_read_file(path, &after, &after_length));
        assert_int_equal(after_length, length);
        assert_memory_equal(after, before, length);
        free(after);
    }
    free(before);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    dt_container *file;
    ASSERT_FAILS(DT_ERR_IO, "No such file",
                 dt_container_create(&file, in_folder("none/x.h5"), FORMAT, 1));
}

static void a_text_attribute_is_utf8(void **state)
{
    (void)state;
    static const char written[] = "reads/B\xef\xbf\xbd\xc3\xa9.fasta";
    dt_container *file;
    char *text;
    size_t length;
    ASSERT_OK(dt_container_create(&file, in_folder("latin.h5"), FORMAT, 1));
    ASSERT_OK(dt_container_put_attribute_text(file, "", "name", "reads/B\xe9\xc3\xa9.fasta"));
    ASSERT_OK(dt_container_commit(file));
    ASSERT_OK(dt_read_file(in_folder("latin.h5"), &text, &length));
    assert_non_null(memmem(text, length, written, sizeof written - 1));
    free(text);
    ASSERT_OK(dt_container_open(&file, in_folder("latin.h5"), FORMAT, 1, NULL));
    ASSERT_OK(dt_container_get_attribute_text(file, "", "name", &text));
    assert_string_equal(text, written);
    free(text);
    dt_container_close(file);
}

typedef struct {
    const char *path;
    atomic_bool written;
} other_thread;

static void *write_beside(void *argument)
{
    other_thread *other = argument;
    const dt_status status = write_file(other->path, 100, 2);
    atomic_store(&other->written, true);
    return status == DT_OK ? NULL : argument;
}

static void *read_beside(void *argument)
{
    dt_text read = {0};
    const dt_status status = read_all(argument, &read);
    dt_text_free(&read);
    return status == DT_OK ? NULL : argument;
}

/* libhdf5, which writes, is used by one thread at a time; reading needs no turn. */
static void writing_threads_take_turns(void **state)
{
    (void)state;
    other_thread other = {.path = in_folder("turn.h5")};
    char path[300];
    pthread_t writer;
    pthread_t reader;
    void *failed;
    snprintf(path, sizeof path, "%s", in_folder("whole.h5"));
    ASSERT_OK(write_file(path, 100, 2));
    {
        DT_HDF5_LOCK;
        assert_int_equal(pthread_create(&writer, NULL, write_beside, &other), 0);
        assert_int_equal(pthread_create(&reader, NULL, read_beside, path), 0);
        pthread_join(reader, &failed);
        assert_null(failed);
        usleep(50000);
        assert_false(atomic_load(&other.written));
    }
    pthread_join(writer, &failed);
    assert_null(failed);
    assert_true(atomic_load(&other.written));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(arrays_are_listed_in_the_order_of_writing),
        cmocka_unit_test(an_array_in_pieces_equals_the_array_whole),
        cmocka_unit_test(an_array_that_grows_has_what_was_added),
        cmocka_unit_test(the_same_content_gives_the_same_bytes),
        cmocka_unit_test(texts_that_are_not_utf8_are_refused),
        cmocka_unit_test(an_incomplete_array_is_refused),
        cmocka_unit_test(wrong_names_shapes_and_types_are_refused),
        cmocka_unit_test(other_files_are_told_for_what_they_are),
        cmocka_unit_test(a_changed_byte_is_refused_or_harmless),
        cmocka_unit_test(a_changed_byte_among_many_chunks_is_refused_or_harmless),
        cmocka_unit_test(opening_and_listing_read_no_array),
        cmocka_unit_test(a_file_cut_short_is_refused),
        cmocka_unit_test(a_full_disk_leaves_the_older_file),
        cmocka_unit_test(a_folder_that_is_not_there_is_told),
        cmocka_unit_test(a_text_attribute_is_utf8),
        cmocka_unit_test(writing_threads_take_turns),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
