/* tokenizer.json, and encoding by the tokenizers that it gives. */
#include <string.h>

#include "encode_check.h"
#include "sequence/tokenizer_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const texts[] = {
        "", "ACGT", "ACGTNNNNACGTACGTTTGACGTACGTACGTAGCTAGCTAGCATCGATCGACTAGCTAGCATCGAC",
        "A C\tG\xc2\xa0T [CLS] [UNK]\xff\xe2\x82", "acgt-acgt"};
    dt_tokenizer *tokenizer;
    const dt_status status =
        dt_tokenizer_from_json((const char *)bytes, size, "tokenizer.json", &tokenizer);
    if (!fuzz_succeeded(status))
        return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        check_encoding(tokenizer, texts[i], strlen(texts[i]), 0);
        check_encoding(tokenizer, texts[i], strlen(texts[i]), 5);
    }
    dt_tokenizer_destroy(tokenizer);
    return 0;
}
