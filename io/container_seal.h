/* The seal in front of a container: by it a file that is cut short, damaged or foreign is told
 * before HDF5 sees a byte of it. HDF5 1.10 checks its metadata too, but a single changed byte can
 * make it free memory that it never set. Private to the container.
 *
 * It fills the user block of the HDF5 file (HDF5 leaves these bytes to others and looks for its own
 * beginning behind them), little-endian:
 *       0  magic, 16 bytes
 *      16  uint32 version of the seal, 1
 *      20  uint32 CRC-32 of the user block, taken with zeros in this place
 *      24  uint64 bytes of the file
 *      32  uint32 CRC-32 of all that lies behind the user block and in none of the extents
 *      36  uint32 number of extents
 *      64  the extents: uint64 first byte, uint64 bytes; ascending, apart from each other
 * The extents hold the chunks of arrays, which HDF5 guards with a checksum each. So the seal of a
 * large file is checked without reading its arrays.
 */
#ifndef DT_IO_CONTAINER_SEAL_H
#define DT_IO_CONTAINER_SEAL_H

#include <stdint.h>

#include "core/status.h"

#define DT_SEAL_BYTES 16384 /* a power of two, as HDF5 wants it */
#define DT_SEAL_EXTENTS ((DT_SEAL_BYTES - 64) / 16)

/* Parts of a file, in no order at first; what does not fit is left out. Zero-initialise. */
typedef struct {
    int32_t count;
    struct {
        uint64_t start;
        uint64_t end;
    } item[DT_SEAL_EXTENTS];
} dt_extents;

/* Notes that [start, end) holds chunks of arrays, or that it holds something else after all. */
void dt_extents_add(dt_extents *extents, uint64_t start, uint64_t end);
void dt_extents_remove(dt_extents *extents, uint64_t start, uint64_t end);

/* Seals a complete file. Sorts `extents`. `path` is for messages. */
dt_status dt_seal_write(int fd, const char *path, dt_extents *extents);

/* DT_ERR_INPUT with what is wrong, DT_ERR_IO. */
dt_status dt_seal_check(int fd, const char *path);

#endif
