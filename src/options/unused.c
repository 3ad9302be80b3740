#include "options/unused.h"

#include <string.h>

#include "core/log.h"

static bool is_among(const char *choices, const dt_value *value)
{
    char name[64];
    dt_choice_name(value->choices, *(const int32_t *)value->at, name, sizeof name);
    return dt_choice_named(choices, name) >= 0;
}

/* Returns whether nothing makes the option in row `needy` one without effect. What a run has, it has
 * when it is resumed. A flag on the command line may take back what a file sets. */
static bool is_met(int needy, const dt_need *need, const void *options)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    const dt_origin *origin = ((const dt_parsed *)options)->origin;
    if (!need->option)
        return true;
    const int row = dt_command_find(command, need->option, strlen(need->option));
    const dt_value value = dt_option_value(command, row, options);
    if (need->absent)
        return !*(const bool *)value.at || origin[row] > origin[needy];
    if (origin[row] == DT_FROM_DEFAULT && dt_command_option(command, row)->json &&
        command->resumes && command->resumes(options))
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
    const char *why = need->absent ? "overridden by" : "needs";
    DT_TRY(dt_text_addf(line, " (%s --%s", why, need->option));
    for (int32_t i = 0; need->choices && i < dt_choice_count(need->choices); ++i) {
        char name[64];
        dt_choice_name(need->choices, i, name, sizeof name);
        DT_TRY(dt_text_addf(line, "%s%s", i ? " or " : " ", name));
    }
    return dt_text_addf(line, ")");
}

/* Appends the row's option, if it is without effect and its value is from there. */
static dt_status add_unused(dt_text *line, int row, dt_origin from, const void *options)
{
    const dt_parsed *parsed = options;
    const dt_option *option = dt_command_option(parsed->command, row);
    const dt_value value = dt_option_value(parsed->command, row, options);
    bool usual = false;
    const dt_need *need = is_met(row, &option->needs, options) ? &option->also : &option->needs;
    if (parsed->origin[row] != from || is_met(row, need, options))
        return DT_OK;
    if (from == DT_FROM_FILE)
        DT_TRY(is_default(option, &value, &usual));
    if (usual)
        return DT_OK;
    DT_TRY(dt_text_addf(line, "%s", line->length ? ", " : ""));
    DT_TRY(from == DT_FROM_FILE ? dt_text_addf(line, "\"%s\"", parsed->key[row])
                                : dt_text_addf(line, "--%s", option->name));
    return add_need(line, need);
}

static void tell_ignored(const dt_parsed *parsed)
{
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(parsed->command, i)); ++i)
        if (option->ignored && parsed->origin[i] == DT_FROM_LINE)
            dt_notice("--%s has no effect: %s", option->name, option->ignored);
}

static dt_status tell_unused(dt_origin from, const void *options)
{
    const dt_parsed *parsed = options;
    dt_text line = {0};
    dt_status status = DT_OK;
    for (int i = 0; status == DT_OK && dt_command_option(parsed->command, i); ++i)
        status = add_unused(&line, i, from, options);
    if (line.length && from == DT_FROM_FILE)
        dt_warn("%s: without effect: %s", parsed->config, line.data);
    else if (line.length)
        dt_warn("without effect: %s", line.data);
    dt_text_free(&line);
    return status;
}

dt_status dt_options_tell_unused(const void *options)
{
    tell_ignored(options);
    DT_TRY(tell_unused(DT_FROM_LINE, options));
    return tell_unused(DT_FROM_FILE, options);
}
