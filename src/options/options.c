#include "options/options.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "options/config_file.h"
#include "options/suggest.h"

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
    const char *flag = attached ? attached : "true"; /* --flag=false overrides a file */
    if (option->kind == DT_VALUE_FLAG)
        return dt_value_store(option, value, 1, &flag);
    if (attached)
        DT_TRY(dt_value_parse(option, attached, value, &count));
    while (!attached && args->next < args->argc && !is_option(args->argv[args->next])) {
        if (count && !dt_value_is_list(option->kind))
            break;
        DT_TRY(dt_value_parse(option, args->argv[args->next++], value, &count));
        if (!count && !dt_value_is_list(option->kind))
            break; /* an empty text */
    }
    return dt_value_finish(option, value, count);
}

/* Returns whether the name is one of DeepTaxa's. */
static bool is_listed(const dt_command *command, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = command->deeptaxa_names; (at = strstr(at, name)); at += length)
        if ((at == command->deeptaxa_names || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

/* Appends the names in the command's list that begin with the `length` bytes at `prefix`; sets *row
 * to that of the last one, and *count to their number. */
static dt_status list_abbreviated(const dt_command *command, const char *prefix, size_t length,
                                  dt_text *names, int *row, int *count)
{
    size_t end;
    *count = 0;
    for (const char *name = command->deeptaxa_names; name && *name; name += end) {
        end = strcspn(name, " ");
        if (length > 0 && length <= end && memcmp(name, prefix, length) == 0) {
            *row = dt_command_find(command, name, end);
            DT_TRY(dt_text_addf(names, "%s--%.*s", (*count)++ ? ", " : "", (int)end, name));
        }
        end += strspn(name + end, " ");
    }
    return DT_OK;
}

/* Appends the command's other names with this prefix: those that cannot be abbreviated. */
static dt_status list_ours(const dt_command *command, const char *prefix, size_t length,
                           dt_text *names)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (strncmp(option->name, prefix, length) == 0 && !is_listed(command, option->name))
            DT_TRY(dt_text_addf(names, "%s--%s", names->length ? ", " : "", option->name));
    return DT_OK;
}

static dt_status ambiguous(const dt_command *command, const char *argument, const dt_text *names)
{
    dt_text ours = {0};
    const int length = (int)strcspn(argument, "=");
    dt_status status = list_ours(command, argument + 2, (size_t)length - 2, &ours);
    if (status == DT_OK && ours.length)
        status = dt_fail(DT_ERR_USAGE,
                         "%.*s is ambiguous, it may be %s, or in full %s: write more of the name",
                         length, argument, names->data, ours.data);
    else if (status == DT_OK)
        status = dt_fail(DT_ERR_USAGE, "%.*s is ambiguous, it may be %s: write more of the name",
                         length, argument, names->data);
    dt_text_free(&ours);
    return status;
}

/* Finds the row of an option that is not written in full. */
static dt_status find_abbreviated(const dt_command *command, const char *argument, int *row)
{
    dt_text names = {0};
    int count;
    const int length = (int)strcspn(argument, "=");
    dt_status status =
        list_abbreviated(command, argument + 2, (size_t)length - 2, &names, row, &count);
    if (status == DT_OK && count == 0)
        status = unknown_option(command, argument);
    else if (status == DT_OK && count > 1)
        status = ambiguous(command, argument, &names);
    else if (status == DT_OK)
        dt_notice("%.*s is read as %s", length, argument, names.data);
    dt_text_free(&names);
    return status;
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
    int row = dt_command_find(command, argument + 2, length);
    if (row < 0)
        DT_TRY(find_abbreviated(command, argument, &row));
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

static bool is_help(const char *argument)
{
    const size_t length = strlen(argument);
    return strcmp(argument, "-h") == 0 ||
           (length >= strlen("--he") && strncmp(argument, "--help", length) == 0);
}

static dt_request find_request(int argc, char **argv)
{
    for (int i = 1; i < argc; ++i) {
        if (is_help(argv[i]))
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

/* Returns whether the choice on which the default depends was made. */
static bool other_applies(const dt_command *command, const dt_other_default *other,
                          const void *options)
{
    const int row = dt_command_find(command, other->option, strlen(other->option));
    const dt_value value = dt_option_value(command, row, options);
    return *(const int32_t *)value.at == dt_choice_named(value.choices, other->choice);
}

static dt_status store_other_defaults(const dt_command *command, void *options)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        const dt_value value = dt_option_value(command, i, options);
        if (option->other.option && ((dt_parsed *)options)->origin[i] == DT_FROM_DEFAULT &&
            other_applies(command, &option->other, options))
            DT_TRY(dt_value_store(option, &value, 1, &option->other.value));
    }
    return DT_OK;
}

static dt_status read_options(const dt_command *command, void *options)
{
    const dt_parsed *parsed = options;
    arguments args = {parsed->argc, parsed->argv, 1};
    DT_TRY(store_defaults(command, options));
    while (args.next < args.argc)
        DT_TRY(read_option(command, &args, options));
    if (parsed->config)
        DT_TRY(dt_config_read(command, options));
    return store_other_defaults(command, options);
}

static dt_status parse(const dt_command *command, void *options)
{
    dt_parsed *parsed = options;
    const dt_status status = read_options(command, options);
    dt_log_warnings_only(parsed->quiet); /* from here on: the error of a wrong option too */
    dt_log_json(parsed->log_format == DT_LOG_JSON);
    DT_TRY(status);
    if (parsed->print_config)
        parsed->request = DT_REQUEST_CONFIG;
    else
        DT_TRY(check_required(command, parsed));
    if (command->check && !parsed->print_config)
        DT_TRY(command->check(options));
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
