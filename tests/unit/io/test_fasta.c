#include "io/fasta.h"
#include "unit/io/io_test.h"

/* Reads the whole file; returns the status, the number of records and an FNV-1a hash of them. */
static dt_status read_all(const char *path, int64_t *records, uint64_t *hash)
{
    dt_fasta *fasta;
    DT_TRY(dt_fasta_open(&fasta, path));
    dt_fasta_record record = {0};
    dt_status status;
    bool found;
    *records = 0;
    *hash = 0xcbf29ce484222325u;
    while ((status = dt_fasta_next(fasta, &record, &found)) == DT_OK && found) {
        const dt_text *texts[] = {&record.id, &record.description, &record.sequence};
        for (int t = 0; t < 3; ++t)
            for (size_t i = 0; i <= texts[t]->length; ++i)
                *hash = (*hash ^ (unsigned char)texts[t]->data[i]) * 0x100000001b3u;
        ++*records;
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    return status;
}

static void refuse_bytes(const char *bytes, size_t length, const char *message)
{
    int64_t records;
    uint64_t hash;
    write_bytes("bad.fasta", bytes, length);
    ASSERT_FAILS(DT_ERR_INPUT, message, read_all("bad.fasta", &records, &hash));
    assert_non_null(strstr(dt_error_message(), "bad.fasta"));
    assert_null(strchr(dt_error_message(), '\n'));
}

static void refuse(const char *text, const char *message)
{
    refuse_bytes(text, strlen(text), message);
}

static void check_record(dt_fasta *fasta, const char *id, const char *description,
                         const char *sequence, int64_t line)
{
    dt_fasta_record record = {0};
    bool found;
    ASSERT_OK(dt_fasta_next(fasta, &record, &found));
    assert_true(found);
    assert_string_equal(record.id.data, id);
    assert_string_equal(record.description.data, description);
    assert_string_equal(record.sequence.data, sequence);
    assert_int_equal(record.sequence.length, strlen(sequence));
    assert_int_equal(record.line, line);
    dt_fasta_record_free(&record);
}

static void check_end(dt_fasta *fasta)
{
    dt_fasta_record record = {0};
    bool found = true;
    ASSERT_OK(dt_fasta_next(fasta, &record, &found));
    assert_false(found);
    ASSERT_OK(dt_fasta_next(fasta, &record, &found));
    assert_false(found);
    dt_fasta_close(fasta);
}

static void records_are_taken_apart(void **state)
{
    (void)state;
    write_text("good.fasta", "\n>one\nACGT\nac-g.t\n\n>two  a long\tdescription \nAC GT\tA\n"
                             ">three\tx\nACGU\n>caf\xc3\xa9 \xe9t\xe9\nAC\xff\n");
    dt_fasta *fasta;
    ASSERT_OK(dt_fasta_open(&fasta, "good.fasta"));
    assert_string_equal(dt_fasta_name(fasta), "good.fasta");
    check_record(fasta, "one", "", "ACGTac-g.t", 2);
    check_record(fasta, "two", "a long\tdescription", "ACGTA", 6);
    check_record(fasta, "three", "x", "ACGU", 8);
    check_record(fasta, "caf\xc3\xa9", "\xe9t\xe9", "AC\xff", 10);
    check_end(fasta);
}

static void windows_lines_and_byte_order_mark_are_taken(void **state)
{
    (void)state;
    write_text("good.fasta", "\xef\xbb\xbf>one d\r\nAC\r\nGT\r\n\r\n>two\r\nTT\r\n");
    dt_fasta *fasta;
    ASSERT_OK(dt_fasta_open(&fasta, "good.fasta"));
    check_record(fasta, "one", "d", "ACGT", 1);
    check_record(fasta, "two", "", "TT", 5);
    check_end(fasta);
}

/* Quality that looks like a header or a separator; sequences on several lines; no last line end. */
static const char fastq[] =
    "@one d\nACGT\n+\n@+>I\n\n@two\nAC\nGTA\n+two\n@II\n+I\n@three\nA\n+\n@";

static void fastq_is_read_where_reads_are_wanted(void **state)
{
    (void)state;
    char windows[256] = "";
    for (size_t i = 0, k = 0; i < strlen(fastq); ++i) {
        if (fastq[i] == '\n')
            windows[k++] = '\r';
        windows[k++] = fastq[i];
    }
    write_text("unix.fastq", fastq);
    write_text("windows.fastq", windows);
    write_gzip("packed.fastq", fastq, strlen(fastq));
    static const char *const files[] = {"unix.fastq", "windows.fastq", "packed.fastq"};
    for (int f = 0; f < 3; ++f) {
        dt_fasta *fasta;
        ASSERT_OK(dt_fasta_open_reads(&fasta, files[f]));
        assert_false(dt_fasta_is_fastq(fasta));
        check_record(fasta, "one", "d", "ACGT", 1);
        assert_true(dt_fasta_is_fastq(fasta));
        check_record(fasta, "two", "", "ACGTA", 6);
        check_record(fasta, "three", "", "A", 12);
        check_end(fasta);
    }
    write_text("good.fasta", ">one\nACGT\n");
    dt_fasta *fasta;
    ASSERT_OK(dt_fasta_open_reads(&fasta, "good.fasta"));
    check_record(fasta, "one", "", "ACGT", 1);
    assert_false(dt_fasta_is_fastq(fasta));
    check_end(fasta);
}

static void refuse_fastq(const char *text, const char *message)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    dt_status status;
    bool found;
    write_text("bad.fastq", text);
    ASSERT_OK(dt_fasta_open_reads(&fasta, "bad.fastq"));
    while ((status = dt_fasta_next(fasta, &record, &found)) == DT_OK && found)
        ;
    ASSERT_FAILS(DT_ERR_INPUT, message, status);
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
}

