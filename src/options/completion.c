#include "options/pages.h"

#include <string.h>

/* Where a value of an option comes from. */
typedef enum { VALUE_NONE, VALUE_CHOICE, VALUE_FILE, VALUE_FOLDER, VALUE_OTHER } value_source;

static value_source source_of(const dt_option *option)
{
    if (option->kind == DT_VALUE_FLAG)
        return VALUE_NONE;
    if (option->choices)
        return VALUE_CHOICE;
    if (strstr(option->value, "FILE"))
        return VALUE_FILE;
    return strstr(option->value, "DIR") ? VALUE_FOLDER : VALUE_OTHER;
}

/* Returns row `*i` or the next that has an effect, and sets *i to the row after it; NULL: none. */
static const dt_option *next_option(const dt_command *command, int *i)
{
    const dt_option *option;
    while ((option = dt_command_option(command, (*i)++)) && option->ignored)
        ;
    return option;
}

/* Appends the names of the choices, separated by blanks. */
static dt_status add_choices(dt_text *out, const char *choices)
{
    for (const char *c = choices; *c; ++c)
        DT_TRY(dt_text_add(out, *c == '|' ? " " : c, 1));
    return DT_OK;
}

/* Appends text to stand between single quotes, which ends them for each quote that it has; and with
 * a backslash before each character of `special`. */
static dt_status add_quotable(dt_text *out, const char *text, const char *special)
{
    for (const char *c = text; *c; ++c) {
        if (strchr(special, *c))
            DT_TRY(dt_text_add(out, "\\", 1));
        if (*c == '\'')
            DT_TRY(dt_text_addf(out, "'\\''"));
        else
            DT_TRY(dt_text_add(out, c, 1));
    }
    return DT_OK;
}

/* ---- bash ------------------------------------------------------------------------------------ */

/* The arms of a case over options: which values complete. */
static dt_status add_bash_values(dt_text *out, const dt_page_command *page)
{
    const dt_option *option;
    for (int i = 0; (option = next_option(page->command, &i));) {
        const value_source source = source_of(option);
        if (source == VALUE_NONE)
            continue;
        DT_TRY(dt_text_addf(out, "        %s,--%s) ", page->name, option->name));
        if (source == VALUE_CHOICE) {
            DT_TRY(dt_text_addf(out, "words=\""));
            DT_TRY(add_choices(out, option->choices));
            DT_TRY(dt_text_addf(out, "\" ;;\n"));
        } else {
            DT_TRY(dt_text_addf(out, "%s ;;\n",
                                source == VALUE_FILE     ? "files=-f"
                                : source == VALUE_FOLDER ? "files=-d"
                                                         : "return"));
        }
    }
    return DT_OK;
}

static dt_status add_bash_options(dt_text *out, const dt_page_command *page)
{
    const dt_option *option;
    DT_TRY(dt_text_addf(out, "        %s,*) words=\"", page->name));
    for (int i = 0; (option = next_option(page->command, &i));)
        DT_TRY(dt_text_addf(out, "--%s ", option->name));
    return dt_text_addf(out, "--help --version\" ;;\n");
}

dt_status dt_completion_bash(const dt_page_command *commands, int count, dt_text *out)
{
    DT_TRY(dt_text_addf(out,
                        "# Completion of deeptaxa and its commands for bash; made from their "
                        "options.\n"
                        "_deeptaxa()\n{\n"
                        "    local command=${1##*/} current=${COMP_WORDS[COMP_CWORD]}\n"
                        "    local before=${COMP_WORDS[COMP_CWORD - 1]} words=\"\" files=\"\"\n"
                        "    COMPREPLY=()\n"
                        "    if [[ $command == deeptaxa ]]; then\n"
                        "        if ((COMP_CWORD == 1)); then\n"
                        "            mapfile -t COMPREPLY < <(compgen -W \"help"));
    for (int i = 0; i < count; ++i)
        DT_TRY(dt_text_addf(out, " %s", commands[i].name));
    DT_TRY(dt_text_addf(out, " --help --version\" -- \"$current\")\n"
                             "            return\n"
                             "        fi\n"
                             "        command=${COMP_WORDS[1]}\n"
                             "    else\n"
                             "        command=${command#deeptaxa-}\n"
                             "    fi\n"
                             "    if [[ $before == = ]]; then\n"
                             "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
                             "    elif [[ $current == = ]]; then\n"
                             "        current=\"\"\n"
                             "    fi\n"
                             "    case $command,$before in\n"));
    for (int i = 0; i < count; ++i)
        if (commands[i].command)
            DT_TRY(add_bash_values(out, &commands[i]));
    for (int i = 0; i < count; ++i)
        if (commands[i].command)
            DT_TRY(add_bash_options(out, &commands[i]));
    DT_TRY(dt_text_addf(out,
                        "    esac\n"
                        "    if [[ -n $files ]]; then\n"
                        "        compopt -o filenames 2>/dev/null\n"
                        "        mapfile -t COMPREPLY < <(compgen \"$files\" -- \"$current\")\n"
                        "    else\n"
                        "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                        "    fi\n"
                        "}\n"
                        "complete -F _deeptaxa deeptaxa"));
    for (int i = 0; i < count; ++i)
        if (commands[i].command)
            DT_TRY(dt_text_addf(out, " deeptaxa-%s", commands[i].name));
    return dt_text_addf(out, "\n");
}

/* ---- zsh ------------------------------------------------------------------------------------- */

