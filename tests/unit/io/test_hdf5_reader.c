/* The HDF5 reader beside libhdf5: what libhdf5 writes, in each version of its format, is read; what
 * docs/files.md does not describe is refused by name; files of which any bytes were changed, with
 * right checksums, are read within bounds. */
#include <fcntl.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "io/container_internal.h"
#include "io_test.h"
#include "mutate_hdf5.h"

#define FORMAT "deeptaxa-checkpoint"

/* A size read from a damaged file must not reach the allocator. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=64:allocator_may_return_null=0";
}

/* ---- Files written with libhdf5 -------------------------------------------------------------- */

static const struct {
    const char *name;
    H5F_libver_t low;
    H5F_libver_t high;
} versions[] = {
    {"earliest", H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST},
    {"1.8", H5F_LIBVER_V18, H5F_LIBVER_V18},
    {"1.10", H5F_LIBVER_V110, H5F_LIBVER_V110},
};
#define VERSIONS (sizeof versions / sizeof *versions)

static void put_text_attribute(hid_t object, const char *key, const char *value, size_t length)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    const hid_t space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, length);
    const hid_t attribute = H5Acreate2(object, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, value) >= 0);
    H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
}

static void put_number_attribute(hid_t object, const char *key, int64_t value)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(object, key, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, H5T_NATIVE_INT64, &value) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

/* Creates a file of a version of the format, with what containers have. */
static hid_t begin_file(const char *path, size_t version)
{
    const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_userblock(creation, DT_INTEGRITY_BYTES);
    H5Pset_libver_bounds(access, versions[version].low, versions[version].high);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    assert_true(file >= 0);
    H5Pclose(creation);
    H5Pclose(access);
    put_text_attribute(file, "format", FORMAT, strlen(FORMAT));
    put_number_attribute(file, "format_version", 1);
    return file;
}

static void seal(const char *path)
{
    dt_extents none = {0};
    const int fd = open(path, O_RDWR);
    ASSERT_OK(dt_integrity_write(fd, path, &none));
    close(fd);
}

static void end_file(hid_t file, const char *path)
{
    assert_true(H5Fclose(file) >= 0);
    seal(path);
}

/* An array of bytes. In chunks if chunk[0] > 0; it can grow in the first dimension if `grows`. */
typedef struct {
    const char *name;
    int dimensions;
    hsize_t shape[3];
    hsize_t chunk[3];
    bool grows;
    bool checked; /* each chunk has its checksum */
} array;

static unsigned char value_at(int64_t i)
{
    return (unsigned char)(i * 31 + i / 256 + 1);
}

static int64_t elements_of(const array *a)
{
    int64_t count = 1;
    for (int i = 0; i < a->dimensions; ++i)
        count *= (int64_t)a->shape[i];
    return count;
}

