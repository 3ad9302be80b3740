#include "io/zip_member.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/utf8.h"
#include "io/zip_records.h"

enum { UUID = 36, SHOWN = 4 };

static bool is_file(const char *entry)
{
    const size_t length = strlen(entry);
    const char *slash = strrchr(entry, '/');
    const char *base = slash ? slash + 1 : entry;
    return length > 0 && entry[length - 1] != '/' && strncmp(entry, "__MACOSX/", 9) != 0 &&
           strcmp(base, ".DS_Store") != 0;
}

/* Returns true if the entry is in a folder whose name is a UUID. */
static bool in_artifact(const char *entry)
{
    int i = 0;
    for (; i < UUID && entry[i]; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? entry[i] != '-' : !isxdigit((unsigned char)entry[i]))
            return false;
    }
    return i == UUID && entry[UUID] == '/';
}

typedef struct {
    int64_t files;
    int64_t first;    /* index of the first file */
    int64_t member;   /* index of the wanted file of an artifact, -1: not found */
    bool artifact;    /* all files are in one folder whose name is a UUID */
    const char *root; /* name of the first file, which begins with that folder */
} contents;

static contents look(const char *names, size_t size, const char *artifact_member)
{
    contents c = {.first = -1, .member = -1, .artifact = true};
    int64_t place = -1;
    for (size_t at = 0; at < size; at += strlen(names + at) + 1) {
        const char *entry = names + at;
        place++;
        if (!is_file(entry))
            continue;
        if (c.files++ == 0) {
            c.first = place;
            c.root = entry;
        }
        c.artifact = c.artifact && in_artifact(entry) && strncmp(entry, c.root, UUID + 1) == 0;
        if (c.artifact && strcmp(entry + UUID + 1, artifact_member) == 0)
            c.member = place;
    }
    c.artifact = c.artifact && c.files > 0;
    return c;
}

/* Lists the first names; of an artifact, those in its folder data/. */
static dt_status list(dt_text *out, const char *names, size_t size, bool artifact)
{
    int shown = 0;
    for (const char *entry = names; entry < names + size; entry += strlen(entry) + 1) {
        const char *part = artifact && is_file(entry) ? entry + UUID + 1 : entry;
        if (!is_file(entry) || (artifact && strncmp(part, "data/", 5) != 0))
            continue;
        if (++shown > SHOWN)
            return dt_text_addf(out, ", ...");
        char excerpt[DT_EXCERPT_SIZE];
        DT_TRY(dt_text_addf(out, "%s%s", shown > 1 ? ", " : "",
                            dt_excerpt(excerpt, part, strlen(part))));
    }
    return shown ? DT_OK : dt_text_addf(out, "nothing");
}

static dt_status refuse(const char *name, const char *names, size_t size, const contents *c,
                        const char *artifact_member)
{
    dt_text there = {0};
    dt_status status = list(&there, names, size, c->artifact);
    if (status == DT_OK && c->artifact)
        status =
            dt_fail(DT_ERR_INPUT, "%s: is a QIIME 2 artifact without %s; its data files are: %s",
                    name, artifact_member, there.data);
    else if (status == DT_OK)
        status = dt_fail(DT_ERR_INPUT,
                         "%s: is a zip archive of %lld files (%s): extract it first and give the "
                         "file to read",
                         name, (long long)c->files, there.data);
    dt_text_free(&there);
    return status;
}

dt_status dt_zip_member_choose(const char *name, const char *names, size_t size,
                               const char *artifact_member, int64_t *chosen)
{
    const contents c = look(names, size, artifact_member);
    *chosen = c.artifact ? c.member : c.first;
    if (c.files == 0)
        return dt_fail(DT_ERR_INPUT, "%s: is an empty zip archive", name);
    if (c.artifact ? c.member >= 0 : c.files == 1)
        return DT_OK;
    return refuse(name, names, size, &c, artifact_member);
}

/* ---- data outside the archive ---------------------------------------------------------------- */

/* Returns the position of the last end record in the last bytes of a file; -1: none. */
static int64_t find_end(const unsigned char *tail, int64_t length)
{
    for (int64_t at = length - DT_ZIP_END; at >= 0; --at)
        if (memcmp(tail + at, "PK\5\6", 4) == 0)
            return at;
    return -1;
}

static dt_status check_end(const char *name, const unsigned char *tail, int64_t length,
                           int64_t size)
{
    const int64_t at = find_end(tail, length);
    if (at < 0)
        return DT_OK;
    const unsigned char *end = tail + at;
    const int64_t after = length - at - DT_ZIP_END - dt_zip_size(end + 20, 2);
    const int64_t before = size - length + at - dt_zip_size(end + 12, 4) - dt_zip_size(end + 16, 4);
    const bool zip64 = at >= DT_ZIP_LOCATOR_64 && memcmp(end - DT_ZIP_LOCATOR_64, "PK\6\7", 4) == 0;
    if (after > 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: its zip archive is followed by %lld bytes that would be lost: extract "
                       "it first",
                       name, (long long)after);
    if (before > 0 && !zip64)
        return dt_fail(DT_ERR_INPUT,
                       "%s: its zip archive is preceded by %lld bytes that would be lost (another "
                       "archive?): extract each separately and join the texts",
                       name, (long long)before);
    return DT_OK;
}

dt_status dt_zip_check_whole(const char *name, int fd, int64_t size)
{
    const int64_t most = DT_ZIP_END + DT_ZIP_LONGEST_COMMENT;
    const int64_t length = size < most ? size : most;
    unsigned char *tail = NULL;
    DT_TRY(DT_NEW(tail, (size_t)length + 1));
    dt_status status = DT_OK;
    if (pread(fd, tail, (size_t)length, size - length) == length)
        status = check_end(name, tail, length, size);
    free(tail); /* a read error will show again when the data is read */
    return status;
}
