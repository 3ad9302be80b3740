#include "cli/installation.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"

dt_status dt_program_folder(char *out, size_t size)
{
    const ssize_t length = readlink("/proc/self/exe", out, size - 1);
    if (length <= 0)
        return dt_fail(DT_ERR_IO, "cannot find the directory of this program: /proc/self/exe: %s",
                       strerror(errno));
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
    return DT_OK;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* Sets `path` to `name` or, if that is a directory, to the tokenizer.json in it. */
static dt_status set_file(char *path, size_t size, const char *name)
{
    struct stat info;
    const bool folder = stat(name, &info) == 0 && S_ISDIR(info.st_mode);
    DT_TRY(dt_path(path, size, "%s%s", name, folder ? "/tokenizer.json" : ""));
    if (!folder || is_file(path))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT, "%s: is a directory without a tokenizer.json: name the file",
                   name);
}

dt_status dt_local_tokenizer(const char *name, char *path, size_t size)
{
    DT_TRY(dt_path(path, size, "%s", name));
    if (is_file(path))
        return DT_OK;
    DT_TRY(dt_path(path, size, "%s/tokenizer.json", name));
    if (!is_file(path))
        path[0] = '\0';
    return DT_OK;
}

dt_status dt_installed_tokenizer(char *path, size_t size)
{
    static const char *const places[] = {"/../share/deeptaxa/tokenizer.json",
                                         "/../../share/deeptaxa/tokenizer.json"};
    const char *from_environment = getenv("DEEPTAXA_TOKENIZER");
    if (from_environment && *from_environment)
        return set_file(path, size, from_environment);
    char folder[PATH_MAX];
    DT_TRY(dt_program_folder(folder, sizeof folder));
    for (size_t i = 0; i < sizeof places / sizeof *places; ++i) {
        char candidate[PATH_MAX + 64];
        char whole[PATH_MAX];
        DT_TRY(dt_path(candidate, sizeof candidate, "%s%s", folder, places[i]));
        if (is_file(candidate) && realpath(candidate, whole)) /* without the ".." */
            return dt_path(path, size, "%s", whole);
    }
    path[0] = '\0';
    return DT_OK;
}

dt_status dt_choose_tokenizer(const char *file, const char *name, char *path, size_t size)
{
    const bool published = name && strcmp(name, DT_PUBLISHED_TOKENIZER) == 0;
    if (file)
        return set_file(path, size, file);
    if (name) {
        DT_TRY(dt_local_tokenizer(name, path, size));
        if (path[0])
            return DT_OK;
        if (!published)
            dt_notice("--tokenizer-name %s is ignored: not a local file or directory, and nothing "
                      "is downloaded (launch/get-tokenizer.sh fetches the published tokenizer)",
                      name);
    }
    DT_TRY(dt_installed_tokenizer(path, size));
    return path[0] || !published
               ? DT_OK
               : dt_fail(DT_ERR_INPUT,
                         "--tokenizer-name %s: is not here, and nothing is downloaded: fetch it "
                         "with launch/get-tokenizer.sh, name its tokenizer.json with "
                         "--tokenizer-file, or omit the flag to learn a vocabulary",
                         name);
}