static void put_array(hid_t file, const array *a)
{
    hsize_t most[3] = {H5S_UNLIMITED, a->shape[1], a->shape[2]};
    const int64_t count = elements_of(a);
    unsigned char *values = malloc((size_t)count + 1);
    for (int64_t i = 0; i < count; ++i)
        values[i] = value_at(i);
    const hid_t space = H5Screate_simple(a->dimensions, a->shape, a->grows ? most : NULL);
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    if (a->chunk[0])
        H5Pset_chunk(layout, a->dimensions, a->chunk);
    if (a->checked)
        H5Pset_fletcher32(layout);
    const hid_t set =
        H5Dcreate2(file, a->name, H5T_STD_U8LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(count == 0 ||
                H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Pclose(layout);
    H5Sclose(space);
    free(values);
}

/* ---- What is written is read ----------------------------------------------------------------- */

static const array arrays[] = {
    {"contiguous", 1, {1000}, {0}, false, false},
    {"contiguous_3d", 3, {7, 5, 3}, {0}, false, false},
    {"empty", 2, {0, 5}, {0}, false, false},
    {"one_chunk", 2, {10, 7}, {10, 7}, false, false},
    {"one_chunk_checked", 2, {11, 7}, {11, 7}, false, true},
    {"fixed", 1, {100}, {7}, false, false},
    {"fixed_checked", 1, {100}, {7}, false, true},
    {"fixed_pages", 1, {5000}, {3}, false, false},
    {"fixed_pages_checked", 1, {5000}, {3}, false, true},
    {"blocks", 3, {9, 10, 11}, {4, 3, 5}, false, true},
    {"grown", 2, {100, 5}, {9, 2}, true, false},
    {"grown_checked", 2, {100, 5}, {9, 5}, true, true},
    {"grown_empty", 2, {0, 5}, {9, 5}, true, true},
    {"grown_long", 1, {9000}, {1}, true, false},
    {"grown_long_checked", 1, {3000}, {1}, true, true},
};
#define ARRAYS (sizeof arrays / sizeof *arrays)

static void compare_rows(dt_container *file, const array *a, int64_t row, int64_t first,
                         int64_t rows, unsigned char *values)
{
    ASSERT_OK(dt_container_get_rows(file, a->name, DT_ELEMENT_UINT8, row, first, rows, values));
    for (int64_t i = 0; i < rows * row; ++i)
        if (values[i] != value_at(first * row + i))
            fail_msg("'%s', element %d of row %d on: %d", a->name, (int)i, (int)first, values[i]);
}

/* The array as a whole, and in pieces. */
static void compare_array(dt_container *file, const array *a)
{
    int64_t shape[3];
    for (int i = 0; i < 3; ++i)
        shape[i] = (int64_t)a->shape[i];
    const int64_t count = elements_of(a);
    unsigned char *values = malloc((size_t)count + 1);
    ASSERT_OK(
        dt_container_get_array(file, a->name, DT_ELEMENT_UINT8, a->dimensions, shape, values));
    for (int64_t i = 0; i < count; ++i)
        if (values[i] != value_at(i))
            fail_msg("'%s', element %d: %d", a->name, (int)i, values[i]);
    const int64_t row = count ? count / shape[0] : 0;
    const int64_t step = shape[0] / 9 + 1;
    for (int64_t first = 0; first < shape[0]; first += step)
        compare_rows(file, a, row, first, shape[0] - first < step ? shape[0] - first : step,
                     values);
    if (shape[0] > 5)
        compare_rows(file, a, row, 3, 2, values);
    free(values);
}

static void arrays_of_each_version_are_read(void **state)
{
    (void)state;
    for (size_t version = 0; version < VERSIONS; ++version) {
        dt_container *file;
        const hid_t out = begin_file("arrays.h5", version);
        for (size_t i = 0; i < ARRAYS; ++i)
            put_array(out, &arrays[i]);
        end_file(out, "arrays.h5");
        ASSERT_OK(dt_container_open(&file, "arrays.h5", FORMAT, 1, NULL));
        for (size_t i = 0; i < ARRAYS; ++i)
            compare_array(file, &arrays[i]);
        dt_container_close(file);
    }
}

#define MANY 1500
#define LONG_TEXT 9000

static void put_many(hid_t file, bool ordered)
{
    const hid_t list = H5Pcreate(H5P_GROUP_CREATE);
    if (ordered)
        H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    const hid_t group = H5Gcreate2(file, "many", H5P_DEFAULT, list, H5P_DEFAULT);
    static char text[LONG_TEXT];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < MANY; ++i) {
        char name[20];
        snprintf(name, sizeof name, "%c%d", 'a' + i % 7, i);
        const array one = {.name = name, .dimensions = 1, .shape = {(hsize_t)i % 5}};
        put_array(group, &one);
        if (i % 3 == 0)
            put_number_attribute(group, name, i);
    }
    put_text_attribute(group, "long", text, sizeof text);
    H5Gclose(group);
    H5Pclose(list);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const dt_array_info *)a)->name, ((const dt_array_info *)b)->name);
}

