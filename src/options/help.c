#include "options/options.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 32 /* first column of the explanations */
#define HELP_WIDTH 98  /* line width */

const dt_option dt_help_option = {.name = "help", .help = "print this help and exit"};
const dt_option dt_version_option = {
    .name = "version", .help = "print the version and the available backends and exit"};

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
    char words[768];
    char defaults[96];
    option_head(option, head, sizeof head);
    const int used =
        snprintf(words, sizeof words, "%s", option->ignored ? option->ignored : option->help);
    if (option->required)
        snprintf(words + used, sizeof words - (size_t)used, " (required)");
    else if (option->default_value && !option->ignored) {
        dt_option_defaults(option, defaults, sizeof defaults);
        snprintf(words + used, sizeof words - (size_t)used, " (default: %s)", defaults);
    }
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
    DT_TRY(add_option_help(out, &dt_help_option));
    DT_TRY(add_option_help(out, &dt_version_option));
    return dt_text_addf(out, "\nExamples\n  %s\n  %s\n", command->examples[0],
                        command->examples[1]);
}
