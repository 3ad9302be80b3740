/* dataset.json of shards: as it is, and with the id of its content, which no fuzzer finds by chance. */
#include <stdlib.h>
#include <string.h>

#include "change_dataset.h"
#include "data/dataset_json.h"
#include "fuzz.h"

static void read_it(const void *bytes, size_t size)
{
    dt_dataset dataset = {0};
    dt_dataset_summary summary;
    if (fuzz_succeeded(dt_dataset_json_read(fuzz_file(0, bytes, size), &dataset, &summary))) {
        FUZZ_CHECK(dataset.taxonomy.tax_ranks >= 1 && summary.sequences_per_shard >= 1);
        FUZZ_CHECK(summary.shards == 0 ||
                   (summary.shards - 1) * summary.sequences_per_shard < summary.sequences);
    }
    dt_dataset_free(&dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_it(bytes, size);
    json_t *root = json_loadb((const char *)bytes, size, 0, NULL);
    if (json_is_object(root)) {
        renew_dataset_id(root);
        char *text = json_dumps(root, 0);
        if (text)
            read_it(text, strlen(text));
        free(text);
    }
    json_decref(root);
    return 0;
}
