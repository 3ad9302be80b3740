/* Checkpoints whose values were changed and that were sealed again. */
#include "fuzz.h"
#include "hdf5_edits.h"
#include "use_checkpoint.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned int seed)
{
    uint64_t random = seed;
    const size_t edited = hdf5_edit(bytes, size, most, &random);
    return edited ? edited : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    use_checkpoint(bytes, size);
    return 0;
}
