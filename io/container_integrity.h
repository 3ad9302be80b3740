/* The integrity header at the beginning of a container: detects a truncated, damaged or foreign
 * file before it is read. It detects accidents, not intentions: who changes a file can compute the
 * checksums again. Private to the container.
 *
 * It occupies the user block of the HDF5 file, which HDF5 skips. Little-endian:
 *       0  magic, 16 bytes
 *      16  uint32 version of the header, 1
 *      20  uint32 CRC-32 of the user block, computed with zeros in this field
 *      24  uint64 size of the file in bytes
 *      32  uint32 CRC-32 of everything after the user block and outside the extents
 *      36  uint32 number of extents
 *      64  the extents: uint64 first byte, uint64 number of bytes; ascending, disjoint
 * The extents hold the chunks of arrays, each of which has HDF5's own checksum. The header of a
 * large file can thus be checked without reading its arrays.
 */
#ifndef DT_IO_CONTAINER_INTEGRITY_H
#define DT_IO_CONTAINER_INTEGRITY_H

#include <stdint.h>

#include "core/status.h"

#define DT_INTEGRITY_BYTES 16384 /* HDF5 requires a power of two */
#define DT_INTEGRITY_EXTENTS ((DT_INTEGRITY_BYTES - 64) / 16)

/* Ranges of a file, initially unordered; what exceeds the capacity is dropped. Zero-initialise. */
typedef struct {
    int32_t count;
    struct {
        uint64_t start;
        uint64_t end;
    } item[DT_INTEGRITY_EXTENTS];
} dt_extents;

/* Record that [start, end) holds array chunks, or (remove) that it holds other data. */
void dt_extents_add(dt_extents *extents, uint64_t start, uint64_t end);
void dt_extents_remove(dt_extents *extents, uint64_t start, uint64_t end);

/* Writes the integrity header of a complete file. Sorts `extents`. `path` is for messages. */
dt_status dt_integrity_write(int fd, const char *path, dt_extents *extents);

/* Checks the file against its integrity header. DT_ERR_INPUT explains the fault; DT_ERR_IO. */
dt_status dt_integrity_check(int fd, const char *path);

#endif
