#include "io/zip_member.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "core/memory.h"
#include "io/line_reader.h"

enum { UUID = 36, SHOWN = 4 };

static bool is_file(const char *entry)
{
    const size_t length = strlen(entry);
    const char *slash = strrchr(entry, '/');
    const char *base = slash ? slash + 1 : entry;
    return length > 0 && entry[length - 1] != '/' && strncmp(entry, "__MACOSX/", 9) != 0 &&
           strcmp(base, ".DS_Store") != 0;
}

/* Whether the entry lies in a folder whose name is a UUID. */
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
    int64_t first;    /* the place of the first file */
    int64_t member;   /* of what is wanted of an artifact, -1: not there */
    bool artifact;    /* all files lie in one folder with the name of a UUID */
    const char *root; /* the first file, which begins with that folder */
} contents;

static contents look(const char *names, size_t size, const char *artifact_member)
{
    contents c = {.first = -1, .member = -1, .artifact = true};
    int64_t place = 0;
    for (const char *entry = names; entry < names + size; entry += strlen(entry) + 1, ++place) {
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

/* The first names, of an artifact those in its folder data/. */
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
        status = dt_fail(DT_ERR_INPUT, "%s: is a QIIME 2 artifact without %s; its data are: %s",
                         name, artifact_member, there.data);
    else if (status == DT_OK)
        status = dt_fail(DT_ERR_INPUT,
                         "%s: is a zip archive of %lld files (%s): extract it first and name the "
                         "file that is meant",
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
        return dt_fail(DT_ERR_INPUT, "%s: is a zip archive without a file", name);
    if (c.artifact ? c.member >= 0 : c.files == 1)
        return DT_OK;
    return refuse(name, names, size, &c, artifact_member);
}
