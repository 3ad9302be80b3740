#include "io/text_input.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/module.h"
#include "io/file_kind.h"
#include "io/gunzip.h"
#include "io/raw_file.h"
#include "io/unpack.h"
#include "io/zip_member.h"

const dt_text_kind dt_fasta_text = {"FASTA", "data/dna-sequences.fasta"};
const dt_text_kind dt_taxonomy_text = {"a taxonomy table", "data/taxonomy.tsv"};

struct dt_text_input {
    const char *name;
    const dt_text_kind *kind;
    dt_raw_file raw;
    dt_packing packing;
    dt_gunzip *gunzip;        /* for gzip */
    const dt_unpack_ops *ops; /* for the other formats */
    dt_unpacker *unpacker;
    const unsigned char *block; /* output of the unpacker not yet read */
    size_t left;
};

/* ---- formats read by the module "archive" ---------------------------------------------------- */

static const char *what_it_is(dt_packing packing)
{
    switch (packing) {
    case DT_PACKED_ZIP:
        return "a zip archive";
    case DT_PACKED_BZIP2:
        return "compressed with bzip2";
    case DT_PACKED_XZ:
        return "compressed with xz";
    case DT_PACKED_ZSTD:
        return "compressed with zstd";
    default:
        return "compressed with gzip";
    }
}

static const char *remedy(dt_packing packing)
{
    switch (packing) {
    case DT_PACKED_ZIP:
        return "extract it first, for example with unzip, and give the file inside";
    case DT_PACKED_BZIP2:
        return "decompress it first, with 'bzip2 -dk'";
    case DT_PACKED_XZ:
        return "decompress it first, with 'xz -dk'";
    default:
        return "decompress it first, with 'zstd -d'";
    }
}

/* Adds the file's name and advice to the module's error. */
static dt_status cannot_unpack(const dt_text_input *input)
{
    char why[512];
    snprintf(why, sizeof why, "%s", dt_error_message());
    return dt_fail(DT_ERR_INPUT, "%s: is %s, which cannot be read here (%s): %s", input->name,
                   what_it_is(input->packing), why, remedy(input->packing));
}

static dt_status load_module(dt_text_input *input)
{
    void *symbol;
    if (!dt_module_present(DT_UNPACK_MODULE))
        return dt_fail(DT_ERR_INPUT,
                       "%s: is %s, which cannot be read here, because this installation was built "
                       "without libarchive: %s",
                       input->name, what_it_is(input->packing), remedy(input->packing));
    if (dt_module_symbol(DT_UNPACK_MODULE, DT_UNPACK_SYMBOL, &symbol) != DT_OK)
        return cannot_unpack(input);
    input->ops = symbol;
    if (dt_module_check(DT_UNPACK_MODULE, input->ops->contract, DT_UNPACK_CONTRACT) != DT_OK)
        return cannot_unpack(input);
    return DT_OK;
}

/* Callback of the module. It consumes whole blocks; unused bytes are given back at the end. */
static dt_status next_block(void *file, const unsigned char **block, size_t *length)
{
    DT_TRY(dt_raw_file_block(file, block, length));
    dt_raw_file_take(file, *length);
    return DT_OK;
}

static dt_status seek_to(void *file, int64_t position)
{
    return dt_raw_file_seek(file, position);
}

/* Completes the module's error, which only gives the reason. */
static dt_status unpack_error(const dt_text_input *input, dt_status status, int64_t line)
{
    char why[512];
    if (status == DT_ERR_DEVICE)
        return cannot_unpack(input);
    if (status != DT_ERR_INPUT)
        return status;
    const bool all_used = !input->unpacker || input->ops->used(input->unpacker) == input->raw.read;
    if (input->packing != DT_PACKED_ZIP && input->raw.at_end && all_used)
        return dt_packed_cut_off(input->name, input->packing, line);
    snprintf(why, sizeof why, "%s", dt_error_message());
    return dt_packed_damaged(input->name, input->packing, line, why);
}

static dt_status no_directory(const dt_text_input *input)
{
    return dt_fail(DT_ERR_INPUT,
                   "%s: the zip archive lacks the directory at its end: the file is truncated or "
                   "damaged; copy or download it again",
                   input->name);
}

static dt_status open_zip(dt_text_input *input, const dt_unpack_source *source)
{
    dt_text names = {0};
    int64_t entry = 0;
    DT_TRY(dt_zip_check_whole(input->name, input->raw.fd, input->raw.size));
    dt_status status = input->ops->list(source, &names);
    if (status == DT_ERR_INPUT)
        status = no_directory(input);
    if (status == DT_OK)
        status = dt_zip_member_choose(input->name, names.data, names.length,
                                      input->kind->artifact_member, &entry);
    dt_text_free(&names);
    DT_TRY(status);
    status = input->ops->open_entry(&input->unpacker, source, entry);
    if (status == DT_ERR_USAGE)
        return dt_fail(DT_ERR_INPUT,
                       "%s: is an encrypted zip archive: extract it with its password first",
                       input->name);
    return status == DT_OK ? DT_OK : unpack_error(input, status, 0);
}

static dt_status open_module(dt_text_input *input)
{
    DT_TRY(load_module(input));
    if (input->packing == DT_PACKED_ZIP && input->raw.size < 0)
        DT_TRY(dt_raw_file_spool(&input->raw));
    const dt_unpack_source source = {
        .file = &input->raw, .size = input->raw.size, .next = next_block, .seek = seek_to};
    if (input->packing == DT_PACKED_ZIP)
        return open_zip(input, &source);
    const dt_status status = input->ops->open(&input->unpacker, &source, input->packing);
    return status == DT_OK ? DT_OK : unpack_error(input, status, 0);
}

