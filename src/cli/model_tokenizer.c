#include "cli/model_tokenizer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/installation.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "sequence/tokenizer_json.h"

/* Sets `out` to the tokenizer in the file or folder `name`, seen from `folder`; "" if there is none. */
static dt_status find_beside(const char *folder, const char *name, char *out)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(path, sizeof path, "%s/%s", folder, name));
    return dt_local_tokenizer(path, out, PATH_MAX);
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Looks for the tokenizer of this name, and sets `out` to its file or "". A tokenizer.json beside the
 * checkpoint says nothing about the model it belongs to, hence it is not taken. */
static dt_status find_named(const char *name, const char *path, char *out)
{
    char folder[PATH_MAX];
    out[0] = '\0';
    if (!last_part(name)[0])
        return DT_OK;
    dt_folder_of(path, folder, sizeof folder);
    DT_TRY(dt_local_tokenizer(name, out, PATH_MAX));
    if (!out[0])
        DT_TRY(find_beside(folder, name, out));
    if (!out[0])
        DT_TRY(find_beside(folder, last_part(name), out));
    if (!out[0] && strcmp(name, DT_PUBLISHED_TOKENIZER) == 0)
        DT_TRY(dt_installed_tokenizer(out, PATH_MAX));
    return DT_OK;
}

/* Chooses the tokenizer that a run names. */
static dt_status choose_named(const char *name, const char *path, char *out)
{
    DT_TRY(find_named(name, path, out));
    if (out[0])
        return DT_OK;
    if (!last_part(name)[0])
        return dt_fail(DT_ERR_INPUT,
                       "%s: does not name its tokenizer: name the tokenizer.json with "
                       "--tokenizer-file",
                       path);
    return dt_fail(
        DT_ERR_INPUT,
        "%s: was trained with the tokenizer '%.80s', which is not here: %sname its "
        "tokenizer.json with --tokenizer-file, or put it into the folder %.80s beside the "
        "checkpoint",
        path, name,
        strcmp(name, DT_PUBLISHED_TOKENIZER) == 0 ? "fetch it with launch/get-tokenizer.sh, or "
                                                  : "",
        last_part(name));
}

dt_status dt_adopt_tokenizer(dt_run *run, const char *path, const char *json, const char *name)
{
    dt_tokenizer *tokenizer;
    DT_TRY(dt_tokenizer_from_json(json, strlen(json), name, &tokenizer));
    const int32_t size = dt_tokenizer_vocabulary_size(tokenizer);
    run->config.pad_id = dt_tokenizer_pad_id(tokenizer);
    dt_tokenizer_destroy(tokenizer);
    if (size != run->config.vocabulary)
        return dt_fail(DT_ERR_INPUT,
                       "%s: is not the tokenizer of %s: it has %d tokens, the model %d: name the "
                       "right tokenizer.json with --tokenizer-file",
                       name, path, size, run->config.vocabulary);
    return dt_copy_text(&run->tokenizer_json, json);
}

void dt_notice_unused_tokenizer(const dt_run *run, const char *file, const char *chosen)
{
    if (file && !chosen[0])
        dt_notice("--tokenizer-file has no effect: %s", run->config.encoding == DT_ENCODING_ONEHOT
                                                            ? "the model reads nucleotides"
                                                            : "the checkpoint decides");
}

dt_status dt_take_tokenizer(dt_run *run, const char *path, const char *file, char *chosen)
{
    char place[PATH_MAX] = "";
    dt_tokenizer *tokenizer;
    char *json;
    if (chosen)
        chosen[0] = '\0';
    if (run->tokenizer_json || run->config.encoding == DT_ENCODING_ONEHOT)
        return DT_OK;
    const char *name = run->settings.tokenizer_name;
    DT_TRY(file ? dt_choose_tokenizer(file, NULL, place, sizeof place)
                : choose_named(name ? name : "", path, place));
    DT_TRY(dt_tokenizer_read(place, &tokenizer, &json));
    dt_tokenizer_destroy(tokenizer);
    const dt_status status = dt_adopt_tokenizer(run, path, json, place);
    free(json);
    return status == DT_OK && chosen ? dt_path(chosen, PATH_MAX, "%s", place) : status;
}
