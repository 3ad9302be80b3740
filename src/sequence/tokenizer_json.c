#include "sequence/tokenizer_json.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"

/* A spec under construction. The JSON tree owns its texts. */
typedef struct {
    const char *name; /* name of the file, for messages */
    const json_t *vocab;
    dt_tokenizer_spec spec;
    const char **token; /* (DT_MAX_VOCABULARY) */
    const char **left;
    const char **right;
    char **split; /* left parts of merges given as strings; owned */
    size_t split_count;
    int32_t *special;
} reader;

static void free_reader(reader *r)
{
    for (size_t i = 0; i < r->split_count; ++i)
        free(r->split[i]);
    free(r->split);
    free(r->token);
    free(r->left);
    free(r->right);
    free(r->special);
}

/* --- what is not supported -------------------------------------------------------------------- */

static dt_status refuse(const reader *r, const char *component, const char *value)
{
    return dt_fail(
        DT_ERR_INPUT,
        "%s: this tokenizer's %s is '%.60s', which is not supported; use a BPE tokenizer "
        "without it",
        r->name, component, value);
}

static dt_status malformed(const reader *r, const char *component)
{
    return dt_fail(DT_ERR_INPUT, "%s: '%s' is missing or not valid for a tokenizer.json", r->name,
                   component);
}

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

/* Returns the `type` of a component: "null" if it is absent, "?" if it has no type. */
static const char *type_of(const json_t *component)
{
    if (is_absent(component))
        return "null";
    const char *type = json_string_value(json_object_get(component, "type"));
    return type ? type : "?";
}

/* Rejects a model option unless it is absent, false, 0 or "". */
static dt_status check_unset(const reader *r, const json_t *model, const char *key)
{
    const json_t *value = json_object_get(model, key);
    if (is_absent(value) || json_is_false(value) ||
        (json_is_number(value) && json_number_value(value) == 0) ||
        (json_is_string(value) && json_string_length(value) == 0))
        return DT_OK;
    char shown[32];
    if (json_is_string(value))
        snprintf(shown, sizeof shown, "%.30s", json_string_value(value));
    else if (json_is_number(value))
        snprintf(shown, sizeof shown, "%g", json_number_value(value));
    else
        snprintf(shown, sizeof shown, "%s", json_is_true(value) ? "true" : "?");
    return refuse(r, key, shown);
}

static dt_status check_components(const reader *r, const json_t *root)
{
    const json_t *version = json_object_get(root, "version");
    if (!is_absent(version) &&
        (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
        return refuse(r, "version", json_is_string(version) ? json_string_value(version) : "?");
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model))
        return malformed(r, "model");
    if (strcmp(type_of(model), "BPE") != 0)
        return refuse(r, "model type", type_of(model));
    if (!is_absent(json_object_get(root, "normalizer")))
        return refuse(r, "normalizer", type_of(json_object_get(root, "normalizer")));
    static const char *const options[] = {"dropout", "continuing_subword_prefix",
                                          "end_of_word_suffix", "byte_fallback", "ignore_merges"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; ++i)
        DT_TRY(check_unset(r, model, options[i]));
    return DT_OK;
}

/* --- vocabulary and merges -------------------------------------------------------------------- */

static dt_status place_token(reader *r, const char *text, json_int_t id)
{
    if (id < 0 || id >= DT_MAX_VOCABULARY)
        return dt_fail(DT_ERR_INPUT, "%s: the token '%.60s' has the id %lld; 0 to %d are supported",
                       r->name, text, (long long)id, DT_MAX_VOCABULARY - 1);
    if (r->token[id] && strcmp(r->token[id], text) != 0)
        return dt_fail(DT_ERR_INPUT, "%s: the tokens '%.60s' and '%.60s' have the same id %lld",
                       r->name, r->token[id], text, (long long)id);
    r->token[id] = text;
    if (id >= r->spec.vocabulary_size)
        r->spec.vocabulary_size = (int32_t)id + 1;
    return DT_OK;
}

