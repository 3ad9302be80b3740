/* dataset.json of shards. Its last check is that of its id, which a fuzzer cannot meet by chance; the
 * target shards changes values with the id recomputed. */
#include "data/dataset_json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    dt_dataset dataset = {0};
    dt_dataset_summary summary;
    fuzz_succeeded(dt_dataset_json_read(fuzz_file(0, bytes, size), &dataset, &summary));
    dt_dataset_free(&dataset);
    return 0;
}
