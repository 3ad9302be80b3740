/* FASTA and FASTQ. Records written again, one line each, are read as the same records. */
#include <string.h>

#include "fuzz.h"
#include "io/fasta.h"

typedef dt_status opener(dt_fasta **out, const char *path);

/* Appends all records to `text`, each on two lines. */
static dt_status read_records(const char *path, opener *open, dt_text *text)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    DT_TRY(open(&fasta, path));
    dt_status status = DT_OK;
    while (status == DT_OK && found) {
        status = dt_fasta_next(fasta, &record, &found);
        if (status != DT_OK || !found)
            break;
        FUZZ_CHECK(record.id.length > 0 && record.sequence.length > 0 && record.line > 0);
        FUZZ_CHECK(strlen(record.id.data) == record.id.length);
        const char *description = record.description.length ? record.description.data : "";
        status =
            dt_text_addf(text, ">%s %s\n%s\n", record.id.data, description, record.sequence.data);
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    return status;
}

static void check_again(opener *open, const dt_text *text)
{
    dt_text again = {0};
    FUZZ_CHECK(fuzz_succeeded(read_records(fuzz_file(1, text->data, text->length), open, &again)));
    FUZZ_CHECK(again.length == text->length && memcmp(again.data, text->data, text->length) == 0);
    dt_text_free(&again);
}

static void check(const char *path, opener *open)
{
    static const char mark[] = "\xef\xbb\xbf"; /* dropped at the beginning of a line */
    dt_text text = {0};
    if (fuzz_succeeded(read_records(path, open, &text)) && text.length && !strstr(text.data, mark))
        check_again(open, &text);
    dt_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_file(0, bytes, size);
    check(path, dt_fasta_open);
    check(path, dt_fasta_open_reads);
    return 0;
}