static dt_status read_vocabulary(reader *r, json_t *model)
{
    json_t *vocab = json_object_get(model, "vocab");
    if (!json_is_object(vocab))
        return malformed(r, "model.vocab");
    r->vocab = vocab;
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        if (!json_is_integer(id))
            return malformed(r, "model.vocab");
        DT_TRY(place_token(r, text, json_integer_value(id)));
    }
    return DT_OK;
}

/* Returns the id of a token in the model's vocabulary, -1 if it is not there. */
static int32_t vocabulary_id(const reader *r, const char *text)
{
    const json_t *id = json_object_get(r->vocab, text);
    return id ? (int32_t)json_integer_value(id) : -1;
}

/* Reads "A B": copies the left part; the right one is the rest of the string. */
static dt_status read_merge_string(reader *r, size_t i, const char *merge)
{
    const char *blank = strchr(merge, ' ');
    if (!blank || strchr(blank + 1, ' '))
        return dt_fail(DT_ERR_INPUT,
                       "%s: merge %zu, '%.60s', is not two tokens separated by a blank", r->name,
                       i + 1, merge);
    char *left = strndup(merge, (size_t)(blank - merge));
    if (!left)
        return dt_fail(DT_ERR_MEMORY, "out of memory for the tokenizer's merges");
    r->split[r->split_count++] = left;
    r->left[i] = left;
    r->right[i] = blank + 1;
    return DT_OK;
}

static dt_status read_merge(reader *r, size_t i, const json_t *merge)
{
    if (json_is_string(merge))
        return read_merge_string(r, i, json_string_value(merge));
    r->left[i] = json_string_value(json_array_get(merge, 0));
    r->right[i] = json_string_value(json_array_get(merge, 1));
    if (json_array_size(merge) != 2 || !r->left[i] || !r->right[i])
        return dt_fail(DT_ERR_INPUT, "%s: merge %zu is neither a string nor a pair of strings",
                       r->name, i + 1);
    return DT_OK;
}

static bool is_comment(const json_t *merge)
{
    return json_is_string(merge) && strncmp(json_string_value(merge), "#version", 8) == 0;
}

static dt_status read_merges(reader *r, const json_t *model)
{
    const json_t *merges = json_object_get(model, "merges");
    if (!json_is_array(merges))
        return malformed(r, "model.merges");
    const size_t count = json_array_size(merges);
    DT_TRY(DT_NEW(r->left, count));
    DT_TRY(DT_NEW(r->right, count));
    DT_TRY(DT_NEW(r->split, count));
    size_t used = 0;
    for (size_t i = 0; i < count; ++i)
        if (!is_comment(json_array_get(merges, i)))
            DT_TRY(read_merge(r, used++, json_array_get(merges, i)));
    r->spec.merge_count = (int64_t)used;
    r->spec.merge_left = r->left;
    r->spec.merge_right = r->right;
    return DT_OK;
}

/* --- special tokens --------------------------------------------------------------------------- */

static dt_status check_added_flags(const reader *r, const json_t *added, const char *text)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; ++i)
        if (json_is_true(json_object_get(added, flags[i])))
            return dt_fail(
                DT_ERR_INPUT,
                "%s: the added token '%.60s' has '%s' set, which is not supported; use a "
                "tokenizer without it",
                r->name, text, flags[i]);
    return DT_OK;
}

/* The library itself numbers an added token that is not in the vocabulary, with the next free
 * number, regardless of the file. Files in which the two differ are rejected. */
static dt_status read_added_token(reader *r, const json_t *added, int32_t *next_id)
{
    const char *text = json_string_value(json_object_get(added, "content"));
    const json_t *id = json_object_get(added, "id");
    if (!text || !*text || !json_is_integer(id))
        return malformed(r, "added_tokens");
    DT_TRY(check_added_flags(r, added, text));
    const bool is_known = vocabulary_id(r, text) >= 0;
    const int32_t expected = is_known ? vocabulary_id(r, text) : *next_id;
    if (json_integer_value(id) != expected)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: the added token '%.60s' has the id %lld, but its position in the vocabulary "
            "gives it the id %d: correct the file",
            r->name, text, (long long)json_integer_value(id), expected);
    *next_id += !is_known;
    r->special[r->spec.special_count++] = expected;
    return place_token(r, text, expected);
}

