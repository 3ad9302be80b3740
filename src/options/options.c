#include "options/options.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/options_text.h"
#include "options/suggest.h"
#include "core/log.h"
#include "options/config_file.h"

/* The text of a value, and its option for messages. */
typedef struct {
    const dt_option *option;
    const char *text;
} value_text;

static dt_status bad_value(const value_text *value)
{
    char allowed[512];
    dt_option_allowed(value->option, allowed, sizeof allowed);
    return dt_fail(DT_ERR_USAGE, "--%s: '%s' is not %s", value->option->name, value->text, allowed);
}

static dt_status check_range(const value_text *value, double number)
{
    return dt_interval_holds(value->option->range, number) ? DT_OK : bad_value(value);
}

static dt_status parse_int(const value_text *value, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    const long long number = strtoll(value->text, &end, 10);
    if (end == value->text || *end || errno || number < low || number > high)
        return bad_value(value);
    *out = number;
    return check_range(value, (double)number);
}

static dt_status parse_int32(const value_text *value, int32_t *out)
{
    int64_t number = 0;
    DT_TRY(parse_int(value, INT32_MIN, INT32_MAX, &number));
    *out = (int32_t)number;
    return DT_OK;
}

static dt_status parse_uint32(const value_text *value, uint32_t *out)
{
    int64_t number = 0;
    DT_TRY(parse_int(value, 0, UINT32_MAX, &number));
    *out = (uint32_t)number;
    return DT_OK;
}

static dt_status parse_double(const value_text *value, double *out)
{
    char *end;
    const double number = strtod(value->text, &end);
    if (end == value->text || *end || !isfinite(number))
        return bad_value(value);
    *out = number;
    return check_range(value, number);
}

static dt_status parse_choice(const value_text *value, int32_t *out)
{
    *out = dt_choice_named(value->option->choices, value->text);
    return *out >= 0 ? DT_OK : bad_value(value);
}

static dt_status parse_flag(const value_text *value, bool *out)
{
    *out = strcmp(value->text, "true") == 0;
    return *out || strcmp(value->text, "false") == 0 ? DT_OK : bad_value(value);
}

/* Stores element i of the value; 0 if it is not a list. */
static dt_status store_element(const value_text *text, const dt_value *value, int32_t i)
{
    if (dt_value_is_list(value->kind) && i >= value->most)
        return text->option->count ? DT_OK /* finish_value() reports it */
                                   : dt_fail(DT_ERR_USAGE, "--%s: takes at most %d values",
                                             text->option->name, value->most);
    switch (value->kind) {
    case DT_VALUE_FLAG:
        return parse_flag(text, value->at);
    case DT_VALUE_INT:
        return parse_int(text, INT64_MIN, INT64_MAX, value->at);
    case DT_VALUE_UINT32:
        return parse_uint32(text, value->at);
    case DT_VALUE_INT32:
    case DT_VALUE_INTS:
        return parse_int32(text, (int32_t *)value->at + i);
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        return parse_double(text, (double *)value->at + i);
    case DT_VALUE_TEXT:
    case DT_VALUE_TEXTS:
        ((const char **)value->at)[i] = text->text;
        return DT_OK;
    case DT_VALUE_CHOICE:
    case DT_VALUE_CHOICES:
        return parse_choice(text, (int32_t *)value->at + i);
    case DT_VALUE_CHARS:
        break;
    }
    return dt_fail(DT_ERR_INTERNAL, "--%s: invalid value kind", text->option->name);
}

/* Stores the value or values in `text`; lists of numbers and choices may be separated by commas and
 * blanks. *count is the number of values. */
static dt_status store_text(const dt_option *option, const char *text, const dt_value *value,
                            int32_t *count)
{
    if (!dt_value_is_list(option->kind) || option->kind == DT_VALUE_TEXTS) {
        if (!*text) /* for `--name=` */
            return DT_OK;
        return store_element(&(value_text){option, text}, value, (*count)++);
    }
    const char *at = text;
    for (;;) {
        at += strspn(at, ", \t");
        const size_t length = strcspn(at, ", \t");
        if (!length)
            return DT_OK;
        char one[128];
        snprintf(one, sizeof one, "%.*s", (int)(length < INT_MAX ? length : INT_MAX), at);
        DT_TRY(store_element(&(value_text){option, one}, value, (*count)++));
        at += length;
    }
}

