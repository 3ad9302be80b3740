/* Formats that libarchive reads: bzip2, xz, zstd, zip. The library is large, and not every machine
 * has it, so they are a module of their own (libdeeptaxa_archive.so), which is loaded when such a
 * file is met, and only then.
 *
 * Errors of the module say what is wrong and no more: its caller knows the file and the line. */
#ifndef DT_IO_UNPACK_H
#define DT_IO_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "io/packed.h"

/* Where the bytes of the file come from. */
typedef struct {
    void *file;
    int64_t size; /* of the file, where seek() can be used; else -1 */
    /* Sets *block to the next bytes, valid until the next call; *length is 0 at the end. */
    dt_status (*next)(void *file, const unsigned char **block, size_t *length);
    dt_status (*seek)(void *file, int64_t position);
} dt_unpack_source;

typedef struct dt_unpacker dt_unpacker;

/* What the module exports under the name DT_UNPACK_SYMBOL. */
typedef struct {
    int32_t contract; /* DT_UNPACK_CONTRACT of its build */
    /* Opens what a file of bzip2, xz or zstd holds. `source->file` must outlive the unpacker.
     * DT_ERR_INPUT where it is damaged, DT_ERR_DEVICE where this libarchive lacks the format. */
    dt_status (*open)(dt_unpacker **out, const dt_unpack_source *source, dt_packing packing);
    /* Appends the names of a zip archive's entries, folders too, each ended by '\0'. */
    dt_status (*list)(const dt_unpack_source *source, dt_text *names);
    /* Opens an entry by its place in that list. DT_ERR_USAGE where it is encrypted. */
    dt_status (*open_entry)(dt_unpacker **out, const dt_unpack_source *source, int64_t entry);
    /* Sets *block to the next bytes of the text, valid until the next call; *length is 0 at the end
     * of the data. */
    dt_status (*read)(dt_unpacker *unpacker, const void **block, size_t *length);
    /* Bytes of the file that belong to what was read. */
    int64_t (*used)(const dt_unpacker *unpacker);
    void (*close)(dt_unpacker *unpacker); /* NULL is fine */
} dt_unpack_ops;

#define DT_UNPACK_CONTRACT 1
#define DT_UNPACK_MODULE "archive"
#define DT_UNPACK_SYMBOL "dt_unpack_archive"

#endif