/* One specification of _arguments: '*--name=[help]:value:action'. */
static dt_status add_zsh_option(dt_text *out, const dt_option *option)
{
    const value_source source = source_of(option);
    DT_TRY(dt_text_addf(out, " \\\n                '--%s%s[", option->name,
                        source == VALUE_NONE ? "" : "="));
    DT_TRY(add_quotable(out, option->help, "[]:\\"));
    DT_TRY(dt_text_addf(out, "]"));
    if (source == VALUE_CHOICE) {
        DT_TRY(dt_text_addf(out, ":choice:("));
        DT_TRY(add_choices(out, option->choices));
        DT_TRY(dt_text_addf(out, ")"));
    } else if (source != VALUE_NONE) {
        DT_TRY(dt_text_addf(out, ":%s:%s", option->value,
                            source == VALUE_FILE     ? "_files"
                            : source == VALUE_FOLDER ? "_files -/"
                                                     : ""));
    }
    return dt_text_addf(out, "'");
}

dt_status dt_completion_zsh(const dt_page_command *commands, int count, dt_text *out)
{
    DT_TRY(dt_text_addf(out, "#compdef deeptaxa"));
    for (int i = 0; i < count; ++i)
        if (commands[i].command)
            DT_TRY(dt_text_addf(out, " deeptaxa-%s", commands[i].name));
    DT_TRY(dt_text_addf(out, "\n# Completion of deeptaxa and its commands for zsh; made from their "
                             "options.\n"
                             "_deeptaxa()\n{\n"
                             "    local command=${service#deeptaxa-}\n"
                             "    if [[ $service == deeptaxa ]]; then\n"
                             "        if ((CURRENT == 2)); then\n"
                             "            local -a commands=(\n"));
    for (int i = 0; i < count; ++i) {
        DT_TRY(dt_text_addf(out, "                '%s:", commands[i].name));
        DT_TRY(add_quotable(out, commands[i].summary, ":\\"));
        DT_TRY(dt_text_addf(out, "'\n"));
    }
    DT_TRY(dt_text_addf(out, "            )\n"
                             "            _describe command commands\n"
                             "            return\n"
                             "        fi\n"
                             "        command=$words[2]\n"
                             "        shift words\n"
                             "        ((CURRENT--))\n"
                             "    fi\n"
                             "    case $command in\n"));
    for (int i = 0; i < count; ++i) {
        const dt_option *option;
        if (!commands[i].command)
            continue;
        DT_TRY(dt_text_addf(out, "        %s)\n            _arguments", commands[i].name));
        for (int k = 0; (option = next_option(commands[i].command, &k));)
            DT_TRY(add_zsh_option(out, option));
        DT_TRY(add_zsh_option(out, &dt_help_option));
        DT_TRY(add_zsh_option(out, &dt_version_option));
        DT_TRY(dt_text_addf(out, " ;;\n"));
    }
    return dt_text_addf(out, "    esac\n}\n_deeptaxa \"$@\"\n");
}

/* ---- fish ------------------------------------------------------------------------------------ */

/* An option, for `deeptaxa <command>` and for deeptaxa-<command>. */
static dt_status add_fish_option(dt_text *out, const char *name, const dt_option *option)
{
    const value_source source = source_of(option);
    for (int direct = 0; direct < 2; ++direct) {
        if (direct)
            DT_TRY(dt_text_addf(out, "complete -c deeptaxa-%s", name));
        else
            DT_TRY(dt_text_addf(out, "complete -c deeptaxa -n '__fish_seen_subcommand_from %s'",
                                name));
        DT_TRY(dt_text_addf(out, " -l %s -d '", option->name));
        DT_TRY(add_quotable(out, option->help, ""));
        DT_TRY(dt_text_addf(out, "'"));
        if (source == VALUE_CHOICE) {
            DT_TRY(dt_text_addf(out, " -x -a '"));
            DT_TRY(add_choices(out, option->choices));
            DT_TRY(dt_text_addf(out, "'"));
        } else {
            DT_TRY(dt_text_addf(out, "%s",
                                source == VALUE_FILE     ? " -r -F"
                                : source == VALUE_FOLDER ? " -x -a '(__fish_complete_directories)'"
                                : source == VALUE_OTHER  ? " -x"
                                                         : " -f"));
        }
        DT_TRY(dt_text_add(out, "\n", 1));
    }
    return DT_OK;
}

dt_status dt_completion_fish(const dt_page_command *commands, int count, dt_text *out)
{
    DT_TRY(dt_text_addf(out, "# Completion of deeptaxa and its commands for fish; made from their "
                             "options.\n"));
    for (int i = 0; i < count; ++i) {
        DT_TRY(dt_text_addf(out, "complete -c deeptaxa -f -n __fish_use_subcommand -a %s -d '",
                            commands[i].name));
        DT_TRY(add_quotable(out, commands[i].summary, ""));
        DT_TRY(dt_text_addf(out, "'\n"));
    }
    for (int i = 0; i < count; ++i) {
        const dt_option *option;
        if (!commands[i].command)
            continue;
        for (int k = 0; (option = next_option(commands[i].command, &k));)
            DT_TRY(add_fish_option(out, commands[i].name, option));
        DT_TRY(add_fish_option(out, commands[i].name, &dt_help_option));
        DT_TRY(add_fish_option(out, commands[i].name, &dt_version_option));
    }
    return DT_OK;
}
