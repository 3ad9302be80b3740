/* Compressed input is read to its very end, or refused; what is no text is named. */
#include "io/file_kind.h"
#include "io/gunzip.h"
#include "io/line_reader.h"
#include "io/zip_member.h"
#include "unit/io/io_test.h"

/* Reads the lines of a file; *lines is how many were given. */
static dt_status read_lines(const char *path, int64_t *lines)
{
    dt_line_reader *reader;
    const char *line = "";
    size_t length;
    dt_status status = DT_OK;
    *lines = 0;
    DT_TRY(dt_line_reader_open(&reader, path, &dt_fasta_text));
    while (status == DT_OK && line) {
        status = dt_line_reader_next(reader, &line, &length);
        *lines += status == DT_OK && line;
    }
    dt_line_reader_close(reader);
    return status;
}

static void append_bytes(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(name, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* 40,000 lines that compress badly: several blocks of the reader, compressed or not. */
#define LINES 40000
static char *text;
static size_t text_length;

static int make_text(void **state)
{
    text = malloc((size_t)LINES * 40);
    uint32_t x = 1;
    for (int i = 0; text && i < LINES; ++i) {
        for (int k = 0; k < 30; ++k, x = x * 1664525u + 1013904223u)
            text[text_length++] = "ACGT"[x >> 30];
        text[text_length++] = '\n';
    }
    return text ? enter_folder(state) : -1;
}

static int free_text(void **state)
{
    free(text);
    return leave_folder(state);
}

/* A member that begins at `line` and has `lines` of the text. */
static void append_member(const char *name, int line, int lines)
{
    char *bytes;
    size_t length;
    write_gzip("member.gz", text + (size_t)line * 31, (size_t)lines * 31);
    ASSERT_OK(dt_read_file("member.gz", &bytes, &length));
    append_bytes(name, bytes, length);
    free(bytes);
}

static void check_lines(const char *name, int64_t expected)
{
    int64_t lines;
    ASSERT_OK(read_lines(name, &lines));
    assert_int_equal(lines, expected);
}

static void check_refused(const char *name, int64_t given, const char *message)
{
    int64_t lines;
    ASSERT_FAILS(DT_ERR_INPUT, message, read_lines(name, &lines));
    assert_int_equal(lines, given);
    assert_non_null(strstr(dt_error_message(), name));
}

static void members_and_padding_are_read_to_the_end(void **state)
{
    (void)state;
    char *zeros = calloc(1, 600000);
    assert_non_null(zeros);
    for (int i = 0; i < LINES; i += 8)
        append_member("many.gz", i, 8); /* 5,000 members of some hundred bytes */
    check_lines("many.gz", LINES);
    append_bytes("many.gz", zeros, 1);
    check_lines("many.gz", LINES);
    append_bytes("many.gz", zeros, 600000);
    check_lines("many.gz", LINES);
    append_member("many.gz", 0, 10); /* padding between two members loses nothing */
    check_lines("many.gz", LINES + 10);
    free(zeros);
}

static void what_follows_gzip_is_not_lost_in_silence(void **state)
{
    (void)state;
    append_member("text.gz", 0, LINES);
    append_bytes("text.gz", ">more\nACGT\n", 11);
    check_refused("text.gz", LINES,
                  "its gzip data ends after line 40000, followed by 11 bytes that would "
                  "be lost ('>more?ACGT?')");
    append_member("padded.gz", 0, 2);
    append_bytes("padded.gz", "\0\0\0\0x", 5);
    check_refused("padded.gz", 0, "after line 2, followed by 1 byte that");
    append_member("half.gz", 0, 7);
    append_bytes("half.gz", "\x1f\x8b\x08", 3);
    check_refused("half.gz", 0, "the gzip data ends too early, after line 7");
}

/* Wherever a file ends, all lines before are given, and the end is told. */
static void a_file_that_is_cut_off_is_refused_at_every_length(void **state)
{
    (void)state;
    char *bytes;
    size_t length;
    append_member("two.gz", 0, 6);
    ASSERT_OK(dt_read_file("two.gz", &bytes, &length));
    const size_t first = length;
    free(bytes);
    append_member("two.gz", 6, 6);
    ASSERT_OK(dt_read_file("two.gz", &bytes, &length));
    for (size_t cut = 2; cut < length; ++cut) {
        int64_t lines;
        write_bytes("cut.gz", bytes, cut);
        if (cut == first) /* a whole file */
            check_lines("cut.gz", 6);
        else
            ASSERT_FAILS(DT_ERR_INPUT, "the gzip data ends too early",
                         read_lines("cut.gz", &lines));
    }
    free(bytes);
}

static void damage_in_a_later_member_is_refused(void **state)
{
    (void)state;
    char *bytes;
    size_t length;
    append_member("later.gz", 0, 100);
    append_member("later.gz", 100, LINES - 100);
    ASSERT_OK(dt_read_file("later.gz", &bytes, &length));
    bytes[length - 5] ^= 1; /* its checksum */
    write_bytes("later.gz", bytes, length);
    check_refused("later.gz", LINES, "damaged gzip data after line 40000 (incorrect data check)");
    free(bytes);
}

/* A member as bgzip writes them: its size in an extra field. */
static void append_block(const char *name, const char *bytes, size_t length)
{
    unsigned char extra[6] = {'B', 'C', 2, 0, 0, 0};
    unsigned char out[4096];
    z_stream stream = {.next_in = (z_const Bytef *)bytes,
                       .avail_in = (unsigned)length,
                       .next_out = out,
                       .avail_out = sizeof out};
    gz_header header = {.os = 255, .extra = extra, .extra_len = sizeof extra};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflateSetHeader(&stream, &header), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    append_bytes(name, (const char *)out, sizeof out - stream.avail_out);
    deflateEnd(&stream);
}

static void bgzip_without_its_end_is_warned_of(void **state)
{
    (void)state;
    const size_t half = 155; /* 5 lines */
    append_block("blocks.gz", text, half);
    append_block("blocks.gz", text + half, half);
    begin_log();
    check_lines("blocks.gz", 10);
    char *log = end_log();
    assert_non_null(
        strstr(log, "blocks.gz: the empty block with which bgzip ends a file is missing"));
    assert_non_null(strstr(log, "line 10 is missing"));
    free(log);
    append_block("blocks.gz", "", 0);
    begin_log();
    check_lines("blocks.gz", 10);
    log = end_log();
    assert_null(strstr(log, "bgzip"));
    free(log);
}

static void a_line_far_longer_than_a_block_is_whole(void **state)
{
    (void)state;
    const size_t length = 20u << 20;
    char *bytes = malloc(length);
    assert_non_null(bytes);
    for (size_t i = 0; i < length; ++i)
        bytes[i] = "ACGT"[i % 3];
    write_gzip("long.gz", bytes, length);
    dt_line_reader *reader;
    const char *line;
    size_t got;
    ASSERT_OK(dt_line_reader_open(&reader, "long.gz", &dt_fasta_text));
    ASSERT_OK(dt_line_reader_next(reader, &line, &got));
    assert_int_equal(got, length);
    assert_memory_equal(line, bytes, length);
    dt_line_reader_close(reader);
    free(bytes);
}

static void byte_order_marks_of_joined_files_are_dropped(void **state)
{
    (void)state;
    static const char joined[] = "\xef\xbb\xbf>a\nAC\n\xef\xbb\xbf>b\nGT\n";
    dt_line_reader *reader;
    const char *line;
    size_t length;
    write_bytes("marks.fasta", joined, sizeof joined - 1);
    ASSERT_OK(dt_line_reader_open(&reader, "marks.fasta", &dt_fasta_text));
    for (int i = 0; i < 4; ++i) {
        ASSERT_OK(dt_line_reader_next(reader, &line, &length));
        assert_int_equal(length, 2);
        assert_true(line[0] == ">A>G"[i]);
    }
    dt_line_reader_close(reader);
}

/* ---- what is no text ------------------------------------------------------------------------ */

static void check_kind(const char *bytes, size_t length, const char *what)
{
    const dt_file_kind kind = dt_file_kind_of((const unsigned char *)bytes, length);
    if (!what) {
        assert_null(kind.what);
        return;
    }
    assert_non_null(kind.what);
    assert_string_equal(kind.what, what);
}

static void files_of_other_kinds_are_named(void **state)
{
    (void)state;
    char hdf5[600] = "a user block";
    static const char signature[8] = {'\x89', 'H', 'D', 'F', '\r', '\n', '\x1a', '\n'};
    memcpy(hdf5 + 512, signature, sizeof signature);
    check_kind(hdf5, sizeof hdf5, "an HDF5 file");
    check_kind(hdf5, 519, NULL);
    check_kind("BAM\1....", 8, "a BAM file");
    check_kind("@SQ\tSN:chr1\tLN:5\n", 17, "a SAM file");
    check_kind("LOCUS       AB000001   120 bp\n", 30, "a GenBank flat file");
    check_kind("ID   X56734; SV 1; linear;\n", 27, "an EMBL flat file");
    check_kind("<!DOCTYPE html>\n", 16, "a web page");
    check_kind("PK\3\4\24\0\0\0\0\0......\0\0\0\0\0\0\0\0\0\0\20\0\0\0archive/data.pkl", 46,
               "a PyTorch file");
    check_kind(">\0a\0\n\0", 6, "UTF-16 text");
    check_kind("\0>\0a\0\n", 6, "UTF-16 text");
    check_kind("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16,
               "filled with zero bytes, probably by an incomplete copy");
}

/* A taxonomy table may begin with any id. */
static void tables_whose_ids_look_like_other_formats_are_texts(void **state)
{
    (void)state;
    check_kind("ID   7\td__Bacteria\n", 19, NULL);
    check_kind("CLUSTAL1\td__Bacteria\n", 21, NULL);
    check_kind("CRAM1\td__Bacteria\n", 18, NULL);
    check_kind(">a\nACGT\n", 8, NULL);
}

static void old_and_new_tar_archives_are_known(void **state)
{
    (void)state;
    static const char *const formats[] = {"v7", "ustar", "gnu", "pax"};
    write_text("member.fasta", ">a\nACGT\n");
    for (int i = 0; i < 4; ++i) {
        char command[96];
        snprintf(command, sizeof command,
                 "tar --format=%s -cf x.tar member.fasta && "
                 "gzip -c x.tar >x.gz",
                 formats[i]);
        assert_int_equal(system(command), 0);
        check_refused("x.tar", 0, "x.tar: is a tar archive: extract it first");
        check_refused("x.gz", 0, "x.gz: is a tar archive: extract it first");
    }
}

static void what_is_compressed_twice_is_refused(void **state)
{
    (void)state;
    write_gzip("once.gz", ">a\nACGT\n", 8);
    assert_int_equal(system("gzip -c once.gz >twice.gz"), 0);
    check_refused("twice.gz", 0, "is compressed twice (gzip in gzip)");
}

/* ---- zip archives --------------------------------------------------------------------------- */

#define UUID "0a1b2c3d-1111-2222-3333-44445555aaaa"
#define FASTA_MEMBER "data/dna-sequences.fasta"

#define CHOOSE(names, chosen)                                                                      \
    dt_zip_member_choose("x.zip", names, sizeof(names) - 1, FASTA_MEMBER, chosen)

static void the_file_that_is_meant_is_found_in_an_archive(void **state)
{
    (void)state;
    int64_t chosen;
    ASSERT_OK(CHOOSE("reads.fasta\0", &chosen));
    assert_int_equal(chosen, 0);
    ASSERT_OK(CHOOSE("d/\0__MACOSX/._r\0d/.DS_Store\0d/r.fasta\0", &chosen));
    assert_int_equal(chosen, 3);
    ASSERT_OK(CHOOSE(UUID "/VERSION\0" UUID "/provenance/" FASTA_MEMBER "\0" UUID "/" FASTA_MEMBER
                          "\0" UUID "/checksums.md5\0",
                     &chosen));
    assert_int_equal(chosen, 2);
}

static void archives_of_other_files_are_refused_with_their_names(void **state)
{
    (void)state;
    int64_t chosen;
    ASSERT_FAILS(DT_ERR_INPUT, "x.zip: is a zip archive of 2 files (a.fasta, b/c.fasta): extract",
                 CHOOSE("a.fasta\0b/\0b/c.fasta\0", &chosen));
    ASSERT_FAILS(DT_ERR_INPUT, "of 6 files (1, 2, 3, 4, ...)",
                 CHOOSE("1\0002\0003\0004\0005\0006\0", &chosen));
    ASSERT_FAILS(DT_ERR_INPUT, "is an empty zip archive", CHOOSE("d/\0", &chosen));
    ASSERT_FAILS(DT_ERR_INPUT,
                 "is a QIIME 2 artifact without " FASTA_MEMBER
                 "; its data files are: data/taxonomy.tsv",
                 CHOOSE(UUID "/VERSION\0" UUID "/data/taxonomy.tsv\0", &chosen));
    /* two folders are no artifact */
    ASSERT_FAILS(DT_ERR_INPUT, "is a zip archive of 2 files",
                 CHOOSE(UUID "/VERSION\0other/" FASTA_MEMBER "\0", &chosen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_padding_are_read_to_the_end),
        cmocka_unit_test(what_follows_gzip_is_not_lost_in_silence),
        cmocka_unit_test(a_file_that_is_cut_off_is_refused_at_every_length),
        cmocka_unit_test(damage_in_a_later_member_is_refused),
        cmocka_unit_test(bgzip_without_its_end_is_warned_of),
        cmocka_unit_test(a_line_far_longer_than_a_block_is_whole),
        cmocka_unit_test(byte_order_marks_of_joined_files_are_dropped),
        cmocka_unit_test(files_of_other_kinds_are_named),
        cmocka_unit_test(tables_whose_ids_look_like_other_formats_are_texts),
        cmocka_unit_test(old_and_new_tar_archives_are_known),
        cmocka_unit_test(what_is_compressed_twice_is_refused),
        cmocka_unit_test(the_file_that_is_meant_is_found_in_an_archive),
        cmocka_unit_test(archives_of_other_files_are_refused_with_their_names),
    };
    return cmocka_run_group_tests(tests, make_text, free_text);
}
