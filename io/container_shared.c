#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/container_internal.h"

/* ---- The HDF5 lock -------------------------------------------------------------------------- */

void dt_container_disable_error_printing(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* recursive; there is no portable static initialiser for that */
static pthread_mutex_t hdf5_mutex;
static pthread_once_t hdf5_once = PTHREAD_ONCE_INIT;

static void make_hdf5_mutex(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&hdf5_mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

int dt_container_lock(void)
{
    pthread_once(&hdf5_once, make_hdf5_mutex);
    return pthread_mutex_lock(&hdf5_mutex);
}

void dt_container_unlock(const int *lock)
{
    (void)lock;
    pthread_mutex_unlock(&hdf5_mutex);
}

/* ---- Elements ------------------------------------------------------------------------------- */

int64_t dt_element_bytes(dt_element element)
{
    switch (element) {
    case DT_ELEMENT_FLOAT32:
    case DT_ELEMENT_INT32:
        return 4;
    case DT_ELEMENT_FLOAT64:
    case DT_ELEMENT_INT64:
        return 8;
    case DT_ELEMENT_UINT16:
        return 2;
    case DT_ELEMENT_UINT8:
        return 1;
    case DT_ELEMENT_TEXT:
        break;
    }
    return 0;
}

hid_t dt_container_disk_type(dt_element element, int64_t bytes)
{
    switch (element) {
    case DT_ELEMENT_FLOAT32:
        return H5T_IEEE_F32LE;
    case DT_ELEMENT_FLOAT64:
        return H5T_IEEE_F64LE;
    case DT_ELEMENT_INT32:
        return H5T_STD_I32LE;
    case DT_ELEMENT_INT64:
        return H5T_STD_I64LE;
    case DT_ELEMENT_UINT16:
        return H5T_STD_U16LE;
    case DT_ELEMENT_UINT8:
        return H5T_STD_U8LE;
    case DT_ELEMENT_TEXT:
        break;
    }
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 &&
        (H5Tset_size(type, (size_t)bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
         H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

hid_t dt_container_memory_type(dt_element element, hid_t disk_type)
{
    switch (element) {
    case DT_ELEMENT_FLOAT32:
        return H5T_NATIVE_FLOAT;
    case DT_ELEMENT_FLOAT64:
        return H5T_NATIVE_DOUBLE;
    case DT_ELEMENT_INT32:
        return H5T_NATIVE_INT32;
    case DT_ELEMENT_INT64:
        return H5T_NATIVE_INT64;
    case DT_ELEMENT_UINT16:
        return H5T_NATIVE_UINT16;
    case DT_ELEMENT_UINT8:
        return H5T_NATIVE_UINT8;
    case DT_ELEMENT_TEXT:
        break;
    }
    return disk_type;
}

const char *dt_container_element_name(dt_element element)
{
    static const char *const names[] = {"float32", "float64", "int32", "int64",
                                        "uint16",  "uint8",   "text"};
    return names[element];
}
