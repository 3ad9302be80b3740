/* print_hdf5 FILE: what an HDF5 file holds, a line for each: `dataset NAME TYPE DIMENSIONS` and
 * `attribute OBJECT@KEY TYPE`, TYPE being float32, int64, uint16, …, or text. */
#define H5_USE_110_API
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

static void print_type(hid_t type)
{
    const size_t bits = 8 * H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        printf("float%zu", bits);
        break;
    case H5T_INTEGER:
        printf("%sint%zu", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
        break;
    case H5T_STRING:
        printf("text");
        break;
    default:
        printf("other");
    }
    H5Tclose(type);
}

static herr_t print_attribute(hid_t object, const char *name, const H5A_info_t *info, void *path)
{
    (void)info;
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    printf("attribute %s@%s ", (const char *)path, name);
    print_type(H5Aget_type(attribute));
    printf("\n");
    return H5Aclose(attribute);
}

static herr_t print_object(hid_t file, const char *name, const H5O_info_t *info, void *unused)
{
    (void)unused;
    char path[512];
    snprintf(path, sizeof path, "%s", strcmp(name, ".") == 0 ? "" : name);
    const hid_t object = H5Oopen(file, name, H5P_DEFAULT);
    if (info->type == H5O_TYPE_DATASET) {
        const hid_t space = H5Dget_space(object);
        printf("dataset %s ", path);
        print_type(H5Dget_type(object));
        printf(" %d\n", H5Sget_simple_extent_ndims(space));
        H5Sclose(space);
    }
    H5Aiterate(object, H5_INDEX_NAME, H5_ITER_INC, NULL, print_attribute, path);
    return H5Oclose(object);
}

int main(int argc, char **argv)
{
    const hid_t file = argc == 2 ? H5Fopen(argv[1], H5F_ACC_RDONLY, H5P_DEFAULT) : -1;
    return file < 0 || H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, print_object, NULL) < 0 ||
           H5Fclose(file) < 0;
}