static void check_many(dt_container *file, bool ordered)
{
    dt_array_info *infos;
    int64_t count;
    int64_t number;
    char *text;
    ASSERT_OK(dt_container_list(file, "many", &infos, &count));
    assert_int_equal(count, MANY);
    for (int i = 0; i < MANY; ++i) {
        char name[30];
        snprintf(name, sizeof name, "many/%c%d", 'a' + i % 7, i);
        if (ordered)
            assert_string_equal(infos[i].name, name);
        else if (i > 0)
            assert_true(compare_names(&infos[i - 1], &infos[i]) < 0);
        if (i % 3)
            continue;
        ASSERT_OK(dt_container_get_attribute_int(file, "many", name + 5, &number));
        assert_int_equal(number, i);
    }
    dt_array_infos_free(infos, count);
    ASSERT_OK(dt_container_get_attribute_text(file, "many", "long", &text));
    assert_int_equal(strlen(text), LONG_TEXT);
    free(text);
}

static void large_groups_of_each_version_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * VERSIONS; ++i) {
        dt_container *file;
        const bool ordered = i % 2;
        const hid_t out = begin_file("many.h5", i / 2);
        put_many(out, ordered);
        end_file(out, "many.h5");
        ASSERT_OK(dt_container_open(&file, "many.h5", FORMAT, 1, NULL));
        check_many(file, ordered);
        dt_container_close(file);
    }
}

/* ---- What is not described is refused -------------------------------------------------------- */

static const array plain = {"a", 1, {100}, {0}, false, false};
static const array chunked = {"a", 1, {100}, {10}, false, false};

static void put_with(hid_t file, hid_t type, hid_t layout)
{
    const hsize_t shape = 100;
    const hid_t space = H5Screate_simple(1, &shape, NULL);
    const hid_t set = H5Dcreate2(file, "a", type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void put_external(hid_t file)
{
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(layout, "/etc/passwd", 0, 100);
    put_with(file, H5T_STD_U8LE, layout);
    H5Pclose(layout);
}

static void put_virtual(hid_t file)
{
    const hsize_t shape = 100;
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    const hid_t space = H5Screate_simple(1, &shape, NULL);
    assert_true(H5Pset_virtual(layout, space, "/etc/passwd", "x", space) >= 0);
    put_with(file, H5T_STD_U8LE, layout);
    H5Sclose(space);
    H5Pclose(layout);
}

static void put_compact(hid_t file)
{
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(layout, H5D_COMPACT);
    put_with(file, H5T_STD_U8LE, layout);
    H5Pclose(layout);
}

static void put_shuffled(hid_t file)
{
    const hsize_t chunk = 10;
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 1, &chunk);
    H5Pset_shuffle(layout);
    put_with(file, H5T_STD_U8LE, layout);
    H5Pclose(layout);
}

static void put_unwritten(hid_t file)
{
    put_with(file, H5T_STD_U8LE, H5P_DEFAULT);
}

static void put_unwritten_chunks(hid_t file)
{
    const hsize_t chunk = 10;
    const hsize_t first = 5;
    const unsigned char value = 1;
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 1, &chunk);
    put_with(file, H5T_STD_U8LE, layout);
    const hid_t set = H5Dopen2(file, "a", H5P_DEFAULT);
    const hid_t space = H5Dget_space(set);
    const hsize_t one = 1;
    const hid_t memory = H5Screate_simple(1, &one, NULL);
    H5Sselect_elements(space, H5S_SELECT_SET, 1, &first);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, &value) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(set);
    H5Pclose(layout);
}

static void put_big_endian(hid_t file)
{
    put_with(file, H5T_IEEE_F32BE, H5P_DEFAULT);
}

static void put_compound(hid_t file)
{
    const hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(type, "x", 0, H5T_IEEE_F64LE);
    put_with(file, type, H5P_DEFAULT);
    H5Tclose(type);
}

