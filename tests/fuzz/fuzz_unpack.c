/* Compressed input: gzip, and with the module for libarchive bzip2, xz, zstd and zip. */
#include <stdlib.h>

#include "fuzz.h"
#include "io/text_input.h"

#define MOST ((size_t)8 << 20) /* bytes of text: what a bomb unpacks to costs time alone */

/* `empty`: the file, whose share is unknown. */
static void check(const char *path, const dt_text_kind *kind, bool empty)
{
    static char buffer[1 << 16];
    dt_text_input *input;
    size_t got = 1;
    size_t total = 0;
    if (!fuzz_succeeded(dt_text_input_open(&input, path, "input", kind)))
        return;
    dt_status status = DT_OK;
    while (status == DT_OK && got > 0 && total < MOST) {
        status = dt_text_input_read(input, buffer, sizeof buffer, 1, &got);
        if (status == DT_OK)
            total += got;
        const double share = dt_text_input_share(input);
        FUZZ_CHECK((share >= 0.0 && share <= 1.0) || empty);
    }
    fuzz_succeeded(status);
    dt_text_input_close(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_file(0, bytes, size);
    check(path, &dt_fasta_text, size == 0);
    check(path, &dt_taxonomy_text, size == 0);
    return 0;
}
