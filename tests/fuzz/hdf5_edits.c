#include "hdf5_edits.h"

#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/container_integrity.h"

#define OBJECTS 256
#define NAME 96
#define MOST_BYTES ((size_t)1 << 19) /* of an array whose values are changed */
#define FILE_NUMBER 3                /* fuzz_file() */

typedef struct {
    hid_t file;
    uint64_t *random;
    char name[OBJECTS][NAME]; /* paths of groups and arrays */
    size_t count;
} editor;

static size_t below(const editor *e, size_t limit)
{
    return (size_t)(fuzz_random(e->random) % limit);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A number at the borders of what programs expect, or near the one that was there. */
static void change_integer(const editor *e, unsigned char *at, size_t size)
{
    static const int64_t borders[] = {0,
                                      1,
                                      2,
                                      -1,
                                      7,
                                      255,
                                      65535,
                                      INT32_MAX,
                                      INT32_MIN,
                                      INT64_MAX,
                                      INT64_MIN,
                                      UINT32_MAX,
                                      (int64_t)1 << 32,
                                      (int64_t)1 << 40};
    uint64_t value = 0; /* wraps */
    memcpy(&value, at, size);
    switch (below(e, 4)) {
    case 0:
        value += 1;
        break;
    case 1:
        value -= 1;
        break;
    case 2:
        value = (uint64_t)((int64_t)fuzz_random(e->random) >> below(e, 64));
        break;
    default:
        value = (uint64_t)borders[below(e, sizeof borders / sizeof *borders)];
    }
    memcpy(at, &value, size);
}

static void change_real(const editor *e, unsigned char *at, size_t size)
{
    static const double borders[] = {0.0,   -0.0,   1.0,    -1.0,      0.5,        1e-9,     1e30,
                                     1e308, 5e-324, -1e300, 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0};
    const double number = borders[below(e, sizeof borders / sizeof *borders)];
    const float narrow = (float)number;
    memcpy(at, size == sizeof narrow ? (const void *)&narrow : (const void *)&number, size);
}

static void change_element(const editor *e, hid_t type, unsigned char *at, size_t size)
{
    const H5T_class_t class = H5Tget_class(type);
    if (class == H5T_INTEGER && size <= sizeof(int64_t))
        change_integer(e, at, size);
    else if (class == H5T_FLOAT && (size == 4 || size == 8))
        change_real(e, at, size);
    else
        at[below(e, size)] = "\0\n\x1b\"A0-./\x7f\x80\xff"[below(e, 12)];
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void change_attribute(const editor *e, hid_t attribute)
{
    const hid_t type = H5Aget_type(attribute);
    const hid_t space = H5Aget_space(attribute);
    const size_t size = H5Tget_size(type);
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    unsigned char *values = NULL;
    if (count > 0 && size > 0 && (size_t)count <= MOST_BYTES / size && !H5Tis_variable_str(type))
        values = malloc((size_t)count * size);
    if (values && H5Aread(attribute, type, values) >= 0) {
        change_element(e, type, values + below(e, (size_t)count) * size, size);
        H5Awrite(attribute, type, values);
    }
    free(values);
    H5Sclose(space);
    H5Tclose(type);
}

/* One of the types that occur, or that should not. */
static hid_t some_type(const editor *e)
{
    const hid_t types[] = {H5T_STD_I64LE, H5T_IEEE_F64LE, H5T_IEEE_F32LE, H5T_STD_I32LE,
                           H5T_STD_U16LE, H5T_STD_U8LE,   H5T_STD_I64BE,  H5T_STD_REF_OBJ};
    const size_t choice = below(e, 12);
    if (choice < 8)
        return H5Tcopy(types[choice]);
    if (choice == 8)
        return H5Tcreate(H5T_OPAQUE, 8);
    if (choice == 9) {
        const hid_t compound = H5Tcreate(H5T_COMPOUND, 16);
        H5Tinsert(compound, "a", 0, H5T_STD_I64LE);
        H5Tinsert(compound, "b", 8, H5T_IEEE_F64LE);
        return compound;
    }
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, choice == 10 ? H5T_VARIABLE : 1 + below(e, 40));
    return text;
}

static hid_t some_space(const editor *e, int dimensions)
{
    static const hsize_t sizes[] = {0, 1, 2, 3, 7, 100, 5000, (hsize_t)1 << 40, (hsize_t)1 << 62};
    hsize_t shape[10];
    if (dimensions == 0)
        return H5Screate(below(e, 2) ? H5S_SCALAR : H5S_NULL);
    for (int i = 0; i < dimensions; ++i)
        shape[i] = sizes[below(e, dimensions > 1 ? 5 : 9)];
    return H5Screate_simple(dimensions, shape, NULL);
}

/* The library allocates attributes and compact arrays at once, however large. */
static bool is_small(hid_t space)
{
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    return count >= 0 && count <= 5000;
}

static void replace_attribute(const editor *e, hid_t object, const char *name)
{
    const hid_t type = some_type(e);
    const hid_t space = some_space(e, (int)below(e, 3));
    H5Adelete(object, name);
    const hid_t attribute =
        is_small(space) ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static void edit_attribute(const editor *e, hid_t object)
{
    char name[NAME] = "";
    const hid_t attribute =
        H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, below(e, below(e, 2) ? 40 : 8),
                       H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0)
        return;
    H5Aget_name(attribute, sizeof name, name);
    const size_t choice = below(e, 8);
    if (choice < 6)
        change_attribute(e, attribute);
    H5Aclose(attribute);
    if (choice == 6)
        H5Adelete(object, name);
    if (choice == 7)
        replace_attribute(e, object, name);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void change_values(const editor *e, hid_t array)
{
    const hid_t type = H5Dget_type(array);
    const hid_t space = H5Dget_space(array);
    const size_t size = H5Tget_size(type);
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    unsigned char *values = NULL;
    if (count > 0 && size > 0 && (size_t)count <= MOST_BYTES / size && !H5Tis_variable_str(type))
        values = malloc((size_t)count * size);
    if (values && H5Dread(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0) {
        for (size_t i = 0; i <= below(e, 3); ++i)
            change_element(e, type, values + below(e, (size_t)count) * size, size);
        H5Dwrite(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    }
    free(values);
    H5Sclose(space);
    H5Tclose(type);
}

/* The type and the values of an array stay, its length becomes another by a few. */
static void change_length(const editor *e, const char *name, hid_t array)
{
    hsize_t shape[H5S_MAX_RANK];
    const hid_t type = H5Dget_type(array);
    const hid_t space = H5Dget_space(array);
    const hid_t layout = H5Dget_create_plist(array);
    const int dimensions = H5Sget_simple_extent_dims(space, shape, NULL);
    const size_t size = H5Tget_size(type);
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    const size_t bytes = count > 0 && (size_t)count < MOST_BYTES / size ? (size_t)count * size : 0;
    unsigned char *values = calloc(1, 2 * bytes + 64);
    if (dimensions >= 1 && bytes && values && !H5Tis_variable_str(type) &&
        H5Dread(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0) {
        shape[below(e, (size_t)dimensions)] += below(e, 2) ? 1 : (hsize_t)-1;
        H5Ldelete(e->file, name, H5P_DEFAULT);
        const hid_t other = H5Screate_simple(dimensions, shape, NULL);
        const hid_t made = H5Dcreate2(e->file, name, type, other, H5P_DEFAULT, layout, H5P_DEFAULT);
        const hssize_t now = H5Sget_simple_extent_npoints(other);
        if (made >= 0 && now > 0 && (size_t)now * size <= 2 * bytes + 64)
            H5Dwrite(made, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        if (made >= 0)
            H5Dclose(made);
        H5Sclose(other);
    }
    free(values);
    H5Pclose(layout);
    H5Sclose(space);
    H5Tclose(type);
}

static hid_t some_layout(const editor *e, int dimensions, hid_t space)
{
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[10] = {64, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    switch (below(e, 6)) {
    case 0:
        if (is_small(space))
            H5Pset_layout(layout, H5D_COMPACT);
        break;
    case 1:
        H5Pset_external(layout, "/etc/hostname", 0, H5F_UNLIMITED);
        break;
    case 2:
    case 3:
        if (dimensions > 0)
            H5Pset_chunk(layout, dimensions, chunk);
        if (below(e, 2))
            H5Pset_deflate(layout, 1);
        if (below(e, 2))
            H5Pset_fletcher32(layout);
        break;
    default:
        break;
    }
    return layout;
}

static void replace_array(const editor *e, const char *name)
{
    const int dimensions = (int)below(e, below(e, 3) ? 3 : 10);
    const hid_t type = some_type(e);
    const hid_t space = some_space(e, dimensions);
    const hid_t layout = some_layout(e, dimensions, space);
    H5Ldelete(e->file, name, H5P_DEFAULT);
    const hid_t array = H5Dcreate2(e->file, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    if (array >= 0)
        H5Dclose(array);
    H5Pclose(layout);
    H5Sclose(space);
    H5Tclose(type);
}

static void edit_array(const editor *e, const char *name, hid_t array)
{
    switch (below(e, 8)) {
    case 0:
        replace_array(e, name);
        break;
    case 1:
        change_length(e, name, array);
        break;
    default:
        change_values(e, array);
    }
}

/* ---- links ----------------------------------------------------------------------------------- */

static void edit_link(const editor *e, const char *name)
{
    const char *other = e->name[below(e, e->count)];
    if (strcmp(name, ".") == 0)
        return;
    if (below(e, 4) == 0) { /* a new name for another object, in place of this one */
        H5Ldelete(e->file, name, H5P_DEFAULT);
        H5Lcreate_hard(e->file, other, e->file, name, H5P_DEFAULT, H5P_DEFAULT);
        return;
    }
    H5Ldelete(e->file, name, H5P_DEFAULT);
    switch (below(e, 5)) {
    case 0:
        H5Lcreate_soft(other, e->file, name, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 1:
        H5Lcreate_external("/etc/hostname", "/", e->file, name, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 2: {
        const hid_t group = H5Gcreate2(e->file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (group >= 0)
            H5Gclose(group);
        break;
    }
    default: /* it is missing */
        break;
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    editor *e = context;
    (void)group;
    if (info->type == H5L_TYPE_HARD && e->count < OBJECTS && strlen(name) < NAME)
        strcpy(e->name[e->count++], name);
    return 0;
}

static void edit(const editor *e)
{
    const char *name = e->name[below(e, e->count)];
    const hid_t object = H5Oopen(e->file, name, H5P_DEFAULT);
    if (object < 0)
        return;
    const bool array = H5Iget_type(object) == H5I_DATASET;
    const size_t choice = below(e, 16);
    if (array && choice < 12)
        edit_array(e, name, object);
    else if (choice < 14)
        edit_attribute(e, object);
    else
        edit_link(e, name);
    H5Oclose(object);
}

static bool edit_file(const char *path, uint64_t *random)
{
    static editor e;
    e.random = random;
    e.count = 0;
    strcpy(e.name[e.count++], ".");
    e.file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    if (e.file < 0)
        return false;
    H5Lvisit(e.file, H5_INDEX_NAME, H5_ITER_NATIVE, add_name, &e);
    for (size_t i = 0; i <= below(&e, 3); ++i)
        edit(&e);
    return H5Fclose(e.file) >= 0;
}

/* ---- the process that edits ------------------------------------------------------------------- */

/* libhdf5 crashes on some of what it has written before (1.10.8 after a link of a group has been
 * removed), which is no fault of the program. So a process of its own edits; there is a new one after
 * that. */
static struct {
    pid_t pid;         /* 0: none */
    int order, answer; /* pipes: the random number; then that, and whether the file is edited */
} child;

typedef struct {
    uint64_t random;
    bool edited;
} answer;

static void edit_all(const char *path, int order, int answers)
{
    answer a = {0};
    signal(SIGSEGV, SIG_DFL); /* without a report */
    signal(SIGABRT, SIG_DFL);
    while (read(order, &a.random, sizeof a.random) == (ssize_t)sizeof a.random) {
        a.edited = edit_file(path, &a.random);
        if (write(answers, &a, sizeof a) != (ssize_t)sizeof a)
            break;
    }
    _exit(0);
}

static void start_child(const char *path)
{
    int order[2];
    int answers[2];
    FUZZ_CHECK(pipe2(order, O_CLOEXEC) == 0 && pipe2(answers, O_CLOEXEC) == 0);
    child.pid = fork();
    FUZZ_CHECK(child.pid >= 0);
    if (child.pid == 0) {
        close(order[1]);
        close(answers[0]);
        edit_all(path, order[0], answers[1]);
    }
    close(order[0]);
    close(answers[1]);
    child.order = order[1];
    child.answer = answers[0];
}

/* Returns false if the file could not be edited. */
static bool edit_in_child(const char *path, uint64_t *random)
{
    answer a;
    if (!child.pid)
        start_child(path);
    FUZZ_CHECK(write(child.order, random, sizeof *random) == (ssize_t)sizeof *random);
    if (read(child.answer, &a, sizeof a) != (ssize_t)sizeof a) {
        close(child.order);
        close(child.answer);
        FUZZ_CHECK(waitpid(child.pid, NULL, 0) == child.pid);
        child.pid = 0;
        return false;
    }
    *random = a.random;
    return a.edited;
}

/* Replaces `bytes` by the content of the file; returns its size, 0 if it is larger than `most`. */
static size_t take(int file, uint8_t *bytes, size_t most)
{
    const off_t length = lseek(file, 0, SEEK_END);
    if (length <= 0 || (size_t)length > most)
        return 0;
    FUZZ_CHECK(pread(file, bytes, (size_t)length, 0) == length);
    return (size_t)length;
}

/* The library opens no file in memory for writing, so this is one with a name. */
size_t hdf5_edit(uint8_t *bytes, size_t size, size_t most, uint64_t *random)
{
    char path[128];
    snprintf(path, sizeof path, "%s/edited.h5", fuzz_folder());
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(file >= 0 && write(file, bytes, size) == (ssize_t)size);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const size_t length = edit_in_child(path, random) ? take(file, bytes, most) : 0;
    close(file);
    unlink(path);
    hdf5_seal(bytes, length);
    return length;
}

void hdf5_seal(uint8_t *bytes, size_t size)
{
    static dt_extents none;
    if (size < DT_INTEGRITY_BYTES)
        return;
    const char *path = fuzz_file(FILE_NUMBER, bytes, size);
    none.count = 0;
    FUZZ_CHECK(dt_integrity_write(fuzz_descriptor(FILE_NUMBER), path, &none) == DT_OK);
    FUZZ_CHECK(pread(fuzz_descriptor(FILE_NUMBER), bytes, DT_INTEGRITY_BYTES, 0) ==
               DT_INTEGRITY_BYTES);
}