static void put_variable_texts(hid_t file)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    put_with(file, type, H5P_DEFAULT);
    H5Tclose(type);
}

static void put_named_type(hid_t file)
{
    const hid_t type = H5Tcopy(H5T_STD_U8LE);
    H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put_with(file, type, H5P_DEFAULT);
    H5Tclose(type);
}

static void put_soft_link(hid_t file)
{
    put_array(file, &(array){"b", 1, {100}, {0}, false, false});
    H5Lcreate_soft("/b", file, "a", H5P_DEFAULT, H5P_DEFAULT);
}

static void put_external_link(hid_t file)
{
    H5Lcreate_external("other.h5", "/a", file, "a", H5P_DEFAULT, H5P_DEFAULT);
}

static void put_circle(hid_t file)
{
    const hid_t group = H5Gcreate2(file, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/", group, "b", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
}

static void put_deep_groups(hid_t file)
{
    char path[100] = "a";
    for (int i = 0; i < 20; ++i, snprintf(path + strlen(path), 3, "/g"))
        H5Gclose(H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void put_all_growing(hid_t file)
{
    const hsize_t shape[2] = {10, 10};
    const hsize_t most[2] = {H5S_UNLIMITED, H5S_UNLIMITED};
    const hid_t space = H5Screate_simple(2, shape, most);
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(layout, 2, shape);
    H5Dclose(H5Dcreate2(file, "a", H5T_STD_U8LE, space, H5P_DEFAULT, layout, H5P_DEFAULT));
    H5Pclose(layout);
    H5Sclose(space);
}

/* What is refused only when it is read: other parts of such a file are usable. */
static const struct {
    void (*put)(hid_t file);
    const char *message;
    size_t version; /* the only one in which libhdf5 writes it; 0: all */
} refused[] = {
    {put_external, "'/a' has its elements in other files", 0},
    {put_virtual, "'/a' is virtual", 2},
    {put_compact, "'/a' has the compact layout", 0},
    {put_shuffled, "'/a' is compressed or has another filter", 0},
    {put_unwritten, "'/a' was never written", 0},
    {put_unwritten_chunks, "'/a' has chunks that were never written", 0},
    {put_big_endian, "'a' is not an array in DeepTaxa-MPI's layout", 0},
    {put_compound, "'a' is not an array in DeepTaxa-MPI's layout", 0},
    {put_variable_texts, "'a' is not an array in DeepTaxa-MPI's layout", 0},
    {put_named_type, "stored elsewhere", 0},
    {put_soft_link, "'/a' is a link to another place", 0},
    {put_external_link, "'/a' is a link to another place or file", 0},
    {put_circle, "'/a/b' is a link to a group that contains it", 0},
    {put_deep_groups, "nested too deeply", 0},
    {put_all_growing, "index of chunks of another kind", 2},
};

static dt_status read_a(const char *path)
{
    dt_container *file;
    dt_array_info info;
    static unsigned char values[1000];
    DT_TRY(dt_container_open(&file, path, FORMAT, 1, NULL));
    dt_status status = dt_container_info(file, "a", &info);
    if (status == DT_OK)
        status =
            dt_container_get_array(file, "a", info.element, info.dimensions, info.shape, values);
    dt_container_close(file);
    return status;
}

static void other_hdf5_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERSIONS * sizeof refused / sizeof *refused; ++i) {
        const size_t version = i % VERSIONS;
        if (refused[i / VERSIONS].version > version)
            continue;
        const hid_t file = begin_file("refused.h5", version);
        refused[i / VERSIONS].put(file);
        end_file(file, "refused.h5");
        ASSERT_FAILS(DT_ERR_INPUT, refused[i / VERSIONS].message, read_a("refused.h5"));
        assert_non_null(strstr(dt_error_message(), "refused.h5"));
    }
}

static void attributes_of_other_types_are_left_alone(void **state)
{
    (void)state;
    for (size_t version = 0; version < VERSIONS; ++version) {
        const hid_t out = begin_file("note.h5", version);
        const hid_t space = H5Screate(H5S_SCALAR);
        const hid_t type = H5Tcopy(H5T_C_S1);
        const char *note = "of variable length";
        H5Tset_size(type, H5T_VARIABLE);
        const hid_t attribute = H5Acreate2(out, "note", type, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(attribute, type, &note);
        H5Aclose(attribute);
        H5Tclose(type);
        H5Sclose(space);
        put_array(out, version ? &plain : &chunked);
        end_file(out, "note.h5");
        ASSERT_OK(read_a("note.h5"));
        dt_container *file;
        char *text;
        ASSERT_OK(dt_container_open(&file, "note.h5", FORMAT, 1, NULL));
        ASSERT_FAILS(DT_ERR_INPUT, "'note' of '/' is not a single text",
                     dt_container_get_attribute_text(file, "", "note", &text));
        dt_container_close(file);
    }
}

/* ---- Changed files --------------------------------------------------------------------------- */

/* Reads all that a file has. Returns whether it was refused. */
static bool read_everything(const char *path)
{
    static unsigned char values[1 << 16];
    dt_container *file;
    const dt_status opened = dt_container_open(&file, path, FORMAT, 1, NULL);
    if (opened != DT_OK) {
        assert_int_equal(opened, DT_ERR_INPUT);
        return true;
    }
    bool bad = false;
    for (size_t i = 0; i < file->contents.objects; ++i) {
        const dt_hdf5_object *object = &file->contents.object[i];
        dt_array_info info;
        if (dt_container_info(file, object->info.name, &info) != DT_OK ||
            info.bytes > (int64_t)sizeof values)
            bad = bad || object->is_array;
        else
            bad = dt_container_get_array(file, info.name, info.element, info.dimensions, info.shape,
                                         values) != DT_OK ||
                  bad;
    }
    dt_container_close(file);
    return bad;
}

/* Mutants of a file; some are to be refused and some to be read, else they reach too little. */
static void read_mutants(const char *path, uint64_t count)
{
    hdf5_original original;
    uint64_t refusals = 0;
    const char *factor = getenv("DEEPTAXA_TEST_MUTANTS");
    count *= factor ? strtoull(factor, NULL, 10) : 1;
    ASSERT_OK(hdf5_original_read(&original, path));
    for (uint64_t seed = 0; seed < count; ++seed) {
        ASSERT_OK(hdf5_mutant_write(&original, "mutant.h5", seed));
        refusals += read_everything("mutant.h5");
    }
    print_message("%s: %d of %d mutants refused, %d parts with checksums\n", path, (int)refusals,
                  (int)count, (int)original.parts);
    assert_true(refusals > count / 10 && refusals < count);
    hdf5_original_free(&original);
}

static void changed_files_are_read_within_bounds(void **state)
{
    (void)state;
    for (size_t version = 0; version < VERSIONS; ++version) {
        const hid_t file = begin_file("arrays.h5", version);
        for (size_t i = 0; i < ARRAYS; ++i)
            if (elements_of(&arrays[i]) < 1000)
                put_array(file, &arrays[i]);
        const hid_t group = H5Gcreate2(file, "many", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        for (int i = 0; i < 40; ++i) {
            char name[20];
            snprintf(name, sizeof name, "number %d", i);
            put_number_attribute(group, name, i);
            H5Gclose(H5Gcreate2(group, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        }
        H5Gclose(group);
        end_file(file, "arrays.h5");
        read_mutants("arrays.h5", 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_each_version_are_read),
        cmocka_unit_test(large_groups_of_each_version_are_read),
        cmocka_unit_test(other_hdf5_is_refused_by_name),
        cmocka_unit_test(attributes_of_other_types_are_left_alone),
        cmocka_unit_test(changed_files_are_read_within_bounds),
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return cmocka_run_group_tests_name("hdf5_reader", tests, enter_folder, leave_folder);
}
