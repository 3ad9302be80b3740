#include "cli/invocation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/log.h"
#include "core/shell.h"
#include "core/version.h"

static dt_status command_line(const dt_parsed *parsed, char **line)
{
    dt_text text = {0};
    dt_status status = dt_text_addf(&text, "deeptaxa %s", parsed->command->name);
    for (int i = 1; status == DT_OK && i < parsed->argc; ++i) {
        status = dt_text_add(&text, " ", 1);
        if (status == DT_OK)
            status = dt_add_quoted(&text, parsed->argv[i]);
    }
    *line = text.data;
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
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        dt_text value = {0};
        if (option->ignored || (given_only && parsed->origin[i] == DT_FROM_DEFAULT))
            continue;
        const dt_status status = dt_option_add_value(command, i, options, true, &value);
        out->option[out->options++] = (dt_named_value){option->name, value.data};
        DT_TRY(status);
    }
    return DT_OK;
}

dt_status dt_options_text(const void *options, dt_text *out)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        if (option->group)
            DT_TRY(dt_text_addf(out, "%s:\n", option->group));
        if (option->ignored)
            continue;
        DT_TRY(dt_text_addf(out, "  %s: ", option->name));
        const size_t before = out->length;
        DT_TRY(dt_option_add_value(command, i, options, false, out));
        DT_TRY(dt_text_addf(out, "%s\n", out->length > before ? "" : "none"));
    }
    return DT_OK;
}

dt_status dt_options_in_common(const void *options, dt_text *out)
{
    const dt_command *command = ((const dt_parsed *)options)->command;
    const dt_option *option;
    for (int i = 0; (option = dt_command_option(command, i)); ++i) {
        if (option->ignored || strcmp(option->name, "config") == 0 || /* its values count */
            (option->may_differ && option->kind != DT_VALUE_TEXT))
            continue;
        const dt_value value = dt_option_value(command, i, options);
        DT_TRY(dt_text_addf(out, "%s--%s ", dt_value_count(&value) ? "" : "no ", option->name));
        DT_TRY(option->may_differ ? dt_text_addf(out, "%s", option->value)
                                  : dt_option_add_value(command, i, options, false, out));
        DT_TRY(dt_text_addf(out, "\n"));
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
    dt_log_note("host: %s, %s %s %s, available processors: %d, directory: %s", invocation->host,
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
