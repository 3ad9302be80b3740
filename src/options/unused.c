#include "options/unused.h"

#include <string.h>

#include "core/log.h"

static bool is_among(const char *choices, const dt_value *value)
{
    char name[64];
    dt_choice_name(value->choices, *(const int32_t *)value->at, name, sizeof name);
    return dt_choice_named(choices, name) >= 0;
}

/* Returns whether the option that is needed is there. */
static bool is_met(const dt_command *command, const dt_need *need, const void *options)
{
    const int row = dt_command_find(command, need->option, strlen(need->option));
    const dt_value value = dt_option_value(command, row, options);
    if (((const dt_parsed *)options)->origin[row] == DT_FROM_DEFAULT && command->resumes &&
        command->resumes(options))
        return true;
    switch (value.kind) {
    case DT_VALUE_CHOICE:
        return is_among(need->choices, &value);
    case DT_VALUE_FLAG:
        return *(const bool *)value.at;
    case DT_VALUE_INT:
        return *(const int64_t *)value.at != 0;
    case DT_VALUE_INT32:
        return *(const int32_t *)value.at != 0;
    default:
        return dt_value_count(&value) > 0;
    }
}

/* Memory for any value that an option can have. */
typedef union {
    int64_t number[DT_OPTION_VALUES];
    double real[DT_OPTION_VALUES];
    const char *text[DT_OPTION_VALUES];
} any_value;

/* Sets *is to whether the value is the default `text`. */
static dt_status equals(const dt_option *option, const dt_value *value, const char *text, bool *is)
{
    any_value memory = {{0}};
    int32_t count = 0;
    const dt_value usual = {.kind = value->kind,
                            .choices = value->choices,
                            .at = &memory,
                            .most = value->most,
                            .count = value->count ? &count : NULL};
    DT_TRY(dt_value_store(option, &usual, 1, &text));
    *is = dt_value_equal(value, &usual);
    return DT_OK;
}

/* Sets *is to whether the value is what the option has, with one choice or another, if it is not
 * given. */
static dt_status is_default(const dt_option *option, const dt_value *value, bool *is)
{
    const bool flag = option->kind == DT_VALUE_FLAG;
    const char *first = flag ? "false" : option->default_value;
    *is = false;
    if (first)
        DT_TRY(equals(option, value, first, is));
    return *is || !option->other.value ? DT_OK : equals(option, value, option->other.value, is);
}

/* Appends " (needs --model-type cnn or bert)". */
static dt_status add_need(dt_text *line, const dt_need *need)
{
    DT_TRY(dt_text_addf(line, " (needs --%s", need->option));
    for (int32_t i = 0; need->choices && i < dt_choice_count(need->choices); ++i) {
        char name[64];
        dt_choice_name(need->choices, i, name, sizeof name);
        DT_TRY(dt_text_addf(line, "%s%s", i ? " or " : " ", name));
    }
    return dt_text_addf(line, ")");
}

static dt_status add_unused(dt_text *line, const dt_command *command, int row, const void *options)
{
    const dt_option *option = dt_command_option(command, row);
    const dt_value value = dt_option_value(command, row, options);
    const dt_origin origin = ((const dt_parsed *)options)->origin[row];
    bool usual = origin == DT_FROM_DEFAULT;
    if (!option->needs.option || is_met(command, &option->needs, options))
        return DT_OK;
    if (origin == DT_FROM_FILE)
        DT_TRY(is_default(option, &value, &usual));
    if (usual)
        return DT_OK;
    DT_TRY(dt_text_addf(line, "%s--%s", line->length ? ", " : "", option->name));
    return add_need(line, &option->needs);
}

static void tell_ignored(const dt_command *command, const dt_parsed *parsed)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i)
        if (option->ignored && parsed->origin[i] == DT_FROM_LINE)
            dt_notice("--%s has no effect: %s", option->name, option->ignored);
}

dt_status dt_options_tell_unused(const void *options)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    dt_text line = {0};
    dt_status status = DT_OK;
    tell_ignored(command, options);
    for (int i = 0; status == DT_OK && dt_command_option(command, i); ++i)
        status = add_unused(&line, command, i, options);
    if (line.length)
        dt_warn("without effect: %s", line.data);
    dt_text_free(&line);
    return status;
}