static void fastq_is_complete(void **state)
{
    (void)state;
    refuse_fastq("@a\nACGT\n+\nIIII\n@b d\nACGT\n",
                 "bad.fastq: line 6: FASTQ record 2, 'b': has no quality: the file is truncated");
    refuse_fastq("@a\nACGT\n+\nIII\n",
                 "line 4: FASTQ record 1, 'a': the file ends within its quality: the file is");
    refuse_fastq("@a\nACGT\n+\nIIIII\n", "line 4: FASTQ record 1, 'a': its quality is longer than");
    refuse_fastq("@a\nACGT\n+\nIIII\nI\n", "line 5: FASTQ record 1, 'a': is not followed by '@'");
    refuse_fastq("@a\n+\n@b\nA\n+\nI\n", "line 1: the record 'a' has no sequence");
    refuse_fastq("@\nA\n+\nI\n", "line 1: a record without an id: an id must directly follow '@'");
}

static void a_kept_record_is_untouched_by_the_next(void **state)
{
    (void)state;
    write_text("good.fasta", ">one\nAAAA\n>two\nCC\n");
    dt_fasta *fasta;
    dt_fasta_record one = {0};
    dt_fasta_record two = {0};
    bool found;
    ASSERT_OK(dt_fasta_open(&fasta, "good.fasta"));
    ASSERT_OK(dt_fasta_next(fasta, &one, &found));
    ASSERT_OK(dt_fasta_next(fasta, &two, &found));
    dt_fasta_close(fasta);
    assert_string_equal(one.sequence.data, "AAAA");
    assert_string_equal(two.sequence.data, "CC");
    dt_fasta_record_free(&one);
    dt_fasta_record_free(&two);
}

static void lines_longer_than_the_buffer_are_whole(void **state)
{
    (void)state;
    const size_t length = 3000001;
    char *text = malloc(length + 16);
    assert_non_null(text);
    memcpy(text, ">a\n", 3);
    for (size_t i = 0; i < length; ++i)
        text[3 + i] = "ACGT"[i * i % 7 % 4];
    memcpy(text + 3 + length, "\n>b\nAC\n", 8);
    write_text("long.fasta", text);
    dt_fasta *fasta;
    ASSERT_OK(dt_fasta_open(&fasta, "long.fasta"));
    text[3 + length] = '\0';
    check_record(fasta, "a", "", text + 3, 1);
    check_record(fasta, "b", "", "AC", 3);
    check_end(fasta);
    free(text);
}

