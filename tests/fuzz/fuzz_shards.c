/* Shards whose values were changed and that were sealed again, beside an intact dataset.json. An
 * input that is no HDF5 file becomes an intact shard: the corpus needs no file of that kind. */
#include <string.h>

#include "fuzz.h"
#include "hdf5_edits.h"
#include "small_set.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned int seed)
{
    uint64_t random = seed;
    small_set_make();
    const size_t edited = hdf5_edit(bytes, size, most, &random);
    if (edited || small_set_shard_size > most)
        return edited ? edited : size;
    memcpy(bytes, small_set_shard, small_set_shard_size);
    return hdf5_edit(bytes, small_set_shard_size, most, &random);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    small_set_make();
    fuzz_file(SMALL_SET_SHARD, bytes, size);
    small_set_use();
    return 0;
}
