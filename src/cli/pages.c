/* Run by the build: writes the manual pages and the completions that are installed into the
 * folders man, bash, zsh and fish of a folder. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/calibrate_options.h"
#include "cli/command_list.h"
#include "cli/convert_options.h"
#include "cli/describe_options.h"
#include "cli/extract_options.h"
#include "cli/predict_options.h"
#include "cli/prepare_options.h"
#include "cli/report_options.h"
#include "cli/selftest_options.h"
#include "cli/tokenizer_options.h"
#include "cli/train_options.h"
#include "core/file.h"
#include "options/pages.h"

static const dt_command *const commands[] = {
    &dt_train_command,   &dt_prepare_command,   &dt_extract_command,  &dt_predict_command,
    &dt_report_command,  &dt_calibrate_command, &dt_describe_command, &dt_export_command,
    &dt_convert_command, &dt_tokenizer_command, &dt_selftest_command,
};
#define COMMANDS (sizeof commands / sizeof *commands)

static const dt_command *options_of(const char *name)
{
    for (size_t i = 0; i < COMMANDS; ++i)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL; /* tune, a script */
}

/* Writes `text`, and empties it. */
static dt_status write_page(const char *folder, const char *kind, const char *name, dt_text *text)
{
    char path[PATH_MAX];
    DT_TRY(dt_path(path, sizeof path, "%s/%s", folder, kind));
    DT_TRY(dt_make_folder(path));
    DT_TRY(dt_path(path, sizeof path, "%s/%s/%s", folder, kind, name));
    DT_TRY(dt_write_file(path, text->data, text->length));
    dt_text_clear(text);
    return DT_OK;
}

static dt_status write_pages(const char *folder, const char *version, dt_text *text)
{
    dt_page_command page[DT_COMMANDS];
    const int count = (int)DT_COMMANDS;
    for (int i = 0; i < count; ++i) {
        char name[64];
        page[i] = (dt_page_command){dt_command_list[i].name, dt_command_list[i].summary,
                                    options_of(dt_command_list[i].name)};
        if (!page[i].command)
            continue;
        snprintf(name, sizeof name, "deeptaxa-%s.1", page[i].name);
        DT_TRY(dt_manual_page(&page[i], version, text));
        DT_TRY(write_page(folder, "man", name, text));
    }
    DT_TRY(dt_manual_overview(page, count, version, text));
    DT_TRY(write_page(folder, "man", "deeptaxa.1", text));
    DT_TRY(dt_completion_bash(page, count, text));
    DT_TRY(write_page(folder, "bash", "deeptaxa", text));
    DT_TRY(dt_completion_zsh(page, count, text));
    DT_TRY(write_page(folder, "zsh", "_deeptaxa", text));
    DT_TRY(dt_completion_fish(page, count, text));
    return write_page(folder, "fish", "deeptaxa.fish", text);
}

int main(int argc, char **argv)
{
    dt_text text = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: deeptaxa_pages FOLDER VERSION\n");
        return 2;
    }
    const dt_status status = write_pages(argv[1], argv[2], &text);
    dt_text_free(&text);
    if (status != DT_OK)
        fprintf(stderr, "deeptaxa_pages: %s\n", dt_error_message());
    return dt_exit_status(status);
}
