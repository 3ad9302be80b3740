#include "io/file_kind.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EXTRACT "extract it first and give the file inside"
#define DECOMPRESS "decompress it first"
#define TO_FASTA "convert it to FASTA first"
#define NO_GAPS "convert it to FASTA first, without gaps"
#define TO_TABLE "export it as tab-separated text"
#define AGAIN "download the file again"
#define TO_UTF8 "save it as UTF-8, for example with 'iconv -f UTF-16 -t UTF-8'"

/* Recognised by bytes at a fixed offset. Of two with the same prefix the longer comes first. */
static const struct {
    size_t offset;
    const char *magic;
    size_t length;
    dt_file_kind kind;
} by_magic[] = {
    {0,
     "\x89"
     "DeepTaxa",
     9,
     {"a checkpoint or shard of DeepTaxa-MPI", NULL}},
    {0, "\x89HDF\r\n\x1a\n", 8, {"an HDF5 file", NULL}},
    {512, "\x89HDF\r\n\x1a\n", 8, {"an HDF5 file", NULL}},
    {0, "\x80\x02\x8a\x0a", 4, {"a PyTorch file", NULL}},
    {0, "\x93NUMPY", 6, {"a NumPy array", NULL}},
    {0, "BAM\1", 4, {"a BAM file", "convert it to FASTA, for example with 'samtools fasta'"}},
    {0, "CRAM\2", 5, {"a CRAM file", "convert it to FASTA, for example with 'samtools fasta'"}},
    {0, "CRAM\3", 5, {"a CRAM file", "convert it to FASTA, for example with 'samtools fasta'"}},
    {0, "@HD\tVN:", 7, {"a SAM file", "convert it to FASTA, for example with 'samtools fasta'"}},
    {0, "@SQ\tSN:", 7, {"a SAM file", "convert it to FASTA, for example with 'samtools fasta'"}},
    {0, ".sff\0\0\0\1", 8, {"an SFF file", TO_FASTA}},
    {0, "LOCUS       ", 12, {"a GenBank flat file", TO_FASTA}},
    {0, "ID   ", 5, {"an EMBL flat file", TO_FASTA}},
    {0, "# STOCKHOLM", 11, {"an alignment in Stockholm format", NO_GAPS}},
    {0, "#NEXUS", 6, {"a NEXUS file", NO_GAPS}},
    {0, "CLUSTAL", 7, {"an alignment in Clustal format", NO_GAPS}},
    {0, "##gff-version", 13, {"a GFF file", NULL}},
    {0, "##fileformat=VCF", 16, {"a VCF file", NULL}},
    {0, "7z\xbc\xaf\x27\x1c", 6, {"a 7-Zip archive", EXTRACT}},
    {0, "Rar!\x1a\x07", 6, {"a RAR archive", EXTRACT}},
    {0, "PK\5\6", 4, {"an empty zip archive", NULL}},
    {0, "PK\7\x08", 4, {"part of a split zip archive", EXTRACT}},
    {0, "\x1f\x9d", 2, {"compressed with compress (.Z)", DECOMPRESS}},
    {0, "\x04\x22\x4d\x18", 4, {"compressed with lz4", DECOMPRESS}},
    {0, "LZIP\1", 5, {"compressed with lzip", DECOMPRESS}},
    {0, "\x5d\0\0", 3, {"compressed with lzma", DECOMPRESS}},
    {0, "RDX2\n", 5, {"an R data file", TO_TABLE}},
    {0, "RDX3\n", 5, {"an R data file", TO_TABLE}},
    {0, "X\n\0\0\0", 5, {"an R data file", TO_TABLE}},
    {0, "\xd0\xcf\x11\xe0", 4, {"a Microsoft Office document", TO_TABLE}},
    {0, "SQLite format 3", 15, {"an SQLite database", TO_TABLE}},
    {0, "%PDF-", 5, {"a PDF document", NULL}},
    {0, "<!DOCTYPE", 9, {"a web page", AGAIN}},
    {0, "<!doctype", 9, {"a web page", AGAIN}},
    {0, "<html", 5, {"a web page", AGAIN}},
    {0, "<HTML", 5, {"a web page", AGAIN}},
    {0, "<?xml", 5, {"an XML document", AGAIN}},
    {0, "version https://git-lfs", 23, {"a Git LFS pointer", "fetch the file with 'git lfs pull'"}},
    {0, "\0\5\x16\7", 4, {"a macOS metadata file", "give the file without '._'"}},
    {0, "\xff\xfe", 2, {"UTF-16 text", TO_UTF8}},
    {0, "\xfe\xff", 2, {"UTF-16 text", TO_UTF8}},
};

