#include "options/config_file.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "core/utf8.h"
#include "options/suggest.h"

#define CONFIG_VALUES 64 /* maximum length of a list; the option's own limit is checked too */

/* The options that name and print such files are not part of one. */
static bool is_about_files(const char *name)
{
    return strcmp(name, "config") == 0 || strcmp(name, "print-config") == 0;
}

/* State of reading a file. */
typedef struct {
    const dt_command *command;
    void *options;
    const char *path;
} reader;

/* ---- values ---------------------------------------------------------------------------------- */

/* Returns a value as a user would type it, NULL if it is not a single value. `space` holds the text
 * of a number. */
static const char *typed(const json_t *value, char space[64])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return json_string_value(value);
    case JSON_INTEGER:
        snprintf(space, 64, "%lld", (long long)json_integer_value(value));
        return space;
    case JSON_REAL:
        snprintf(space, 64, "%.17g", json_real_value(value));
        return space;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    default:
        return NULL;
    }
}

static dt_status store(const reader *r, int row, const json_t *value)
{
    const dt_option *option = dt_command_option(r->command, row);
    const dt_value target = dt_option_value(r->command, row, r->options);
    const char *texts[CONFIG_VALUES];
    char space[CONFIG_VALUES][64];
    const bool list = json_is_array(value);
    const size_t count = list ? json_array_size(value) : 1;
    bool ok = count <= CONFIG_VALUES;
    for (size_t i = 0; ok && i < count; ++i) {
        texts[i] = typed(list ? json_array_get(value, i) : value, space[i]);
        ok = texts[i] != NULL;
    }
    if (!ok)
        return dt_fail(DT_ERR_USAGE, "%s: --%s: must be a value or a list of at most %d values",
                       r->path, option->name, CONFIG_VALUES);
    const dt_status status = dt_value_store(option, &target, (int32_t)count, texts);
    if (status == DT_OK)
        return DT_OK;
    char message[1024];
    snprintf(message, sizeof message, "%s", dt_error_message());
    return dt_fail(status, "%s: %s", r->path, message);
}

/* The command line overrides the file; null means not set. */
static dt_status take(const reader *r, int row, const char *key, const json_t *value)
{
    const dt_option *option = dt_command_option(r->command, row);
    dt_parsed *parsed = r->options;
    if (parsed->origin[row] == DT_FROM_LINE || json_is_null(value))
        return DT_OK;
    if (option->ignored) {
        dt_notice("%s: %s has no effect: %s", r->path, option->name, option->ignored);
        return DT_OK;
    }
    DT_TRY(store(r, row, value));
    parsed->origin[row] = DT_FROM_FILE;
    parsed->key[row] = key;
    return DT_OK;
}

/* ---- an object of options -------------------------------------------------------------------- */

static dt_status unknown_key(const reader *r, const char *key, const char *name)
{
    dt_suggestion nearest = {0};
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(r->command, i)); ++i)
        dt_suggest(&nearest, name, option->name);
    if (nearest.name)
        return dt_fail(DT_ERR_USAGE, "%s: unknown setting \"%s\": did you mean \"%s\"?", r->path,
                       key, nearest.name);
    return dt_fail(DT_ERR_USAGE,
                   "%s: unknown setting \"%s\": `deeptaxa %s --help` lists all settings", r->path,
                   key, r->command->name);
}

static dt_status take_option(const reader *r, const char *key, const json_t *value)
{
    char name[128];
    snprintf(name, sizeof name, "%s", key);
    for (char *at = name; *at; ++at)
        if (*at == '_')
            *at = '-';
    const int row = dt_command_find(r->command, name, strlen(name));
    if (row < 0)
        return unknown_key(r, key, name);
    if (is_about_files(name))
        return dt_fail(DT_ERR_USAGE, "%s: \"%s\" can only be given on the command line", r->path,
                       key);
    return take(r, row, key, value);
}

/* ---- a file of an earlier run ---------------------------------------------------------------- */

static int row_of_json(const dt_command *command, const char *key)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (option->json && strcmp(option->json, key) == 0)
            return i;
    return -1;
}

/* Objects in a section are part of it. */
static dt_status take_section(const reader *r, json_t *section)
{
    const char *key;
    json_t *value;
    json_object_foreach(section, key, value)
    {
        const int row = row_of_json(r->command, key);
        if (json_is_object(value))
            DT_TRY(take_section(r, value));
        else if (row >= 0)
            DT_TRY(take(r, row, key, value));
    }
    return DT_OK;
}

static dt_status take_run(const reader *r, json_t *root)
{
    static const char *const sections[] = {"model_details", "training_hyperparameters",
                                           "dataset_info"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; ++i)
        DT_TRY(take_section(r, json_object_get(root, sections[i])));
    return DT_OK;
}

/* ---- the whole file -------------------------------------------------------------------------- */

