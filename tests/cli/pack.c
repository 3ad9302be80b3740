/* pack bzip2|xz|zstd OUT FILE: compresses a file. pack zip OUT NAME=FILE...: puts files into an
 * archive under these names. For the tests of what the programs read through libarchive. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char bytes[1 << 24];

static int failed(const char *what)
{
    fprintf(stderr, "pack: %s\n", what);
    return 1;
}

static int add_file(struct archive *out, const char *name, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return failed(path);
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)length);
    const int bad = archive_write_header(out, entry) != ARCHIVE_OK ||
                    archive_write_data(out, bytes, length) != (la_ssize_t)length;
    archive_entry_free(entry);
    return bad ? failed(archive_error_string(out)) : 0;
}

static int choose(struct archive *out, const char *format)
{
    if (strcmp(format, "zip") == 0)
        return archive_write_set_format_zip(out);
    const int filter = strcmp(format, "bzip2") == 0 ? archive_write_add_filter_bzip2(out)
                       : strcmp(format, "xz") == 0  ? archive_write_add_filter_xz(out)
                                                    : archive_write_add_filter_zstd(out);
    return filter == ARCHIVE_OK ? archive_write_set_format_raw(out) : filter;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return failed("FORMAT OUT FILE...");
    struct archive *out = archive_write_new();
    int status = 0;
    archive_write_set_bytes_in_last_block(out, 1); /* no padding */
    if (choose(out, argv[1]) != ARCHIVE_OK || archive_write_open_filename(out, argv[2]) != 0)
        return failed(archive_error_string(out));
    for (int i = 3; i < argc && status == 0; ++i) {
        char *path = strchr(argv[i], '=');
        if (path)
            *path++ = '\0';
        status = add_file(out, argv[i], path ? path : argv[i]);
    }
    if (archive_write_close(out) != ARCHIVE_OK)
        status = failed(archive_error_string(out));
    archive_write_free(out);
    return status;
}
