/* Token ids of all 5,181 sequences of the 16S set by DNABERT-2's tokenizer against Hugging Face's,
 * raw (mostly lower case, so mostly unknown) and normalised. */
#include "test.h"

#include <unistd.h>

#include "sequence/tokenizer_json.h"
#include "parity/fixtures.h"
#include "sequence/normalize.h"

/* Reads the next record's sequence into `out`; -1 at the end. */
static long next_sequence(FILE *fasta, char *out, size_t room)
{
    char line[4096];
    long length = -1;
    long start = ftell(fasta);
    while (fgets(line, sizeof line, fasta)) {
        if (line[0] == '>') {
            /* a header may be longer than the buffer */
            while (!strchr(line, '\n') && fgets(line, sizeof line, fasta)) {
            }
            if (length >= 0) {
                fseek(fasta, start, SEEK_SET);
                break;
            }
            length = 0;
        } else {
            const size_t bytes = strcspn(line, "\r\n");
            assert_true((size_t)length + bytes <= room);
            memcpy(out + length, line, bytes);
            length += (long)bytes;
        }
        start = ftell(fasta);
    }
    return length;
}

static void assert_ids(dt_encoder *encoder, const char *text, size_t length, int count,
                       uint32_t hash, const char *what, int record)
{
    const uint16_t *ids;
    int32_t found;
    ASSERT_OK(dt_encoder_encode(encoder, text, length, 0, &ids, &found));
    if (found != count || digest(ids, found) != hash)
        fail_msg("sequence %d, %s: %d ids, hash %08x; expected %d, %08x", record, what, found,
                 digest(ids, found), count, hash);
    /* cut to a length: the first ids and [SEP] */
    const uint16_t last = ids[found - 1];
    const uint16_t kept = ids[found > 100 ? 98 : found - 2];
    ASSERT_OK(dt_encoder_encode(encoder, text, length, 100, &ids, &found));
    assert_int_equal(found, count > 100 ? 100 : count);
    assert_int_equal(ids[found - 1], last);
    assert_int_equal(ids[found - 2], kept);
}

static void all_sequences_give_the_same_ids(void **state)
{
    (void)state;
    dt_tokenizer *tokenizer;
    dt_encoder *encoder;
    ASSERT_OK(dt_tokenizer_read(shared_path("data/dnabert2-tokenizer.json"), &tokenizer, NULL));
    ASSERT_OK(dt_encoder_create(&encoder, tokenizer));
    FILE *fasta = fopen(GOLD_FASTA, "r");
    FILE *expected = fopen(FIXTURES "tokenizer_gold.txt", "r");
    assert_non_null(fasta);
    assert_non_null(expected);
    static char text[1 << 16];
    char line[256];
    int records = 0;
    while (fgets(line, sizeof line, expected)) {
        int raw_count, count;
        uint32_t raw_hash, hash;
        if (sscanf(line, "%d %x %d %x", &raw_count, &raw_hash, &count, &hash) != 4)
            continue;
        const long length = next_sequence(fasta, text, sizeof text);
        assert_true(length > 0);
        ++records;
        assert_ids(encoder, text, (size_t)length, raw_count, raw_hash, "raw", records);
        const size_t normal = dt_normalize(text, (size_t)length);
        assert_ids(encoder, text, normal, count, hash, "normalised", records);
    }
    assert_int_equal(records, 5181);
    assert_int_equal(next_sequence(fasta, text, sizeof text), -1);
    fclose(fasta);
    fclose(expected);
    dt_encoder_destroy(encoder);
    dt_tokenizer_destroy(tokenizer);
}

int main(void)
{
    if (access(shared_path("data/dnabert2-tokenizer.json"), R_OK) != 0)
        SKIP_PROGRAM("no %s", shared_path("data/dnabert2-tokenizer.json"));
    if (access(GOLD_FASTA, R_OK) != 0)
        SKIP_PROGRAM("no %s: install the Debian package microbiomeutil-data", GOLD_FASTA);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sequences_give_the_same_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
