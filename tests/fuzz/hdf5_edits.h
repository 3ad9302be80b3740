/* Mutation of HDF5 files by their content: values, types, shapes, layouts, links are changed through
 * the library, so that all its checksums are right; then the file gets the seal of io/container.h. */
#ifndef DT_TESTS_HDF5_EDITS_H
#define DT_TESTS_HDF5_EDITS_H

#include <stddef.h>
#include <stdint.h>

/* Makes one to three edits in a file of `size` bytes at `bytes`, which has room for `most`, and seals
 * it. Returns the new size; 0 if the file cannot be opened, or what remains does not fit. */
size_t hdf5_edit(uint8_t *bytes, size_t size, size_t most, uint64_t *random);

/* Puts the right seal on a file as it is. Files that are too short have none. */
void hdf5_seal(uint8_t *bytes, size_t size);

#endif
