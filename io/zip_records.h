/* The numbers and sizes of a zip archive's records (APPNOTE 4.3), for all that read such archives. */
#ifndef DT_IO_ZIP_RECORDS_H
#define DT_IO_ZIP_RECORDS_H

#include <stdint.h>

enum {
    DT_ZIP_END = 22,                /* bytes of the end record, without its comment */
    DT_ZIP_LONGEST_COMMENT = 65535, /* behind it */
    DT_ZIP_LOCATOR_64 = 20,         /* bytes of the zip64 locator before it */
};

/* Returns the little-endian number of `count` bytes, at most 8. */
static inline uint64_t dt_zip_number(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; --i)
        value = value << 8 | bytes[i];
    return value;
}

/* The same of a size or place; a number above INT64_MAX, which no file has, becomes negative. */
static inline int64_t dt_zip_size(const unsigned char *bytes, int count)
{
    return (int64_t)dt_zip_number(bytes, count);
}

#endif
