#include "cli/model_tokenizer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/installation.h"
#include "core/file.h"
#include "core/memory.h"
#include "sequence/tokenizer_json.h"

/* Chooses the tokenizer that a run names. */
static dt_status choose_named(const char *name, const char *path, char *out)
{
    char folder[PATH_MAX];
    char beside[PATH_MAX];
    const char *slash = strrchr(name, '/');
    dt_folder_of(path, folder, sizeof folder);
    DT_TRY(dt_path(beside, sizeof beside, "%s/%s", folder, slash ? slash + 1 : name));
    DT_TRY(dt_local_tokenizer(name, out, PATH_MAX));
    if (!out[0])
        DT_TRY(dt_local_tokenizer(beside, out, PATH_MAX));
    if (!out[0] && strcmp(name, DT_PUBLISHED_TOKENIZER) == 0)
        DT_TRY(dt_installed_tokenizer(out, PATH_MAX));
    if (out[0])
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: was trained with the tokenizer '%.80s', which is not here: %sname its "
                   "tokenizer.json with --tokenizer-file",
                   path, name,
                   strcmp(name, DT_PUBLISHED_TOKENIZER) == 0
                       ? "fetch it with launch/get-tokenizer.sh, or "
                       : "");
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
