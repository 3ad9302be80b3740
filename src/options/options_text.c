#include "options/options_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 32 /* first column of the explanations */
#define HELP_WIDTH 98  /* line width */

typedef struct {
    double low;
    double high;
    bool low_included;
    bool high_included;
} interval;

static interval read_interval(const char *text)
{
    interval result = {.low_included = text[0] == '['};
    char *end;
    result.low = strtod(text + 1, &end);
    result.high = strtod(end + strspn(end, ", "), &end);
    result.high_included = *end == ']';
    return result;
}

bool dt_interval_holds(const char *text, double number)
{
    if (!text)
        return true;
    const interval range = read_interval(text);
    const bool above = range.low_included ? number >= range.low : number > range.low;
    const bool below = range.high_included ? number <= range.high : number < range.high;
    return above && below;
}

static bool is_endless(double bound)
{
    return bound > 1e300 || bound < -1e300;
}

/* " from 1 to 64", " of at least 1", " above 0", " of at least 0 and below 1" */
static void range_words(const char *text, char *out, size_t size)
{
    out[0] = '\0';
    if (!text)
        return;
    const interval range = read_interval(text);
    if (range.low_included && range.high_included) {
        snprintf(out, size, " from %.10g to %.10g", range.low, range.high);
        return;
    }
    int used = 0;
    if (!is_endless(range.low))
        used = snprintf(out, size, " %s %.10g", range.low_included ? "of at least" : "above",
                        range.low);
    if (!is_endless(range.high))
        snprintf(out + used, size - (size_t)used, "%s %s %.10g", used ? " and" : "",
                 range.high_included ? "of at most" : "below", range.high);
}

void dt_option_allowed(const dt_option *option, char *out, size_t size)
{
    char range[128];
    range_words(option->range, range, sizeof range);
    switch (option->kind) {
    case DT_VALUE_FLAG:
        snprintf(out, size, "true or false");
        break;
    case DT_VALUE_INT:
    case DT_VALUE_INT32:
    case DT_VALUE_UINT32:
    case DT_VALUE_INTS:
        snprintf(out, size, "a whole number%s", range);
        break;
    case DT_VALUE_DOUBLE:
    case DT_VALUE_DOUBLES:
        snprintf(out, size, "a number%s", range);
        break;
    case DT_VALUE_TEXT:
    case DT_VALUE_CHARS:
    case DT_VALUE_TEXTS:
        snprintf(out, size, "a text (%s)", option->value);
        break;
    case DT_VALUE_CHOICE:
    case DT_VALUE_CHOICES: {
        const char *lead = strchr(option->choices, '|') ? "one of " : "";
        int used = snprintf(out, size, "%s", lead);
        for (const char *at = option->choices; *at && (size_t)used + 3 < size; ++at) {
            const char here[2] = {*at, '\0'};
            used += snprintf(out + used, size - (size_t)used, "%s", *at == '|' ? ", " : here);
        }
        break;
    }
    }
}

/* Appends `text`, wrapped at blanks, to a line that is `column` columns long. */
static dt_status add_wrapped(dt_text *out, int column, const char *text)
{
    if (column + 2 > HELP_COLUMN)
        DT_TRY(dt_text_addf(out, "\n%*s", HELP_COLUMN, ""));
    else
        DT_TRY(dt_text_addf(out, "%*s", HELP_COLUMN - column, ""));
    int at = HELP_COLUMN;
    text += strspn(text, " ");
    for (bool first = true; *text; first = false) {
        const int length = (int)strcspn(text, " ");
        if (!first && at + 1 + length > HELP_WIDTH) {
            DT_TRY(dt_text_addf(out, "\n%*s", HELP_COLUMN, ""));
            at = HELP_COLUMN;
        } else if (!first) {
            DT_TRY(dt_text_add(out, " ", 1));
            at++;
        }
        DT_TRY(dt_text_add(out, text, (size_t)length));
        at += length;
        text += length;
        text += strspn(text, " ");
    }
    return dt_text_add(out, "\n", 1);
}

/* "--kernel-sizes N ..." */
static void option_head(const dt_option *option, char *out, size_t size)
{
    const bool choice = option->kind == DT_VALUE_CHOICE || option->kind == DT_VALUE_CHOICES;
    const char *value = option->kind == DT_VALUE_FLAG ? ""
                        : choice                      ? option->choices
                                                      : option->value;
    const bool several = dt_value_is_list(option->kind);
    snprintf(out, size, "  --%s%s%s%s", option->name, *value ? " " : "", value,
             several ? " ..." : "");
}

static dt_status add_option_help(dt_text *out, const dt_option *option)
{
    char head[160];
    char words[640];
    option_head(option, head, sizeof head);
    const int used =
        snprintf(words, sizeof words, "%s", option->ignored ? option->ignored : option->help);
    if (option->required)
        snprintf(words + used, sizeof words - (size_t)used, " (required)");
    else if (option->default_value && !option->ignored)
        snprintf(words + used, sizeof words - (size_t)used, " (default: %s)",
                 option->default_value);
    DT_TRY(dt_text_add(out, head, strlen(head)));
    return add_wrapped(out, (int)strlen(head), words);
}

dt_status dt_options_help(const dt_command *command, dt_text *out)
{
    DT_TRY(dt_text_addf(out, "Usage: deeptaxa %s %s\n\n%s\n", command->name, command->usage,
                        command->summary));
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        if (option->group)
            DT_TRY(dt_text_addf(out, "\n%s\n", option->group));
        DT_TRY(add_option_help(out, option));
    }
    DT_TRY(dt_text_addf(out, "\nHelp\n"));
    DT_TRY(add_option_help(out, &(dt_option){.name = "help", .help = "print this help and exit"}));
    DT_TRY(add_option_help(
        out, &(dt_option){.name = "version",
                          .help = "print the version and the available backends and exit"}));
    return dt_text_addf(out, "\nExamples\n  %s\n  %s\n", command->examples[0],
                        command->examples[1]);
}