static void gzip_in_members_equals_plain(void **state)
{
    (void)state;
    const char *text = ">one d\nACGT\n>two\nTTTT\nCC\n";
    write_text("plain.fasta", text);
    write_gzip("a.gz", text, 9); /* cut inside a line: members are joined */
    write_gzip("b.gz", text + 9, strlen(text) - 9);
    assert_int_equal(system("cat a.gz b.gz > both.anything"), 0);
    int64_t plain_records;
    int64_t gzip_records;
    uint64_t plain_hash;
    uint64_t gzip_hash;
    ASSERT_OK(read_all("plain.fasta", &plain_records, &plain_hash));
    ASSERT_OK(read_all("both.anything", &gzip_records, &gzip_hash));
    assert_int_equal(plain_records, 2);
    assert_int_equal(gzip_records, 2);
    assert_true(plain_hash == gzip_hash);
}

/* Three thousand records; the share that is read grows evenly, however the file is stored. */
static void check_shares(const char *path)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    double last = 0.0;
    ASSERT_OK(dt_fasta_open(&fasta, path));
    for (int i = 1; i <= 3000; ++i) {
        ASSERT_OK(dt_fasta_next(fasta, &record, &found));
        assert_true(found);
        if (fabs(record.share - i / 3000.0) > 0.1 || record.share < last - 0.05)
            fail_msg("%s: %g of the file after record %d of 3000", path, record.share, i);
        last = record.share;
    }
    assert_true(record.share > 0.99);
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
}

static void the_share_that_is_read_is_known(void **state)
{
    (void)state;
    enum { LENGTH = 1000, SIZE = 3000 * (LENGTH + 8) };
    char *text = malloc(SIZE + 1);
    uint32_t random = 7;
    assert_non_null(text);
    for (int i = 0; i < 3000; ++i) {
        char *at = text + (size_t)i * (LENGTH + 8);
        char header[16];
        snprintf(header, sizeof header, ">r%04d\n", i);
        memcpy(at, header, 7);
        for (int j = 0; j < LENGTH; ++j) {
            random = random * 1664525 + 1013904223;
            at[7 + j] = "ACGT"[random >> 30];
        }
        at[7 + LENGTH] = '\n';
    }
    write_bytes("shares.fasta", text, SIZE);
    check_shares("shares.fasta");
    gzFile file = gzopen("shares.fasta.gz", "wb");
    assert_int_equal(gzwrite(file, text, SIZE), SIZE);
    gzclose(file);
    check_shares("shares.fasta.gz");
    free(text);
}

static void a_pipe_has_no_share(void **state)
{
    (void)state;
    int ends[2];
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found;
    const int kept = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], ">a\nACGT\n", 8), 8);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    ASSERT_OK(dt_fasta_open(&fasta, "-"));
    ASSERT_OK(dt_fasta_next(fasta, &record, &found));
    assert_true(found && record.share < 0.0);
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    dup2(kept, STDIN_FILENO);
    close(kept);
    close(ends[0]);
}

static void dash_is_standard_input(void **state)
{
    (void)state;
    write_text("plain.fasta", ">one\nACGT\n");
    const int saved = dup(STDIN_FILENO);
    assert_non_null(freopen("plain.fasta", "r", stdin));
    dt_fasta *fasta;
    ASSERT_OK(dt_fasta_open(&fasta, "-"));
    assert_string_equal(dt_fasta_name(fasta), "standard input");
    check_record(fasta, "one", "", "ACGT", 1);
    check_end(fasta);
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    dt_fasta *fasta;
    ASSERT_FAILS(DT_ERR_IO, "missing.fasta: cannot open it: No such file",
                 dt_fasta_open(&fasta, "missing.fasta"));
    ASSERT_FAILS(DT_ERR_IO, "is a folder", dt_fasta_open(&fasta, "."));
}

static void what_is_no_fasta_is_refused(void **state)
{
    (void)state;
    refuse("", "the file is empty");
    refuse("\n \n\n", "no line begins with '>'");
    refuse("\nACGT\n>one\nACGT\n", "line 2: text before the first '>' ('ACGT')");
    refuse("sequence_id\tdomain\nid\tBacteria\n", "line 1: text before the first '>'");
    refuse("@one\nACGT\n+\nIIII\n", "line 1: begins with '@' as FASTQ does");
}

