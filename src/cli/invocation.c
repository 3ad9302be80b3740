#include "cli/invocation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/log.h"
#include "core/version.h"

/* A word as a shell takes it. */
static dt_status add_quoted(dt_text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%";
    if (*word && strspn(word, plain) == strlen(word))
        return dt_text_add(out, word, strlen(word));
    DT_TRY(dt_text_add(out, "'", 1));
    for (const char *at = word; *at; ++at)
        DT_TRY(*at == '\'' ? dt_text_add(out, "'\\''", 4) : dt_text_add(out, at, 1));
    return dt_text_add(out, "'", 1);
}

static dt_status command_line(const dt_parsed *parsed, char **line)
{
    dt_text text = {0};
    dt_status status = dt_text_addf(&text, "deeptaxa %s", parsed->command->name);
    for (int i = 1; status == DT_OK && i < parsed->argc; ++i) {
        status = dt_text_add(&text, " ", 1);
        if (status == DT_OK)
            status = add_quoted(&text, parsed->argv[i]);
    }
    *line = text.data;
    return status;
}

/* ---- values ----------------------------------------------------------------------------------*/

static int count_of(const dt_option *option, const void *member)
{
    switch (option->kind) {
    case DT_OPTION_INTS:
    case DT_OPTION_CHOICES:
        return ((const dt_ints *)member)->count;
    case DT_OPTION_DOUBLES:
        return ((const dt_doubles *)member)->count;
    case DT_OPTION_TEXTS:
        return ((const dt_texts *)member)->count;
    case DT_OPTION_TEXT:
        return *(const char *const *)member != NULL;
    default:
        return 1;
    }
}

/* Value number i of the option, as it would be typed. */
static dt_status add_value(dt_text *out, const dt_command *command, const dt_option *option,
                           const void *member, int i)
{
    char choice[64];
    switch (option->kind) {
    case DT_OPTION_FLAG:
        return dt_text_addf(out, "%s", *(const bool *)member ? "true" : "false");
    case DT_OPTION_INT:
        return dt_text_addf(out, "%lld", (long long)*(const int64_t *)member);
    case DT_OPTION_INTS:
        return dt_text_addf(out, "%lld", (long long)((const dt_ints *)member)->value[i]);
    case DT_OPTION_DOUBLE:
        return dt_text_addf(out, "%.12g", *(const double *)member);
    case DT_OPTION_DOUBLES:
        return dt_text_addf(out, "%.12g", ((const dt_doubles *)member)->value[i]);
    case DT_OPTION_TEXT:
        return add_quoted(out, *(const char *const *)member);
    case DT_OPTION_TEXTS:
        return add_quoted(out, ((const dt_texts *)member)->value[i]);
    case DT_OPTION_CHOICE:
        dt_option_choice(command, option->name, *(const int *)member, choice, sizeof choice);
        return dt_text_add(out, choice, strlen(choice));
    case DT_OPTION_CHOICES:
        dt_option_choice(command, option->name, (int)((const dt_ints *)member)->value[i], choice,
                         sizeof choice);
        return dt_text_add(out, choice, strlen(choice));
    }
    return DT_OK;
}

/* All its values with blanks between; *out is NULL where it has none. */
static dt_status value_of(const dt_command *command, const dt_option *option, const void *member,
                          char **out)
{
    dt_text text = {0};
    dt_status status = DT_OK;
    const int count = count_of(option, member);
    for (int i = 0; status == DT_OK && i < count; ++i) {
        if (i > 0)
            status = dt_text_add(&text, " ", 1);
        if (status == DT_OK)
            status = add_value(&text, command, option, member, i);
    }
    *out = text.data;
    return status;
}

dt_status dt_invocation_of(const void *options, bool given_only, const char *host,
                           dt_invocation *out)
{
    const dt_parsed *parsed = options;
    const dt_command *command = parsed->command;
    *out = (dt_invocation){.host = host};
    DT_TRY(command_line(parsed, &out->command_line));
    DT_TRY(DT_NEW(out->option, DT_MAX_OPTIONS));
    for (int i = 0; command->options[i].name; ++i) {
        const dt_option *option = &command->options[i];
        if (option->ignored || (given_only && !parsed->given[i]))
            continue;
        out->option[out->options].name = option->name;
        DT_TRY(value_of(command, option, (const char *)options + option->offset,
                        &out->option[out->options++].value));
    }
    return DT_OK;
}

void dt_invocation_free(dt_invocation *invocation)
{
    for (int32_t i = 0; i < invocation->options; ++i)
        free(invocation->option[i].value);
    free(invocation->option);
    free(invocation->command_line);
    *invocation = (dt_invocation){0};
}

dt_status dt_invocation_log(const dt_invocation *invocation)
{
    char folder[PATH_MAX];
    struct utsname system = {0};
    dt_text options = {0};
    uname(&system);
    if (!getcwd(folder, sizeof folder))
        snprintf(folder, sizeof folder, "?");
    dt_log_note("command: %s", invocation->command_line);
    dt_log_note("host: %s, %s %s %s, %d processors to use, in folder %s", invocation->host,
                system.sysname, system.release, system.machine, dt_processors_allowed(), folder);
    dt_log_note("program: DeepTaxa-MPI %s", dt_version());
    dt_status status = DT_OK;
    for (int32_t i = 0; status == DT_OK && i < invocation->options; ++i)
        status = dt_text_addf(&options, "%s%s=%s", i ? ", " : "", invocation->option[i].name,
                              invocation->option[i].value ? invocation->option[i].value : "-");
    if (status == DT_OK)
        dt_log_note("options: %s", options.data ? options.data : "none");
    dt_text_free(&options);
    return status;
}
