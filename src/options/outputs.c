#include "options/outputs.h"

#include <string.h>
#include <sys/stat.h>

#include "core/file.h"

static bool names_file(const dt_option *option)
{
    static const char *const placeholders[] = {"FILE", "CKPT", "FASTA"};
    for (size_t i = 0; option->value && i < sizeof placeholders / sizeof *placeholders; ++i)
        if (strcmp(option->value, placeholders[i]) == 0)
            return !option->ignored;
    return false;
}

/* Returns name i of a value; NULL past the last. */
static const char *name_of(const dt_value *value, int32_t i)
{
    if (i >= dt_value_count(value))
        return NULL;
    return value->kind == DT_VALUE_TEXT ? *(const char *const *)value->at
                                        : ((const char *const *)value->at)[i];
}

static bool is_lost(const char *output, const char *other)
{
    struct stat info;
    if (stat(output, &info) == 0 && !S_ISREG(info.st_mode))
        return false;
    return strcmp(output, other) == 0 || dt_same_file(output, other);
}

static dt_status refuse(const dt_option *option, const char *output, const dt_option *other)
{
    if (strcmp(other->name, "checkpoint") == 0)
        return dt_fail(DT_ERR_USAGE, "--%s %s: is the checkpoint itself: name another file",
                       option->name, output);
    return dt_fail(DT_ERR_USAGE,
                   "--%s %s: is also the file of --%s, which would be lost: name "
                   "another file",
                   option->name, output, other->name);
}

static dt_status check_output(const void *options, int i, const char *output)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    const dt_option *other;
    for (int j = 0; (other = dt_command_option(command, j)); ++j) {
        const dt_value value = dt_option_value(command, j, options);
        const char *name;
        for (int32_t k = 0; j != i && names_file(other) && (name = name_of(&value, k)); ++k)
            if (is_lost(output, name))
                return refuse(dt_command_option(command, i), output, other);
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
