/* Checkpoints any of whose bytes were changed and that were sealed again. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hdf5_edits.h"
#include "use_checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *sealed = malloc(size + 1);
    FUZZ_CHECK(sealed != NULL);
    memcpy(sealed, bytes, size);
    hdf5_seal(sealed, size);
    use_checkpoint(sealed, size);
    free(sealed);
    return 0;
}