/* Checks and stores the number of elements. */
static dt_status finish_value(const dt_option *option, const dt_value *value, int32_t count)
{
    char allowed[512];
    if (!count) {
        dt_option_allowed(option, allowed, sizeof allowed);
        return dt_fail(DT_ERR_USAGE, "--%s: needs a value: %s", option->name, allowed);
    }
    if (option->count && count != option->count)
        return dt_fail(DT_ERR_USAGE, "--%s: takes %d values, not %d", option->name, option->count,
                       count);
    if (value->count)
        *value->count = count;
    return DT_OK;
}

/* ---- the tables of a command ----------------------------------------------------------------- */

/* Returns row i, and the base of its offsets. */
static const dt_option *find_row(const dt_command *command, int i, size_t *base)
{
    for (int t = 0; t < DT_OPTION_TABLES && command->tables[t].rows; ++t) {
        const dt_option_table *table = &command->tables[t];
        const char *at = table->rows;
        for (; ((const dt_option *)at)->name; at += table->stride)
            if (i-- == 0) {
                *base = table->base;
                return (const dt_option *)at;
            }
    }
    return NULL;
}

const dt_option *dt_command_option(const dt_command *command, int i)
{
    size_t base;
    return find_row(command, i, &base);
}

int dt_command_find(const dt_command *command, const char *name, size_t length)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return i;
    return -1;
}

dt_value dt_value_of(const dt_option *option, const void *base)
{
    char *from = (char *)base;
    const bool counted = dt_value_is_list(option->kind) && !option->count;
    return (dt_value){.kind = option->kind,
                      .choices = option->choices,
                      .at = from + option->offset,
                      .most = option->count ? option->count : option->most,
                      .count = counted ? (int32_t *)(from + option->counter) : NULL};
}

dt_value dt_option_value(const dt_command *command, int i, const void *options)
{
    size_t base = 0;
    const dt_option *option = find_row(command, i, &base);
    return dt_value_of(option, (const char *)options + base);
}

dt_status dt_value_store(const dt_option *option, const dt_value *value, int32_t count,
                         const char *const *texts)
{
    int32_t stored = 0;
    for (int32_t t = 0; t < count; ++t)
        DT_TRY(store_text(option, texts[t], value, &stored));
    return finish_value(option, value, stored);
}

dt_status dt_add_quoted(dt_text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%";
    if (*word && strspn(word, plain) == strlen(word))
        return dt_text_add(out, word, strlen(word));
    DT_TRY(dt_text_add(out, "'", 1));
    for (const char *at = word; *at; ++at)
        DT_TRY(*at == '\'' ? dt_text_add(out, "'\\''", 4) : dt_text_add(out, at, 1));
    return dt_text_add(out, "'", 1);
}

dt_status dt_option_add_value(const dt_command *command, int i, const void *options, bool quoted,
                              dt_text *out)
{
    const dt_value value = dt_option_value(command, i, options);
    const int32_t count = dt_value_count(&value);
    const bool words = value.kind == DT_VALUE_TEXT || value.kind == DT_VALUE_TEXTS;
    for (int32_t e = 0; e < count; ++e) {
        if (e > 0)
            DT_TRY(dt_text_add(out, " ", 1));
        DT_TRY(quoted && words ? dt_add_quoted(out, ((char *const *)value.at)[e])
                               : dt_value_add(&value, e, out));
    }
    return DT_OK;
}

/* ---- the command line ------------------------------------------------------------------------ */