static void damaged_records_are_refused_with_their_line(void **state)
{
    (void)state;
    refuse(">one\nAC\n>t\xe9 d\nAC\n", "line 3: the id 't?' is not UTF-8 (byte 0xe9)");
    refuse(">caf\xc3\xa9\nAC\n>cut\xe2\x82\nAC\n", "line 3: the id 'cut\?\?' is not UTF-8");
    refuse(">one\nAC\n>two\n\n>three\nAC\n", "line 3: the record 'two' has no sequence");
    refuse(">one\nAC\n>two", "line 3: the record 'two' has no sequence");
    refuse(">one\n \t\n>two\nA\n", "line 1: the record 'one' has no sequence");
    refuse(">one\nAC\n>\nAC\n", "line 3: a record without an id");
    refuse(">one\nAC\n> two\nAC\n", "line 3: a record without an id");
    refuse(">one\nAC\nGT>two\nAC\n", "line 3: '>' inside the sequence of 'one'");
    refuse(">one\rACGT\r>two\rAC\r", "line 1: a carriage return within the line");
}

static void binary_content_is_refused_with_its_line(void **state)
{
    (void)state;
    refuse_bytes(">one\nAC\nG\0T\n", 12, "line 3: binary data (byte 0x00)");
    refuse_bytes(">one\nAC\n\x7f", 9, "line 3: binary data (byte 0x7f)");
    refuse_bytes("\x89HDF\r\n\x1a\n", 8, "is an HDF5 file");
    refuse_bytes("\xff\xfe>\0a\0", 6, "is UTF-16 text");
    refuse_bytes("\x1f", 1, "line 1: binary data");
}

/* The line of a byte that only a later block of the file holds. */
static void binary_content_far_in_has_the_right_line(void **state)
{
    (void)state;
    const int lines = 40000;
    char *text = malloc((size_t)lines * 20 + 32);
    assert_non_null(text);
    size_t length = (size_t)sprintf(text, ">one\n");
    for (int i = 0; i < lines; ++i)
        length += (size_t)sprintf(text + length, "ACGTACGTACGTACGTACG\n");
    text[length - 10] = '\1'; /* in the last line: number 40,001 */
    refuse_bytes(text, length, "line 40001: binary data");
    free(text);
}

static void damaged_gzip_is_refused(void **state)
{
    (void)state;
    char text[60000];
    size_t length = (size_t)sprintf(text, ">one\n");
    for (uint32_t x = 1; length < sizeof text - 1; ++length) {
        x = x * 1664525u + 1013904223u;
        text[length] = length % 61 == 0 ? '\n' : "ACGT"[x >> 30];
    }
    write_gzip("whole.gz", text, length);
    char *bytes;
    size_t size;
    ASSERT_OK(dt_read_file("whole.gz", &bytes, &size));
    int64_t records;
    uint64_t hash;
    ASSERT_OK(read_all("whole.gz", &records, &hash));
    const size_t cuts[] = {size - 1, size - 8, size / 2, 12, 5};
    for (int i = 0; i < 5; ++i)
        refuse_bytes(bytes, cuts[i], "the gzip data ends too early");
    bytes[size - 6] ^= 1; /* the checksum */
    refuse_bytes(bytes, size, "damaged gzip data");
    bytes[size - 6] ^= 1;
    memset(bytes + size / 2, 0xff, 64);
    refuse_bytes(bytes, size, "damaged gzip data");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_taken_apart),
        cmocka_unit_test(windows_lines_and_byte_order_mark_are_taken),
        cmocka_unit_test(fastq_is_read_where_reads_are_wanted),
        cmocka_unit_test(fastq_is_complete),
        cmocka_unit_test(a_kept_record_is_untouched_by_the_next),
        cmocka_unit_test(lines_longer_than_the_buffer_are_whole),
        cmocka_unit_test(gzip_in_members_equals_plain),
        cmocka_unit_test(the_share_that_is_read_is_known),
        cmocka_unit_test(a_pipe_has_no_share),
        cmocka_unit_test(dash_is_standard_input),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(what_is_no_fasta_is_refused),
        cmocka_unit_test(damaged_records_are_refused_with_their_line),
        cmocka_unit_test(binary_content_is_refused_with_its_line),
        cmocka_unit_test(binary_content_far_in_has_the_right_line),
        cmocka_unit_test(damaged_gzip_is_refused),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
