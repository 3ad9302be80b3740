/* Interface of the module "archive", which decompresses bzip2, xz, zstd and zip with libarchive.
 * Since that library is large and not installed everywhere, it is in a module
 * (libdeeptaxa_archive.so), which is loaded only when such a file is opened.
 *
 * Errors of the module only give the reason: its caller adds the file and the line. */
#ifndef DT_IO_UNPACK_H
#define DT_IO_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "io/packed.h"

/* Input of the unpacker. */
typedef struct {
    void *file;
    int64_t size; /* of the file, if seek() can be used; else -1 */
    /* Sets *block to the next bytes, valid until the next call; *length is 0 at the end. */
    dt_status (*next)(void *file, const unsigned char **block, size_t *length);
    dt_status (*seek)(void *file, int64_t position);
} dt_unpack_source;

typedef struct dt_unpacker dt_unpacker;

/* Exported by the module under the name DT_UNPACK_SYMBOL. */
typedef struct {
    int32_t contract; /* DT_UNPACK_CONTRACT of its build */
    /* Opens a bzip2, xz or zstd file. `source->file` must outlive the unpacker. DT_ERR_INPUT if it
     * is damaged, DT_ERR_DEVICE if this libarchive lacks the format. */
    dt_status (*open)(dt_unpacker **out, const dt_unpack_source *source, dt_packing packing);
    /* Appends the names of a zip archive's entries, including folders, each '\0'-terminated. */
    dt_status (*list)(const dt_unpack_source *source, dt_text *names);
    /* Opens an entry by its index in that list. DT_ERR_USAGE if it is encrypted. */
    dt_status (*open_entry)(dt_unpacker **out, const dt_unpack_source *source, int64_t entry);
    /* Sets *block to the next bytes of the text, valid until the next call; *length is 0 at the end
     * of the data. */
    dt_status (*read)(dt_unpacker *unpacker, const void **block, size_t *length);
    /* Returns how many bytes of the file the data read so far occupies. */
    int64_t (*used)(const dt_unpacker *unpacker);
    void (*close)(dt_unpacker *unpacker); /* NULL is allowed */
} dt_unpack_ops;

#define DT_UNPACK_CONTRACT 1
#define DT_UNPACK_MODULE "archive"
#define DT_UNPACK_SYMBOL "dt_unpack_archive"

#endif