/* Checks the end of the data: only padding may follow. A zip archive has a directory, so that
 * nothing needs to be checked here. */
static dt_status end_unpacking(dt_text_input *input, int64_t line)
{
    const unsigned char *block;
    size_t length;
    if (input->packing == DT_PACKED_ZIP)
        return DT_OK;
    input->raw.taken = input->ops->used(input->unpacker);
    if (input->raw.taken == 0) /* too short to open */
        return dt_packed_cut_off(input->name, input->packing, line);
    DT_TRY(dt_packed_skip_zeros(&input->raw, &block, &length));
    return length ? dt_packed_refuse_rest(&input->raw, input->packing, line) : DT_OK;
}

static dt_status read_unpacked(dt_text_input *input, void *buffer, size_t size, int64_t line,
                               size_t *got)
{
    const void *block;
    if (input->left == 0) {
        const dt_status status = input->ops->read(input->unpacker, &block, &input->left);
        if (status != DT_OK)
            return unpack_error(input, status, line);
        input->block = block;
    }
    *got = input->left < size ? input->left : size;
    if (*got == 0)
        return end_unpacking(input, line);
    memcpy(buffer, input->block, *got);
    input->block += *got;
    input->left -= *got;
    return DT_OK;
}

/* ---- all formats ---------------------------------------------------------------------------- */

static dt_status refuse_kind(const dt_text_input *input, const dt_file_kind *kind)
{
    if (kind->remedy)
        return dt_fail(DT_ERR_INPUT, "%s: is %s: %s", input->name, kind->what, kind->remedy);
    return dt_fail(DT_ERR_INPUT, "%s: is %s; %s is expected", input->name, kind->what,
                   input->kind->what);
}

static dt_status open_packed(dt_text_input *input)
{
    const unsigned char *bytes;
    size_t length;
    DT_TRY(dt_raw_file_peek(&input->raw, DT_FILE_KIND_BYTES));
    DT_TRY(dt_raw_file_block(&input->raw, &bytes, &length));
    const dt_file_kind kind = dt_file_kind_of(bytes, length);
    if (kind.what)
        return refuse_kind(input, &kind);
    input->packing = dt_packing_of(bytes, length);
    if (input->packing == DT_PACKED_NOT)
        return DT_OK;
    if (input->packing == DT_PACKED_GZIP)
        return dt_gunzip_open(&input->gunzip, &input->raw);
    return open_module(input);
}

dt_status dt_text_input_open(dt_text_input **out, const char *path, const char *name,
                             const dt_text_kind *kind)
{
    *out = NULL;
    dt_text_input *input;
    DT_TRY(DT_NEW(input, 1));
    input->name = name;
    input->kind = kind;
    dt_status status = dt_raw_file_open(&input->raw, path, name);
    if (status == DT_OK)
        status = open_packed(input);
    if (status != DT_OK) {
        dt_text_input_close(input);
        return status;
    }
    *out = input;
    return DT_OK;
}

void dt_text_input_close(dt_text_input *input)
{
    if (!input)
        return;
    if (input->unpacker)
        input->ops->close(input->unpacker);
    dt_gunzip_close(input->gunzip);
    dt_raw_file_close(&input->raw);
    free(input);
}

double dt_text_input_share(const dt_text_input *input)
{
    const double size = (double)input->raw.size;
    return size > 0.0 ? (double)input->raw.taken / size : -1.0;
}

dt_status dt_text_input_read(dt_text_input *input, void *buffer, size_t size, int64_t line,
                             size_t *got)
{
    *got = 0;
    if (input->packing == DT_PACKED_NOT)
        return dt_raw_file_copy(&input->raw, buffer, size, got);
    if (input->packing == DT_PACKED_GZIP)
        return dt_gunzip_read(input->gunzip, buffer, size, line, got);
    return read_unpacked(input, buffer, size, line, got);
}

/* Detects sequences instead of a table, whose first line has a tab. */
static dt_status check_table(const dt_text_input *input, const char *bytes, size_t length)
{
    const char *newline = length ? memchr(bytes, '\n', length) : NULL;
    if (input->kind != &dt_taxonomy_text || !newline || (bytes[0] != '>' && bytes[0] != '@') ||
        memchr(bytes, '\t', (size_t)(newline - bytes)))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: is a %s file; %s is expected (are the two files swapped?)",
                   input->name, bytes[0] == '>' ? "FASTA" : "FASTQ", input->kind->what);
}

dt_status dt_text_input_check(const dt_text_input *input, const char *bytes, size_t length)
{
    const unsigned char *data = (const unsigned char *)bytes;
    DT_TRY(check_table(input, bytes, length));
    if (input->packing == DT_PACKED_NOT) /* checked when it was opened */
        return DT_OK;
    const dt_file_kind kind = dt_file_kind_of(data, length);
    if (kind.what)
        return refuse_kind(input, &kind);
    const dt_packing inner = dt_packing_of(data, length);
    if (inner == DT_PACKED_NOT)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: is compressed twice (%s in %s): decompress it once yourself",
                   input->name, dt_packing_name(inner), dt_packing_name(input->packing));
}
