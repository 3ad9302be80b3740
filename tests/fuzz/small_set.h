/* A set of six sequences in one shard, for the targets `shards` and `dataset_json`. */
#ifndef DT_TESTS_SMALL_SET_H
#define DT_TESTS_SMALL_SET_H

#include <stddef.h>
#include <stdint.h>

#define SMALL_SET_SHARD 0       /* fuzz_file(): the shard */
#define SMALL_SET_DESCRIPTION 1 /* fuzz_file(): dataset.json */

/* Writes the set to fuzz_folder() at the first call. Its files are the same each time; the shard and
 * dataset.json are then those two of fuzz_file(). */
void small_set_make(void);

/* The bytes of the two files, unchanged. */
extern uint8_t *small_set_shard, *small_set_description;
extern size_t small_set_shard_size, small_set_description_size;

/* Reads the set in all ways, and checks what was read. */
void small_set_use(void);

#endif