/* Zip-based formats, recognised by the name of the first entry. */
static const struct {
    const char *name; /* the first entry's name is or ends in this */
    dt_file_kind kind;
} by_first_entry[] = {
    {"/data.pkl", {"a PyTorch file", NULL}},
    {"[Content_Types].xml", {"a Microsoft Office document", TO_TABLE}},
    {"mimetype", {"an OpenOffice document", TO_TABLE}},
    {".npy", {"a NumPy archive", NULL}},
};

/* ---- formats without a magic number --------------------------------------------------------- */

/* A tar header holds the sum of its bytes, with the 8 bytes of the sum counted as blanks. */
static bool is_tar(const unsigned char *bytes, size_t length)
{
    enum { HEADER = 512, SUM_AT = 148, SUM_BYTES = 8 };
    char digits[SUM_BYTES + 1] = "";
    unsigned long sum = 8ul * ' ';
    if (length < HEADER || bytes[0] == '\0')
        return false;
    for (int i = 0; i < HEADER; ++i)
        sum += i < SUM_AT || i >= SUM_AT + SUM_BYTES ? bytes[i] : 0;
    memcpy(digits, bytes + SUM_AT, SUM_BYTES);
    return strtoul(digits, NULL, 8) == sum;
}

/* Two ASCII characters with zero bytes as their other halves. */
static bool is_utf16(const unsigned char *bytes, size_t length)
{
    if (length < 4)
        return false;
    const bool little = bytes[0] && !bytes[1] && bytes[2] && !bytes[3];
    const bool big = !bytes[0] && bytes[1] && !bytes[2] && bytes[3];
    const int first = big ? 1 : 0;
    return (little || big) && bytes[first] < 0x7f && bytes[first + 2] < 0x7f &&
           bytes[first] >= '\t' && bytes[first + 2] >= '\t';
}

static bool is_zeros(const unsigned char *bytes, size_t length)
{
    size_t zeros = 0;
    while (zeros < length && bytes[zeros] == 0)
        zeros++;
    return length >= 16 && zeros == length;
}

/* A table may begin with any word, but the text formats above have no tab in their first line. */
static bool fits(const unsigned char *bytes, size_t length, size_t row)
{
    const char *magic = by_magic[row].magic;
    bool text = true;
    if (length < by_magic[row].offset + by_magic[row].length ||
        memcmp(bytes + by_magic[row].offset, magic, by_magic[row].length) != 0)
        return false;
    for (size_t i = 0; i < by_magic[row].length; ++i)
        text = text && magic[i] >= ' ' && magic[i] <= '~';
    const void *newline = memchr(bytes, '\n', length);
    const size_t line = newline ? (size_t)((const unsigned char *)newline - bytes) : length;
    return !text || !memchr(bytes, '\t', line);
}

static dt_file_kind zip_kind(const unsigned char *bytes, size_t length)
{
    enum { NAME_LENGTH_AT = 26, NAME_AT = 30 };
    if (length < NAME_AT || memcmp(bytes, "PK\3\4", 4) != 0)
        return (dt_file_kind){0};
    const size_t size = bytes[NAME_LENGTH_AT] | (size_t)bytes[NAME_LENGTH_AT + 1] << 8;
    const char *name = (const char *)bytes + NAME_AT;
    for (size_t i = 0; i < sizeof by_first_entry / sizeof *by_first_entry; ++i) {
        const size_t end = strlen(by_first_entry[i].name);
        if (size >= end && NAME_AT + size <= length &&
            memcmp(name + size - end, by_first_entry[i].name, end) == 0)
            return by_first_entry[i].kind;
    }
    return (dt_file_kind){0};
}

dt_file_kind dt_file_kind_of(const unsigned char *bytes, size_t length)
{
    if (length > DT_FILE_KIND_BYTES)
        length = DT_FILE_KIND_BYTES;
    if (is_tar(bytes, length))
        return (dt_file_kind){"a tar archive", EXTRACT};
    if (is_zeros(bytes, length))
        return (dt_file_kind){"filled with zero bytes, probably by an incomplete copy",
                              "copy or download it again"};
    for (size_t i = 0; i < sizeof by_magic / sizeof *by_magic; ++i)
        if (fits(bytes, length, i))
            return by_magic[i].kind;
    if (is_utf16(bytes, length))
        return (dt_file_kind){"UTF-16 text", TO_UTF8};
    return zip_kind(bytes, length);
}
