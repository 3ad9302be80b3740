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

/* Sets `path` if `name` is a file or a directory with a tokenizer.json, otherwise to "". */
static dt_status choose_by_name(const char *name, char *path, size_t size)
{
    DT_TRY(dt_path(path, size, "%s", name));
    if (is_file(path))
        return DT_OK;
    DT_TRY(dt_path(path, size, "%s/tokenizer.json", name));
    if (is_file(path))
        return DT_OK;
    dt_notice("--tokenizer-name %s is ignored: not a local file or directory, and nothing is "
              "downloaded (launch/get-tokenizer.sh fetches the published tokenizer)",
              name);
    path[0] = '\0';
    return DT_OK;
}

dt_status dt_choose_tokenizer(const char *file, const char *name, char *path, size_t size)
{
    static const char *const places[] = {"/../share/deeptaxa/tokenizer.json",
                                         "/../../share/deeptaxa/tokenizer.json"};
    if (file)
        return set_file(path, size, file);
    if (name) {
        DT_TRY(choose_by_name(name, path, size));
        if (path[0])
            return DT_OK;
    }
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
