#include "run/torch_tokenizer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "io/json_writer.h"
#include "sequence/tokenizer_json.h"

/* The hash of DNABERT-2's tokenizer.json without white space: 101,336 bytes. */
#define DNABERT2_HASH UINT64_C(0xa36ef0c48d76bbeb)

/* The files of the folder. */
#define TOKENIZER "tokenizer.json"
#define CONFIG "tokenizer_config.json"

static bool is_dnabert2(const char *json)
{
    uint64_t hash = DT_HASH_START;
    for (; *json; ++json)
        if (!strchr(" \t\r\n", *json))
            hash = dt_hash_add(hash, (unsigned char)*json);
    return hash == DNABERT2_HASH;
}

static dt_status check(const dt_tokenizer *tokenizer, const char *path)
{
    if (dt_tokenizer_pad_id(tokenizer) < 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: DeepTaxa pads all sequences, but the model's tokenizer has no padding "
                       "token: this model can only be kept as .h5",
                       path);
    for (int32_t id = 0; id < dt_tokenizer_vocabulary_size(tokenizer); ++id)
        if (!dt_tokenizer_token(tokenizer, id))
            return dt_fail(DT_ERR_INPUT,
                           "%s: DeepTaxa requires that every id is a token, but the model's "
                           "tokenizer has none for id %d: this model can only be kept as .h5",
                           path, id);
    return DT_OK;
}

static dt_status choose_folder(dt_torch_tokenizer *tokenizer, const char *path)
{
    char folder[PATH_MAX];
    char whole[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    dt_folder_of(path, folder, sizeof folder);
    if (!realpath(folder, whole))
        return dt_fail(DT_ERR_IO, "%s: no such directory", folder);
    tokenizer->is_folder = true;
    return dt_path(tokenizer->name, sizeof tokenizer->name, "%s/%.*s_tokenizer", whole,
                   (int)strlen(file) - 3, file);
}

dt_status dt_torch_tokenizer_choose(dt_torch_tokenizer *tokenizer, const dt_run *run,
                                    const char *path)
{
    dt_tokenizer *known;
    const char *json = run->tokenizer_json;
    *tokenizer = (dt_torch_tokenizer){0};
    if (run->config.encoding == DT_ENCODING_ONEHOT || (json && is_dnabert2(json)))
        return dt_path(tokenizer->name, sizeof tokenizer->name, "%s", DT_DNABERT2_NAME);
    const char *name = run->settings.tokenizer_name;
    if (!json && (!name || !*name))
        return dt_fail(DT_ERR_INPUT,
                       "%s: the model does not name its tokenizer, as DeepTaxa requires: give its "
                       "tokenizer.json with --tokenizer-file",
                       path);
    if (!json)
        return dt_path(tokenizer->name, sizeof tokenizer->name, "%s", name);
    DT_TRY(dt_tokenizer_from_json(json, strlen(json), "the model's tokenizer", &known));
    const dt_status status = check(known, path);
    dt_tokenizer_destroy(known);
    return status == DT_OK ? choose_folder(tokenizer, path) : status;
}

/* Writes what `transformers` must know beside tokenizer.json: the class, and the names of the
 * tokens with a purpose. */
static dt_status write_config(const char *path, const dt_tokenizer *tokenizer)
{
    dt_output out;
    dt_json json;
    DT_TRY(dt_output_begin(&out, path));
    dt_json_begin(&json, &out, 2, 1);
    dt_json_object(&json);
    dt_json_put_string(&json, "tokenizer_class", "PreTrainedTokenizerFast");
    dt_json_put_string(&json, "pad_token",
                       dt_tokenizer_token(tokenizer, dt_tokenizer_pad_id(tokenizer)));
    if (dt_tokenizer_unk_id(tokenizer) >= 0)
        dt_json_put_string(&json, "unk_token",
                           dt_tokenizer_token(tokenizer, dt_tokenizer_unk_id(tokenizer)));
    dt_json_end(&json);
    dt_output_char(&out, '\n');
    return dt_output_commit(&out);
}

static dt_status write_files(const dt_torch_tokenizer *tokenizer, const char *json)
{
    char path[PATH_MAX];
    dt_tokenizer *known;
    DT_TRY(dt_path(path, sizeof path, "%s/" TOKENIZER, tokenizer->name));
    DT_TRY(dt_write_file(path, json, strlen(json)));
    DT_TRY(dt_path(path, sizeof path, "%s/" CONFIG, tokenizer->name));
    if (access(path, F_OK) == 0) /* beside the same tokenizer: may have been edited */
        return DT_OK;
    DT_TRY(dt_tokenizer_from_json(json, strlen(json), "the model's tokenizer", &known));
    const dt_status status = write_config(path, known);
    dt_tokenizer_destroy(known);
    return status;
}

static bool holds_only_ours(const char *folder, bool *empty)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool only = dir != NULL;
    *empty = true;
    while (only && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        *empty = false;
        only = strcmp(entry->d_name, TOKENIZER) == 0 || strcmp(entry->d_name, CONFIG) == 0;
    }
    if (dir)
        closedir(dir);
    return only;
}

static bool holds_text(const char *folder, const char *text)
{
    char path[PATH_MAX + 32];
    char *bytes;
    size_t length;
    snprintf(path, sizeof path, "%s/" TOKENIZER, folder);
    if (access(path, F_OK) != 0 || dt_read_file(path, &bytes, &length) != DT_OK)
        return false;
    const bool same = length == strlen(text) && memcmp(bytes, text, length) == 0;
    free(bytes);
    return same;
}

/* Refuses a folder that holds anything but this tokenizer: another model may need it. */
static dt_status check_folder(dt_torch_tokenizer *tokenizer, const char *json)
{
    const char *folder = tokenizer->name;
    bool empty = true;
    const bool exists = access(folder, F_OK) == 0;
    dt_remove_unfinished(folder);
    const bool ours = exists && holds_only_ours(folder, &empty);
    tokenizer->created = !exists;
    tokenizer->filled = !exists || (ours && empty);
    if (tokenizer->filled || (ours && holds_text(folder, json)))
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   "%s: exists with other content than this model's tokenizer, which is to be "
                   "written there: choose another name for the output file, or remove it",
                   folder);
}

dt_status dt_torch_tokenizer_write(dt_torch_tokenizer *tokenizer, const dt_run *run)
{
    if (!tokenizer->is_folder)
        return DT_OK;
    DT_TRY(check_folder(tokenizer, run->tokenizer_json));
    DT_TRY(dt_make_folder(tokenizer->name));
    const dt_status status = write_files(tokenizer, run->tokenizer_json);
    if (status != DT_OK)
        dt_torch_tokenizer_undo(tokenizer);
    return status;
}

void dt_torch_tokenizer_undo(const dt_torch_tokenizer *tokenizer)
{
    char path[PATH_MAX + 32];
    if (!tokenizer->filled)
        return;
    snprintf(path, sizeof path, "%s/" TOKENIZER, tokenizer->name);
    unlink(path);
    snprintf(path, sizeof path, "%s/" CONFIG, tokenizer->name);
    unlink(path);
    if (tokenizer->created)
        rmdir(tokenizer->name);
}
