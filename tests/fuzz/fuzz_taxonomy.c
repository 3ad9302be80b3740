/* Taxonomy tables. */
#include "fuzz.h"
#include "taxonomy_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    dt_taxonomy_table table;
    if (fuzz_succeeded(dt_taxonomy_table_read(&table, fuzz_file(0, bytes, size))))
        check_table(&table);
    dt_taxonomy_table_free(&table);
    return 0;
}