static dt_status read_added_tokens(reader *r, const json_t *root)
{
    const json_t *added = json_object_get(root, "added_tokens");
    if (is_absent(added))
        return DT_OK;
    if (!json_is_array(added))
        return malformed(r, "added_tokens");
    const size_t count = json_array_size(added);
    DT_TRY(DT_NEW(r->special, count));
    int32_t next_id = (int32_t)json_object_size(r->vocab);
    size_t normalized = 0;
    for (size_t i = 0; i < count; ++i) {
        const json_t *token = json_array_get(added, i);
        normalized += json_is_true(json_object_get(token, "normalized"));
        DT_TRY(read_added_token(r, token, &next_id));
    }
    /* tokens that are not "normalized" are searched first, in the whole text; if all are of one
     * kind, a single search gives the same result */
    if (normalized != 0 && normalized != count)
        return refuse(r, "added_tokens", "partly normalized, partly not");
    r->spec.special_id = r->special;
    return DT_OK;
}

static int32_t any_id(const reader *r, const char *text)
{
    for (int32_t id = 0; id < r->spec.vocabulary_size; ++id)
        if (r->token[id] && strcmp(r->token[id], text) == 0)
            return id;
    return -1;
}

static dt_status find_unk_and_pad(reader *r, const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    const json_t *unk = json_object_get(model, "unk_token");
    r->spec.unk_id = -1;
    if (!is_absent(unk)) {
        if (!json_is_string(unk))
            return malformed(r, "model.unk_token");
        r->spec.unk_id = vocabulary_id(r, json_string_value(unk));
        if (r->spec.unk_id < 0)
            return dt_fail(DT_ERR_INPUT, "%s: the unk_token '%.60s' is not in the vocabulary",
                           r->name, json_string_value(unk));
    }
    r->spec.fuse_unk = json_is_true(json_object_get(model, "fuse_unk"));
    const json_t *padding = json_object_get(json_object_get(root, "padding"), "pad_id");
    if (json_is_integer(padding)) {
        const json_int_t id = json_integer_value(padding);
        if (id < 0 || id >= r->spec.vocabulary_size || !r->token[id])
            return malformed(r, "padding.pad_id");
        r->spec.pad_id = (int32_t)id;
        return DT_OK;
    }
    r->spec.pad_id = any_id(r, "[PAD]");
    if (r->spec.pad_id < 0)
        r->spec.pad_id = any_id(r, "<pad>");
    return DT_OK;
}

/* --- TemplateProcessing ----------------------------------------------------------------------- */

/* Appends the ids of a special token of the template before or after the sequence. */
static dt_status add_affix(reader *r, const json_t *processor, const char *special, bool is_prefix)
{
    const json_t *ids = json_object_get(
        json_object_get(json_object_get(processor, "special_tokens"), special), "ids");
    int32_t *affix = is_prefix ? r->spec.prefix : r->spec.suffix;
    int32_t *count = is_prefix ? &r->spec.prefix_count : &r->spec.suffix_count;
    if (!json_array_size(ids))
        return malformed(r, "post_processor.special_tokens");
    for (size_t i = 0; i < json_array_size(ids); ++i) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= DT_MAX_VOCABULARY)
            return malformed(r, "post_processor.special_tokens");
        if (*count == DT_MAX_AFFIX)
            return refuse(r, "post_processor", "a template of more than 8 special tokens");
        affix[(*count)++] = (int32_t)json_integer_value(id);
    }
    return DT_OK;
}

static dt_status read_template(reader *r, const json_t *root)
{
    const json_t *processor = json_object_get(root, "post_processor");
    if (is_absent(processor))
        return DT_OK;
    if (strcmp(type_of(processor), "TemplateProcessing") != 0)
        return refuse(r, "post_processor", type_of(processor));
    const json_t *single = json_object_get(processor, "single");
    size_t sequences = 0;
    for (size_t i = 0; i < json_array_size(single); ++i) {
        const json_t *piece = json_array_get(single, i);
        const char *special =
            json_string_value(json_object_get(json_object_get(piece, "SpecialToken"), "id"));
        if (special)
            DT_TRY(add_affix(r, processor, special, sequences == 0));
        else if (json_object_get(piece, "Sequence"))
            sequences++;
        else
            return malformed(r, "post_processor.single");
    }
    return sequences == 1 ? DT_OK : malformed(r, "post_processor.single");
}