static dt_status unknown_option(const dt_command *command, const char *argument)
{
    char name[128];
    const char *start = argument + strspn(argument, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
    dt_suggestion nearest = {0};
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        dt_suggest(&nearest, name, option->name);
    dt_suggest(&nearest, name, "help");
    dt_suggest(&nearest, name, "version");
    if (nearest.name)
        return dt_fail(DT_ERR_USAGE, "unknown option %.*s: did you mean --%s?",
                       (int)strcspn(argument, "="), argument, nearest.name);
    return dt_fail(DT_ERR_USAGE, "unknown option %.*s: `deeptaxa %s --help` lists all options",
                   (int)strcspn(argument, "="), argument, command->name);
}

/* Position of the parser on the command line. */
typedef struct {
    int argc;
    char **argv;
    int next; /* the next argument to read */
} arguments;

static bool is_option(const char *argument)
{
    return strncmp(argument, "--", 2) == 0;
}

/* Dummy storage for the value of an ignored option. */
typedef union {
    bool flag;
    int64_t number;
    double real[DT_OPTION_VALUES];
    const char *text[DT_OPTION_VALUES];
} any_value;

/* Reads the values of `option`; `attached` is the text after '=', or NULL. */
static dt_status read_values(const dt_option *option, const char *attached, arguments *args,
                             const dt_value *value)
{
    int32_t count = 0;
    if (option->kind == DT_VALUE_FLAG) /* --flag=false overrides the file of --config */
        return store_element(&(value_text){option, attached ? attached : "true"}, value, 0);
    if (attached)
        DT_TRY(store_text(option, attached, value, &count));
    while (!attached && args->next < args->argc && !is_option(args->argv[args->next])) {
        if (count && !dt_value_is_list(option->kind))
            break;
        DT_TRY(store_text(option, args->argv[args->next++], value, &count));
        if (!count && !dt_value_is_list(option->kind))
            break; /* an empty text */
    }
    return finish_value(option, value, count);
}

static dt_status read_option(const dt_command *command, arguments *args, void *options)
{
    const char *argument = args->argv[args->next++];
    if (argument[0] != '-' || !argument[1])
        return dt_fail(DT_ERR_USAGE,
                       "unexpected '%s': it is not part of any option; usage: deeptaxa %s %s",
                       argument, command->name, command->usage);
    if (!is_option(argument))
        return unknown_option(command, argument);
    const size_t length = strcspn(argument + 2, "=");
    const int row = dt_command_find(command, argument + 2, length);
    if (row < 0)
        return unknown_option(command, argument);
    const dt_option *option = dt_command_option(command, row);
    const char *attached = argument[2 + length] ? argument + 2 + length + 1 : NULL;
    any_value unused = {0};
    int32_t unused_count;
    const dt_value nowhere = {.kind = option->kind,
                              .choices = option->choices,
                              .at = &unused,
                              .most = DT_OPTION_VALUES,
                              .count = &unused_count};
    const dt_value value = option->ignored ? nowhere : dt_option_value(command, row, options);
    ((dt_parsed *)options)->origin[row] = DT_FROM_LINE;
    return read_values(option, attached, args, &value);
}

static dt_status check_required(const dt_command *command, const dt_parsed *parsed)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (option->required && parsed->origin[i] == DT_FROM_DEFAULT)
            return dt_fail(DT_ERR_USAGE, "missing --%s %s: %s", option->name, option->value,
                           option->help);
    return DT_OK;
}

static void say_ignored(const dt_command *command, const dt_parsed *parsed)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (option->ignored && parsed->origin[i] == DT_FROM_LINE)
            dt_notice("--%s has no effect: %s", option->name, option->ignored);
}

static dt_request find_request(int argc, char **argv)
{
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return DT_REQUEST_HELP;
        if (strcmp(argv[i], "--version") == 0)
            return DT_REQUEST_VERSION;
    }
    return DT_REQUEST_RUN;
}

static dt_status store_defaults(const dt_command *command, void *options)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (option->default_value && !option->ignored) {
            const dt_value value = dt_option_value(command, i, options);
            DT_TRY(dt_value_store(option, &value, 1, &option->default_value));
        }
    return DT_OK;
}

static dt_status parse(const dt_command *command, void *options)
{
    dt_parsed *parsed = options;
    arguments args = {parsed->argc, parsed->argv, 1};
    DT_TRY(store_defaults(command, options));
    while (args.next < args.argc)
        DT_TRY(read_option(command, &args, options));
    if (parsed->config)
        DT_TRY(dt_config_read(command, options));
    if (parsed->print_config)
        parsed->request = DT_REQUEST_CONFIG;
    else
        DT_TRY(check_required(command, parsed));
    if (command->check && !parsed->print_config)
        DT_TRY(command->check(options));
    say_ignored(command, parsed);
    return DT_OK;
}

dt_status dt_options_parse(const dt_command *command, int argc, char **argv, void *options)
{
    memset(options, 0, command->options_size);
    dt_parsed *parsed = options;
    parsed->command = command;
    parsed->argc = argc;
    parsed->argv = argv;
    parsed->request = find_request(argc, argv);
    return parsed->request == DT_REQUEST_RUN ? parse(command, options) : DT_OK;
}

void dt_options_free(void *options)
{
    dt_config_free(options);
}

static dt_origin origin_of(const dt_parsed *parsed, const char *name)
{
    const int row = dt_command_find(parsed->command, name, strlen(name));
    return row >= 0 ? parsed->origin[row] : DT_FROM_DEFAULT;
}

bool dt_option_given(const dt_parsed *parsed, const char *name)
{
    return origin_of(parsed, name) != DT_FROM_DEFAULT;
}

bool dt_option_typed(const dt_parsed *parsed, const char *name)
{
    return origin_of(parsed, name) == DT_FROM_LINE;
}

void dt_option_choice(const dt_command *command, const char *name, int choice, char *out,
                      size_t size)
{
    const int row = dt_command_find(command, name, strlen(name));
    dt_choice_name(row >= 0 ? dt_command_option(command, row)->choices : NULL, choice, out, size);
}
