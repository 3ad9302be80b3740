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

/* One value being read, and what to call it in a message. */
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

static dt_status parse_int(const value_text *value, int64_t *out)
{
    char *end;
    errno = 0;
    const long long number = strtoll(value->text, &end, 10);
    if (end == value->text || *end || errno)
        return bad_value(value);
    *out = number;
    return check_range(value, (double)number);
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

/* The place of `text` in "a|b|c", -1 when it is not there. */
static int find_choice(const char *choices, const char *text)
{
    const size_t length = strlen(text);
    int place = 0;
    for (const char *at = choices; at; ++place) {
        const char *bar = strchr(at, '|');
        const size_t this_length = bar ? (size_t)(bar - at) : strlen(at);
        if (this_length == length && memcmp(at, text, length) == 0)
            return place;
        at = bar ? bar + 1 : NULL;
    }
    return -1;
}

static dt_status parse_choice(const value_text *value, int64_t *out)
{
    const dt_option *option = value->option;
    *out = find_choice(option->choices, value->text);
    return *out >= 0 ? DT_OK : bad_value(value);
}

static bool takes_several(const dt_option *option)
{
    return option->kind >= DT_OPTION_INTS;
}

/* Appends one value to the member at `to`. *count is how many there were. */
static dt_status store_value(const value_text *value, void *to, int *count)
{
    if (*count == DT_OPTION_VALUES)
        return dt_fail(DT_ERR_USAGE, "--%s: takes at most %d values", value->option->name,
                       DT_OPTION_VALUES);
    int64_t choice;
    switch (value->option->kind) {
    case DT_OPTION_FLAG:
        break;
    case DT_OPTION_INT:
        DT_TRY(parse_int(value, to));
        break;
    case DT_OPTION_DOUBLE:
        DT_TRY(parse_double(value, to));
        break;
    case DT_OPTION_TEXT:
        *(const char **)to = value->text;
        break;
    case DT_OPTION_CHOICE:
        DT_TRY(parse_choice(value, &choice));
        *(int *)to = (int)choice;
        break;
    case DT_OPTION_INTS:
        DT_TRY(parse_int(value, &((dt_ints *)to)->value[*count]));
        break;
    case DT_OPTION_CHOICES:
        DT_TRY(parse_choice(value, &((dt_ints *)to)->value[*count]));
        break;
    case DT_OPTION_DOUBLES:
        DT_TRY(parse_double(value, &((dt_doubles *)to)->value[*count]));
        break;
    case DT_OPTION_TEXTS:
        ((dt_texts *)to)->value[*count] = value->text;
        break;
    }
    ++*count;
    return DT_OK;
}

/* Stores the values in `text`: one, or for lists of numbers and choices those between commas and
 * blanks. */
static dt_status store_text(const dt_option *option, const char *text, void *to, int *count)
{
    if (!takes_several(option) || option->kind == DT_OPTION_TEXTS) {
        if (!*text) /* as `--name=` */
            return DT_OK;
        return store_value(&(value_text){option, text}, to, count);
    }
    const char *at = text;
    for (;;) {
        at += strspn(at, ", \t");
        const size_t length = strcspn(at, ", \t");
        if (!length)
            return DT_OK;
        char one[128];
        snprintf(one, sizeof one, "%.*s", (int)(length < INT_MAX ? length : INT_MAX), at);
        DT_TRY(store_value(&(value_text){option, one}, to, count));
        at += length;
    }
}

/* Checks the number of values and notes it in the member. */
static dt_status finish_values(const dt_option *option, void *to, int count)
{
    char allowed[512];
    if (!count) {
        dt_option_allowed(option, allowed, sizeof allowed);
        return dt_fail(DT_ERR_USAGE, "--%s: needs a value: %s", option->name, allowed);
    }
    if (option->count && count != option->count)
        return dt_fail(DT_ERR_USAGE, "--%s: takes %d values, not %d", option->name, option->count,
                       count);
    switch (option->kind) {
    case DT_OPTION_INTS:
    case DT_OPTION_CHOICES:
        ((dt_ints *)to)->count = count;
        break;
    case DT_OPTION_DOUBLES:
        ((dt_doubles *)to)->count = count;
        break;
    case DT_OPTION_TEXTS:
        ((dt_texts *)to)->count = count;
        break;
    default:
        break;
    }
    return DT_OK;
}

static dt_status store_preset(const dt_option *option, void *to)
{
    int count = 0;
    DT_TRY(store_text(option, option->preset, to, &count));
    return finish_values(option, to, count);
}

/* The row whose name is the first `length` bytes of `name`, -1 when there is none. */
static int find_option(const dt_command *command, const char *name, size_t length)
{
    for (int i = 0; command->options[i].name; ++i)
        if (strlen(command->options[i].name) == length &&
            memcmp(command->options[i].name, name, length) == 0)
            return i;
    return -1;
}

static dt_status unknown_option(const dt_command *command, const char *argument)
{
    char name[128];
    const char *start = argument + strspn(argument, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
    dt_suggestion nearest = {0};
    for (const dt_option *option = command->options; option->name; ++option)
        dt_suggest(&nearest, name, option->name);
    dt_suggest(&nearest, name, "help");
    dt_suggest(&nearest, name, "version");
    if (nearest.name)
        return dt_fail(DT_ERR_USAGE, "unknown option %.*s: did you mean --%s?",
                       (int)strcspn(argument, "="), argument, nearest.name);
    return dt_fail(DT_ERR_USAGE, "unknown option %.*s: `deeptaxa %s --help` lists all",
                   (int)strcspn(argument, "="), argument, command->name);
}

/* Where the parser stands on the command line. */
typedef struct {
    int argc;
    char **argv;
    int next; /* the first argument that is not yet read */
} arguments;

static bool is_option(const char *argument)
{
    return strncmp(argument, "--", 2) == 0;
}

/* Reads the values of `option` into `to`; `attached` is what follows '=', or NULL. */
static dt_status read_values(const dt_option *option, const char *attached, arguments *args,
                             void *to)
{
    if (option->kind == DT_OPTION_FLAG) {
        if (attached)
            return dt_fail(DT_ERR_USAGE, "--%s: takes no value", option->name);
        *(bool *)to = true;
        return DT_OK;
    }
    int count = 0;
    if (attached)
        DT_TRY(store_text(option, attached, to, &count));
    while (!attached && args->next < args->argc && !is_option(args->argv[args->next])) {
        if (count && !takes_several(option))
            break;
        DT_TRY(store_text(option, args->argv[args->next++], to, &count));
        if (!count && !takes_several(option))
            break; /* an empty text */
    }
    return finish_values(option, to, count);
}

/* Room for any value of an option that is accepted and not stored. */
typedef union {
    bool flag;
    int64_t number;
    double real;
    const char *text;
    dt_ints ints;
    dt_doubles doubles;
    dt_texts texts;
} any_value;

static dt_status read_option(const dt_command *command, arguments *args, void *options)
{
    const char *argument = args->argv[args->next++];
    if (argument[0] != '-' || !argument[1])
        return dt_fail(DT_ERR_USAGE,
                       "unexpected '%s': it belongs to no option; usage: deeptaxa %s %s", argument,
                       command->name, command->usage);
    if (!is_option(argument))
        return unknown_option(command, argument);
    const size_t length = strcspn(argument + 2, "=");
    const int row = find_option(command, argument + 2, length);
    if (row < 0)
        return unknown_option(command, argument);
    const dt_option *option = &command->options[row];
    const char *attached = argument[2 + length] ? argument + 2 + length + 1 : NULL;
    any_value unused = {0};
    void *to = option->ignored ? (void *)&unused : (char *)options + option->offset;
    ((dt_parsed *)options)->given[row] = true;
    return read_values(option, attached, args, to);
}

static dt_status check_required(const dt_command *command, const dt_parsed *parsed)
{
    for (int i = 0; command->options[i].name; ++i) {
        const dt_option *option = &command->options[i];
        if (option->required && !parsed->given[i])
            return dt_fail(DT_ERR_USAGE, "missing --%s %s: %s", option->name, option->value,
                           option->help);
    }
    return DT_OK;
}

static void say_ignored(const dt_command *command, const dt_parsed *parsed)
{
    for (int i = 0; command->options[i].name; ++i)
        if (command->options[i].ignored && parsed->given[i])
            dt_notice("--%s has no effect: %s", command->options[i].name,
                      command->options[i].ignored);
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

dt_status dt_options_parse(const dt_command *command, int argc, char **argv, void *options)
{
    memset(options, 0, command->options_size);
    dt_parsed *parsed = options;
    parsed->command = command;
    parsed->argc = argc;
    parsed->argv = argv;
    parsed->request = find_request(argc, argv);
    if (parsed->request != DT_REQUEST_RUN)
        return DT_OK;
    for (const dt_option *option = command->options; option->name; ++option)
        if (option->preset && !option->ignored)
            DT_TRY(store_preset(option, (char *)options + option->offset));
    arguments args = {argc, argv, 1};
    while (args.next < argc)
        DT_TRY(read_option(command, &args, options));
    DT_TRY(check_required(command, parsed));
    if (command->check)
        DT_TRY(command->check(options));
    say_ignored(command, parsed);
    return DT_OK;
}

bool dt_option_given(const dt_parsed *parsed, const char *name)
{
    const int row = find_option(parsed->command, name, strlen(name));
    return row >= 0 && parsed->given[row];
}

void dt_option_choice(const dt_command *command, const char *name, int choice, char *out,
                      size_t size)
{
    const int row = find_option(command, name, strlen(name));
    const char *at = row >= 0 ? command->options[row].choices : NULL;
    while (at && choice-- > 0) {
        at = strchr(at, '|');
        at = at ? at + 1 : NULL;
    }
    snprintf(out, size, "%.*s", at ? (int)strcspn(at, "|") : 0, at ? at : "");
}
