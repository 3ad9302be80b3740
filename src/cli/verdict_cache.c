#include "cli/verdict_cache.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/stop.h"

/* Sets `path` to the file of a key and `folder` to its folder. Fails if there is no home. */
static dt_status find_file(const char *key, char folder[PATH_MAX], char path[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    const bool own = cache && cache[0] == '/'; /* the specification ignores relative paths */
    if (!own && !(home && home[0] == '/'))
        return dt_fail(DT_ERR_IO, "there is no cache folder");
    DT_TRY(
        dt_path(folder, PATH_MAX, "%s%s/deeptaxa-mpi", own ? cache : home, own ? "" : "/.cache"));
    return dt_path(path, PATH_MAX, "%s/selftest-%016llx.txt", folder,
                   (unsigned long long)dt_hash_text(DT_HASH_START, key));
}

bool dt_verdict_known(const char *key)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    char *text;
    size_t length;
    if (find_file(key, folder, path) != DT_OK || dt_read_file(path, &text, &length) != DT_OK)
        return false;
    const bool same = strcmp(text, key) == 0;
    free(text);
    return same;
}

void dt_verdict_keep(const char *key)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    if (find_file(key, folder, path) == DT_OK && dt_make_folder(folder) == DT_OK)
        (void)dt_write_file(path, key, strlen(key));
    dt_stop_not_too_late();
}