static dt_status take_file(const reader *r, json_t *root)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return dt_fail(DT_ERR_INPUT, "%s: not a JSON object of settings, as {\"epochs\": 6}",
                       r->path);
    if (json_is_object(json_object_get(root, "training_hyperparameters")))
        return take_run(r, root);
    json_object_foreach(root, key, value) DT_TRY(take_option(r, key, value));
    return DT_OK;
}

dt_status dt_config_read(const dt_command *command, void *options)
{
    dt_parsed *parsed = options;
    const reader r = {.command = command, .options = options, .path = parsed->config};
    json_error_t error;
    char *bytes;
    size_t length;
    DT_TRY(dt_read_file(parsed->config, &bytes, &length));
    const size_t mark = length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    json_t *root = json_loadb(bytes + mark, length - mark, JSON_REJECT_DUPLICATES, &error);
    free(bytes);
    if (!root)
        return dt_fail(DT_ERR_INPUT, "%s: line %d: invalid JSON: %s", parsed->config, error.line,
                       error.text);
    parsed->config_content = root;
    return take_file(&r, root);
}

/* Whether the text has the option as a word, "--name". */
static bool names(const char *text, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = text; (at = strstr(at, "--")); at += 2)
        if (strncmp(at + 2, name, length) == 0 && !isalnum((unsigned char)at[2 + length]) &&
            at[2 + length] != '-')
            return true;
    return false;
}

void dt_config_explain(const dt_parsed *parsed, const char *message, char *out, size_t size)
{
    const dt_option *option;
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; (option = dt_command_option(parsed->command, i)) && used < size; ++i)
        if (parsed->origin[i] == DT_FROM_FILE && names(message, option->name))
            used +=
                (size_t)snprintf(out + used, size - used, "%s%s%s\"%s\"", used ? ", " : " (",
                                 used ? "" : parsed->config, used ? "" : " has ", parsed->key[i]);
    if (used > 0 && used + 1 < size)
        snprintf(out + used, size - used, ")");
}

void dt_config_free(void *options)
{
    dt_parsed *parsed = options;
    json_decref(parsed->config_content);
    parsed->config_content = NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_element(dt_json *json, const dt_value *value, int32_t i)
{
    const void *at = value->at;
    char name[64];
    switch (value->kind) {
    case DT_VALUE_FLAG:
        dt_json_bool(json, *(const bool *)at);
        break;
    case DT_VALUE_INT:
        dt_json_int(json, *(const int64_t *)at);
        break;
    case DT_VALUE_INT32:
    case DT_VALUE_INTS:
        dt_json_int(json, ((const int32_t *)at)[i]);
        break;
    case DT_VALUE_UINT32:
        dt_json_int(json, *(const uint32_t *)at);
        break;
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        dt_json_double(json, ((const double *)at)[i]);
        break;
    case DT_VALUE_TEXT:
    case DT_VALUE_TEXTS:
        dt_json_string(json, ((char *const *)at)[i]);
        break;
    case DT_VALUE_CHARS:
        dt_json_string(json, at);
        break;
    case DT_VALUE_CHOICE:
    case DT_VALUE_CHOICES:
        dt_choice_name(value->choices, ((const int32_t *)at)[i], name, sizeof name);
        dt_json_string(json, name);
        break;
    }
}

void dt_json_value(dt_json *json, const dt_value *value)
{
    const int32_t count = dt_value_count(value);
    const bool list = dt_value_is_list(value->kind);
    if (list)
        dt_json_array(json);
    else if (count == 0)
        dt_json_null(json);
    for (int32_t i = 0; i < count; ++i)
        write_element(json, value, i);
    if (list)
        dt_json_end(json);
}

static bool is_written(const dt_option *option, const dt_value *value)
{
    return !option->ignored && dt_value_count(value) > 0 && !is_about_files(option->name);
}

dt_status dt_config_check(const dt_command *command, const void *options)
{
    const dt_option *option;
    dt_text text = {0};
    dt_status status = DT_OK;
    for (int i = 0; status == DT_OK && (option = dt_command_option(command, i)); ++i) {
        const dt_value value = dt_option_value(command, i, options);
        dt_text_clear(&text);
        if (is_written(option, &value))
            status = dt_value_add_all(&value, false, &text);
        if (status == DT_OK && text.length && dt_utf8_valid(text.data, text.length) < text.length)
            status = dt_fail(DT_ERR_USAGE,
                             "--%s: is not UTF-8, which --print-config requires: rename the file",
                             option->name);
    }
    dt_text_free(&text);
    return status;
}

void dt_config_write(dt_json *json, const dt_command *command, const void *options)
{
    const dt_option *option;
    dt_json_object(json);
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        const dt_value value = dt_option_value(command, i, options);
        if (!is_written(option, &value))
            continue;
        dt_json_key(json, option->name);
        dt_json_value(json, &value);
    }
    dt_json_end(json);
}
