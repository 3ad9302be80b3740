#include "options/pages.h"

#include <ctype.h>
#include <stdio.h>

/* Returns the code point that begins at `text`, which is UTF-8, and sets *length to its bytes. */
static unsigned code_point(const char *text, int *length)
{
    const unsigned char *c = (const unsigned char *)text;
    *length = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    unsigned value = *length == 1 ? c[0] : c[0] & (0xffU >> (*length + 1));
    for (int i = 1; i < *length; ++i)
        value = value << 6 | (c[i] & 0x3fU);
    return value;
}

/* Appends text in which no character means anything to troff; it is UTF-8. */
static dt_status add_text(dt_text *out, const char *text)
{
    int length;
    for (const char *c = text; *c; c += length) {
        const unsigned point = code_point(c, &length);
        const bool line_start = out->length == 0 || out->data[out->length - 1] == '\n';
        if (line_start && (*c == '.' || *c == '\''))
            DT_TRY(dt_text_addf(out, "\\&"));
        if (*c == '\\')
            DT_TRY(dt_text_addf(out, "\\e"));
        else if (*c == '-')
            DT_TRY(dt_text_addf(out, "\\-"));
        else if (*c == '\'')
            DT_TRY(dt_text_addf(out, "\\(aq"));
        else if (*c == '`')
            DT_TRY(dt_text_addf(out, "\\(ga"));
        else if (length > 1)
            DT_TRY(dt_text_addf(out, "\\[u%04X]", point));
        else
            DT_TRY(dt_text_add(out, c, 1));
    }
    return DT_OK;
}

static dt_status add_line(dt_text *out, const char *text)
{
    DT_TRY(add_text(out, text));
    return dt_text_add(out, "\n", 1);
}

/* Title and name; the title is in capitals, as man pages have it. */
static dt_status add_head(dt_text *out, const char *name, const char *summary, const char *version)
{
    DT_TRY(dt_text_addf(out, ".TH \""));
    for (const char *c = name; *c; ++c)
        DT_TRY(dt_text_addf(out, "%s%c", *c == '-' ? "\\" : "", toupper((unsigned char)*c)));
    DT_TRY(
        dt_text_addf(out, "\" 1 \"\" \"DeepTaxa-MPI %s\" \"User Commands\"\n.SH NAME\n", version));
    DT_TRY(add_text(out, name));
    DT_TRY(dt_text_addf(out, " \\- "));
    return add_line(out, summary);
}

static dt_status add_examples(dt_text *out, const char *const *examples, int count)
{
    DT_TRY(dt_text_addf(out, ".SH EXAMPLES\n"));
    for (int i = 0; i < count; ++i) {
        DT_TRY(dt_text_addf(out, "%s.nf\n", i > 0 ? ".PP\n" : ""));
        DT_TRY(add_line(out, examples[i]));
        DT_TRY(dt_text_addf(out, ".fi\n"));
    }
    return DT_OK;
}

static dt_status add_exit_status(dt_text *out)
{
    return dt_text_addf(out, ".SH EXIT STATUS\n"
                             ".TP\n0\nSuccess.\n"
                             ".TP\n1\nAn error; one line on standard error tells which.\n"
                             ".TP\n2\nThe command line is invalid.\n"
                             ".TP\n75\nA signal ended the run after its state was saved.\n");
}

/* Files are not part of the pages, and a reader may have them anywhere. */
static dt_status add_see_also(dt_text *out, const char *page)
{
    return dt_text_addf(out,
                        ".SH SEE ALSO\n%s\nThe documentation of DeepTaxa\\-MPI is installed in "
                        "the folder share/doc/DeepTaxa\\-MPI.\n",
                        page);
}

static dt_status add_option(dt_text *out, const dt_option *option)
{
    const bool choice = option->kind == DT_VALUE_CHOICE || option->kind == DT_VALUE_CHOICES;
    DT_TRY(dt_text_addf(out, ".TP\n\\fB\\-\\-"));
    DT_TRY(add_text(out, option->name));
    DT_TRY(dt_text_addf(out, "\\fR"));
    if (option->kind != DT_VALUE_FLAG) {
        DT_TRY(dt_text_addf(out, " \\fI"));
        DT_TRY(add_text(out, choice ? option->choices : option->value));
        DT_TRY(dt_text_addf(out, "\\fR%s", dt_value_is_list(option->kind) ? " ..." : ""));
    }
    DT_TRY(dt_text_add(out, "\n", 1));
    DT_TRY(add_text(out, option->ignored ? option->ignored : option->help));
    if (option->required)
        DT_TRY(dt_text_addf(out, " (required)"));
    DT_TRY(dt_text_add(out, "\n", 1));
    if (option->ignored)
        return DT_OK;
    if (option->range) {
        DT_TRY(dt_text_addf(out, ".br\nAllowed: "));
        DT_TRY(add_line(out, option->range));
    }
    if (option->default_value) {
        char defaults[96];
        dt_option_defaults(option, defaults, sizeof defaults);
        DT_TRY(dt_text_addf(out, ".br\nDefault: "));
        DT_TRY(add_line(out, defaults));
    }
    return DT_OK;
}

dt_status dt_manual_page(const dt_page_command *page, const char *version, dt_text *out)
{
    const dt_command *command = page->command;
    char name[64];
    snprintf(name, sizeof name, "deeptaxa-%s", page->name);
    DT_TRY(add_head(out, name, page->summary, version));
    DT_TRY(dt_text_addf(out, ".SH SYNOPSIS\n\\fBdeeptaxa %s\\fR\n", command->name));
    DT_TRY(add_line(out, command->usage));
    DT_TRY(dt_text_addf(out, ".SH DESCRIPTION\n"));
    DT_TRY(add_line(out, command->summary));
    DT_TRY(dt_text_addf(out, ".SH OPTIONS\n"));
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        if (option->group) {
            DT_TRY(dt_text_addf(out, ".SS "));
            DT_TRY(add_line(out, option->group));
        }
        DT_TRY(add_option(out, option));
    }
    DT_TRY(dt_text_addf(out, ".SS Help\n"));
    DT_TRY(add_option(out, &dt_help_option));
    DT_TRY(add_option(out, &dt_version_option));
    DT_TRY(add_exit_status(out));
    DT_TRY(add_examples(out, command->examples, 2));
    return add_see_also(out, ".BR deeptaxa (1)");
}

dt_status dt_manual_overview(const dt_page_command *commands, int count, const char *version,
                             dt_text *out)
{
    DT_TRY(add_head(out, "deeptaxa",
                    "train and run the DeepTaxa classifier of 16S rRNA gene sequences", version));
    DT_TRY(dt_text_addf(out,
                        ".SH SYNOPSIS\n\\fBdeeptaxa\\fR \\fIcommand\\fR [options]\n"
                        ".SH DESCRIPTION\nEach command has options of its own, and most have a "
                        "manual page.\n.SH COMMANDS\n"));
    for (int i = 0; i < count; ++i) {
        if (commands[i].command)
            DT_TRY(dt_text_addf(out, ".TP\n.BR deeptaxa\\-%s (1)\n", commands[i].name));
        else
            DT_TRY(dt_text_addf(out, ".TP\n\\fBdeeptaxa %s\\fR\n", commands[i].name));
        DT_TRY(add_line(out, commands[i].summary));
        if (!commands[i].command)
            DT_TRY(dt_text_addf(out, "(see \\fBdeeptaxa %s \\-\\-help\\fR)\n", commands[i].name));
    }
    DT_TRY(add_exit_status(out));
    return add_see_also(out, ".BR deeptaxa\\-train (1),\n.BR deeptaxa\\-predict (1)");
}
