/* mutate_hdf5 FILE FOLDER FIRST COUNT: writes copies of a checkpoint or shard whose structure was
 * changed and which are sealed, FOLDER/SEED.h5 for COUNT seeds from FIRST on (mutate_hdf5.h). */
#include <stdio.h>
#include <stdlib.h>

#include "mutate_hdf5.h"

int main(int argc, char **argv)
{
    hdf5_original original;
    if (argc != 5) {
        fprintf(stderr, "mutate_hdf5 FILE FOLDER FIRST COUNT\n");
        return 2;
    }
    dt_status status = hdf5_original_read(&original, argv[1]);
    const uint64_t first = strtoull(argv[3], NULL, 10);
    const uint64_t count = strtoull(argv[4], NULL, 10);
    for (uint64_t seed = first; seed < first + count && status == DT_OK; ++seed) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%llu.h5", argv[2], (unsigned long long)seed);
        status = hdf5_mutant_write(&original, path, seed);
    }
    hdf5_original_free(&original);
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_message());
    return status != DT_OK;
}
