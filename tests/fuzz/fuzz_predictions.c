/* The JSON file of a prediction, as `deeptaxa report` reads it. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "io/json_scan.h"
#include "report/predictions.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = NULL;
    size_t length = 0;
    dt_output out;
    dt_json json;
    FILE *stream = open_memstream(&text, &length);
    FUZZ_CHECK(stream && dt_output_attach(&out, stream, "report") == DT_OK);
    dt_json_begin(&json, &out, 0, 0);
    const bool read = fuzz_succeeded(dt_report_predictions(&json, fuzz_file(0, bytes, size)));
    FUZZ_CHECK(dt_output_detach(&out) == DT_OK && fclose(stream) == 0);
    if (read) { /* the page's script reads it */
        dt_json_scan scan = dt_json_scan_of(text, length);
        dt_json_scan_skip(&scan);
        FUZZ_CHECK(!scan.bad);
    }
    free(text);
    return 0;
}
