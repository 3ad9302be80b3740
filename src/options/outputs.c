#include "options/outputs.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"

/* Returns name i of a value; NULL past the last. */
static const char *name_of(const dt_value *value, int32_t i)
{
    if (i >= dt_value_count(value))
        return NULL;
    return value->kind == DT_VALUE_TEXT ? *(const char *const *)value->at
                                        : ((const char *const *)value->at)[i];
}

static bool is_same(const char *output, const char *other)
{
    return strcmp(output, other) == 0 || dt_same_file(output, other);
}

static bool matches(const char *name, const char *patterns)
{
    char pattern[64];
    size_t length;
    for (const char *at = patterns; *at; at += length + strspn(at + length, " ")) {
        length = strcspn(at, " ");
        snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
        if (fnmatch(pattern, name, FNM_PATHNAME) == 0)
            return true;
    }
    return false;
}

/* Returns whether the output is a file in the folder, which need not exist, with one of these names. */
static bool is_held(const char *output, const char *folder, const char *patterns)
{
    char parent[PATH_MAX];
    char wanted[PATH_MAX];
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        --length;
    snprintf(wanted, sizeof wanted, "%.*s", (int)length, folder);
    if (is_same(".", wanted) && matches(output, patterns))
        return true;
    for (const char *slash = output; (slash = strchr(slash, '/')); ++slash) {
        const int before = slash == output ? 1 : (int)(slash - output);
        snprintf(parent, sizeof parent, "%.*s", before, output);
        if (is_same(parent, wanted) && matches(slash + 1, patterns))
            return true;
    }
    return false;
}

/* Returns what the output is of the row's value `name`; NULL: nothing. */
static const char *part_of(const char *output, const dt_option *row, const char *name)
{
    if ((row->reads || row->writes) && is_same(output, name))
        return "also the file";
    return row->holds && is_held(output, name, row->holds) ? "one of the files" : NULL;
}

static dt_status check_output(const void *options, int i, const char *output)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    const dt_option *other;
    struct stat info;
    if (stat(output, &info) == 0 && !S_ISREG(info.st_mode))
        return DT_OK;
    for (int j = 0; (other = dt_command_option(command, j)); ++j) {
        const dt_value value = dt_option_value(command, j, options);
        const bool named = j != i && (other->reads || other->writes || other->holds);
        const char *name;
        for (int32_t k = 0; named && (name = name_of(&value, k)); ++k) {
            const char *part = part_of(output, other, name);
            if (part)
                return dt_fail(DT_ERR_USAGE,
                               "--%s %s: is %s of --%s, which would be lost: name another file",
                               dt_command_option(command, i)->name, output, part, other->name);
        }
    }
    return DT_OK;
}

dt_status dt_options_check_outputs(const void *options)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        const dt_value value = dt_option_value(command, i, options);
        const char *output = option->writes ? name_of(&value, 0) : NULL;
        if (output && strcmp(output, "-") != 0)
            DT_TRY(check_output(options, i, output));
    }
    return DT_OK;
}