static dt_status read_pre_tokenizer(reader *r, const json_t *root)
{
    const json_t *pre_tokenizer = json_object_get(root, "pre_tokenizer");
    const char *type = type_of(pre_tokenizer);
    if (is_absent(pre_tokenizer))
        r->spec.pre_tokenizer = DT_PRE_TOKENIZER_NONE;
    else if (strcmp(type, "Whitespace") == 0)
        r->spec.pre_tokenizer = DT_PRE_TOKENIZER_WHITESPACE;
    else if (strcmp(type, "WhitespaceSplit") == 0)
        r->spec.pre_tokenizer = DT_PRE_TOKENIZER_WHITESPACE_SPLIT;
    else
        return refuse(r, "pre_tokenizer", type);
    return DT_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static dt_status read_tree(reader *r, json_t *root)
{
    if (!json_is_object(root))
        return malformed(r, "model");
    DT_TRY(check_components(r, root));
    json_t *model = json_object_get(root, "model");
    DT_TRY(DT_NEW(r->token, DT_MAX_VOCABULARY));
    r->spec.token = r->token;
    DT_TRY(read_vocabulary(r, model));
    DT_TRY(read_merges(r, model));
    DT_TRY(read_added_tokens(r, root));
    DT_TRY(find_unk_and_pad(r, root));
    DT_TRY(read_template(r, root));
    return read_pre_tokenizer(r, root);
}

/* jansson's message ends with the text at the error, which may be any bytes; it is omitted. */
static dt_status no_json(const char *name, const json_error_t *error)
{
    const char *near = strstr(error->text, " near ");
    const int length = (int)(near ? (size_t)(near - error->text) : strlen(error->text));
    return dt_fail(
        DT_ERR_INPUT,
        "%s: line %d: not a complete tokenizer.json (%.*s); download or generate it again", name,
        error->line, length, error->text);
}

/* The tokenizer checks the spec; its errors do not name the file, so it is added here. */
static dt_status create_named(const reader *r, dt_tokenizer **out)
{
    const dt_status status = dt_tokenizer_create(out, &r->spec);
    if (status != DT_ERR_INPUT)
        return status;
    char message[512];
    snprintf(message, sizeof message, "%s", dt_error_message());
    return dt_fail(status, "%s: %s", r->name, message);
}

/* *has_lengths: it has settings of truncation or padding. */
static dt_status read_text(const char *json, size_t length, const char *name, dt_tokenizer **out,
                           bool *has_lengths)
{
    *out = NULL;
    json_error_t error;
    json_t *root = json_loadb(json, length, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return no_json(name, &error);
    reader r = {.name = name};
    dt_status status = read_tree(&r, root);
    if (status == DT_OK)
        status = create_named(&r, out);
    *has_lengths = !is_absent(json_object_get(root, "truncation")) ||
                   !is_absent(json_object_get(root, "padding"));
    free_reader(&r);
    json_decref(root);
    return status;
}

dt_status dt_tokenizer_from_json(const char *json, size_t length, const char *name,
                                 dt_tokenizer **out)
{
    bool has_lengths;
    return read_text(json, length, name, out, &has_lengths);
}

dt_status dt_tokenizer_read(const char *path, dt_tokenizer **tokenizer, char **json)
{
    *tokenizer = NULL;
    char *text;
    size_t length;
    DT_TRY(dt_read_file(path, &text, &length));
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        length -= 3;
        memmove(text, text + 3, length + 1);
    }
    bool has_lengths = false;
    const dt_status status = read_text(text, length, path, tokenizer, &has_lengths);
    if (status == DT_OK && has_lengths)
        dt_notice("%s: its truncation and padding settings are ignored; the maximum length applies",
                  path);
    if (status == DT_OK && json)
        *json = text;
    else
        free(text);
    return status;
}
