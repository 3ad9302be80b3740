/* --format qza: an artifact of QIIME 2 of the type FeatureData[Taxonomy], with the table of
 * --format qiime2 as its data: a zip archive of one folder, whose name is the artifact's UUID.
 *
 * The archive's format is QIIME 2's version 4, which all its versions since 2018 read (in QIIME 2's
 * source: core/archive/archiver.py, format/v4.py):
 *
 *     VERSION, metadata.yaml             what the artifact is
 *     data/taxonomy.tsv                  the table
 *     provenance/VERSION, metadata.yaml  the same as above
 *     provenance/action/action.yaml      that it was imported, when, from which program
 *     provenance/citations.bib           the paper of the model
 *
 * QIIME 2's provenance replay takes as a framework only versions of its own, so VERSION names 2.0.0
 * with this program as the local part of the version (PEP 440); action.yaml names it plainly. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/uuid.h"
#include "io/zip_writer.h"
#include "predict/formats/format.h"

typedef struct {
    const dt_format_source *source;
    dt_zip_writer *zip;
    FILE *table; /* a temporary file */
    char uuid[DT_UUID_SIZE];
    dt_text name, text; /* of the entry that is written */
} artifact;

/* ---- small texts ----------------------------------------------------------------------------- */

static void with_hyphens(char *uuid)
{
    for (char *c = uuid; *c; ++c)
        if (*c == '_')
            *c = '-';
}

/* "2026-05-04T03:02:01+00:00" */
static void timestamp(int64_t seconds, char out[32])
{
    const time_t when = (time_t)seconds;
    struct tm utc = {0};
    gmtime_r(&when, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%S+00:00", &utc);
}

static dt_status version_text(artifact *a)
{
    char local[64];
    snprintf(local, sizeof local, "%s", a->source->version);
    for (char *c = local; *c; ++c)
        if (!isalnum((unsigned char)*c))
            *c = '.';
    return dt_text_addf(&a->text, "QIIME 2\narchive: 4\nframework: 2.0.0+deeptaxa.mpi.%s\n", local);
}

static dt_status metadata_text(artifact *a)
{
    return dt_text_addf(&a->text,
                        "uuid: %s\ntype: FeatureData[Taxonomy]\nformat: "
                        "TSVTaxonomyDirectoryFormat\n",
                        a->uuid);
}

static dt_status action_text(artifact *a)
{
    const dt_format_source *source = a->source;
    char began[32];
    char ended[32];
    char run[DT_UUID_SIZE];
    timestamp(source->began, began);
    timestamp(source->ended, ended);
    snprintf(run, sizeof run, "%s", source->run_id);
    with_hyphens(run);
    return dt_text_addf(&a->text,
                        "execution:\n"
                        "    uuid: %s\n"
                        "    runtime:\n"
                        "        start: %s\n"
                        "        end: %s\n"
                        "        duration: %lld seconds\n"
                        "\n"
                        "action:\n"
                        "    type: import\n"
                        "    format: TSVTaxonomyFormat\n"
                        "\n"
                        "environment:\n"
                        "    framework:\n"
                        "        version: DeepTaxa-MPI %s\n"
                        "        citations:\n"
                        "        - !cite 'framework|deeptaxa-mpi:%s|0'\n"
                        "    plugins: {}\n"
                        "    python-packages: {}\n",
                        run, began, ended, (long long)(source->ended - source->began),
                        source->version, source->version);
}

static dt_status citations_text(artifact *a)
{
    return dt_text_addf(
        &a->text,
        "@article{framework|deeptaxa-mpi:%s|0,\n"
        " author = {Salah, Rana and AbdElaal, Khlood R. and Ghonaim, Lobna and Awe, Olaitan I. and "
        "Moustafa, Ahmed},\n"
        " doi = {10.1093/bioadv/vbag166},\n"
        " journal = {Bioinformatics Advances},\n"
        " number = {1},\n"
        " title = {{DeepTaxa}: a hybrid {CNN}-{BERT} framework for {16S} {rRNA} taxonomic "
        "classification},\n"
        " volume = {6},\n"
        " year = {2026}\n"
        "}\n",
        a->source->version);
}

/* ---- the archive ----------------------------------------------------------------------------- */

/* Begins an entry of the artifact's folder. */
static dt_status begin_entry(artifact *a, const char *name, int64_t size)
{
    dt_text_clear(&a->name);
    DT_TRY(dt_text_addf(&a->name, "%s/%s", a->uuid, name));
    dt_zip_writer_begin(a->zip, a->name.data, size);
    return DT_OK;
}

static dt_status put_text(artifact *a, const char *name, dt_status (*write)(artifact *a))
{
    dt_text_clear(&a->text);
    DT_TRY(write(a));
    DT_TRY(begin_entry(a, name, (int64_t)a->text.length));
    dt_zip_writer_add(a->zip, a->text.data, a->text.length);
    return DT_OK;
}

static dt_status table_failed(const artifact *a)
{
    return dt_fail(DT_ERR_IO, "%s: cannot write a temporary file: %s", a->source->folder,
                   strerror(errno ? errno : EIO));
}

/* Writes the table to a temporary file first, because an entry begins with its size. */
static dt_status make_table(artifact *a)
{
    dt_output out;
    const int fd = dt_open_unnamed(a->source->folder);
    a->table = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (!a->table) {
        const dt_status status = table_failed(a);
        if (fd >= 0)
            close(fd);
        return status;
    }
    DT_TRY(dt_output_attach(&out, a->table, a->source->folder));
    const dt_status status = dt_write_qiime2(a->source, &out);
    const dt_status written = dt_output_detach(&out);
    return status != DT_OK ? status : written;
}

static dt_status put_table(artifact *a)
{
    char bytes[16384];
    errno = 0;
    const long size = fseek(a->table, 0, SEEK_END) == 0 ? ftell(a->table) : -1;
    if (size < 0 || fseek(a->table, 0, SEEK_SET) != 0)
        return table_failed(a);
    DT_TRY(begin_entry(a, "data/taxonomy.tsv", size));
    for (long left = size; left > 0;) {
        const size_t length = fread(bytes, 1, sizeof bytes, a->table);
        if (length == 0)
            return table_failed(a);
        dt_zip_writer_add(a->zip, bytes, length);
        left -= (long)length;
    }
    return DT_OK;
}

static dt_status put_entries(artifact *a)
{
    DT_TRY(put_text(a, "VERSION", version_text));
    DT_TRY(put_text(a, "metadata.yaml", metadata_text));
    DT_TRY(put_table(a));
    DT_TRY(put_text(a, "provenance/VERSION", version_text));
    DT_TRY(put_text(a, "provenance/metadata.yaml", metadata_text));
    DT_TRY(put_text(a, "provenance/action/action.yaml", action_text));
    return put_text(a, "provenance/citations.bib", citations_text);
}

static dt_status write_artifact(artifact *a, dt_output *out)
{
    DT_TRY(dt_uuid(a->uuid));
    with_hyphens(a->uuid);
    DT_TRY(make_table(a));
    DT_TRY(dt_zip_writer_attach(&a->zip, out));
    const dt_status status = put_entries(a);
    const dt_status written = dt_zip_writer_detach(a->zip);
    return status != DT_OK ? status : written;
}

dt_status dt_write_qza(const dt_format_source *source, dt_output *out)
{
    artifact a = {.source = source};
    const dt_status status = write_artifact(&a, out);
    if (a.table)
        fclose(a.table);
    dt_text_free(&a.name);
    dt_text_free(&a.text);
    return status;
}
