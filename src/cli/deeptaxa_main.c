/* deeptaxa: executes the program deeptaxa-<command> in the same directory. So each command links
 * only what it needs, and `mpirun deeptaxa train` starts no extra process. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command_list.h"
#include "cli/installation.h"
#include "options/options.h"
#include "options/suggest.h"
#include "core/file.h"
#include "core/log.h"

/* Sets `out` to the path of deeptaxa-<command> in the directory of this program. */
static dt_status program_path(const char *command, char *out, size_t size)
{
    char folder[PATH_MAX];
    DT_TRY(dt_program_folder(folder, sizeof folder));
    return dt_path(out, size, "%s/deeptaxa-%s", folder, command);
}

static dt_status print_help(void)
{
    printf("Usage: deeptaxa <command> [options]\n\n"
           "Trains and runs the DeepTaxa classifier of 16S rRNA gene sequences.\n\nCommands\n");
    for (size_t i = 0; i < DT_COMMANDS; ++i)
        printf("  %-12s %s\n", dt_command_list[i].name, dt_command_list[i].summary);
    printf("\n`deeptaxa <command> --help` prints the options of a command; `deeptaxa --version` "
           "prints the version.\n"
           "\nExamples\n"
           "  deeptaxa train --fasta-file train.fna.gz --taxonomy-file train.tsv.gz "
           "--output-dir outputs/training\n"
           "  deeptaxa predict --fasta-file reads.fna.gz --checkpoint model.h5 --tabular "
           "--output-dir predictions\n");
    return dt_print("");
}

static dt_status print_version(void)
{
    dt_text text = {0};
    dt_status status = dt_version_text(&text);
    if (status == DT_OK)
        status = dt_print(text.data);
    dt_text_free(&text);
    return status;
}

static dt_status unknown_command(const char *name)
{
    dt_suggestion nearest = {0};
    for (size_t i = 0; i < DT_COMMANDS; ++i)
        dt_suggest(&nearest, name, dt_command_list[i].name);
    if (nearest.name)
        return dt_fail(DT_ERR_USAGE, "unknown command '%s': did you mean %s?", name, nearest.name);
    return dt_fail(DT_ERR_USAGE, "unknown command '%s': see `deeptaxa --help`", name);
}

static bool is_command(const char *name)
{
    for (size_t i = 0; i < DT_COMMANDS; ++i)
        if (strcmp(name, dt_command_list[i].name) == 0)
            return true;
    return false;
}

/* Executes deeptaxa-<words[0]>; returns only on failure. */
static dt_status execute(char **words)
{
    char path[PATH_MAX];
    DT_TRY(program_path(words[0], path, sizeof path));
    execv(path, words);
    return dt_fail(DT_ERR_IO, "%s: cannot start: %s", path, strerror(errno));
}

/* `deeptaxa help`, `deeptaxa help train` */
static dt_status help(char *command)
{
    char flag[] = "--help";
    if (command && !is_command(command))
        return unknown_command(command);
    if (command)
        return execute((char *[]){command, flag, NULL});
    return print_help();
}

static dt_status dispatch(int argc, char **argv)
{
    if (argc < 2)
        return dt_fail(DT_ERR_USAGE, "missing command: see `deeptaxa --help`");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(NULL);
    if (strcmp(argv[1], "help") == 0)
        return help(argv[2]);
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    return is_command(argv[1]) ? execute(argv + 1) : unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
    dt_hold_standard_descriptors();
    const dt_status status = dispatch(argc, argv);
    if (status != DT_OK)
        fprintf(stderr, "deeptaxa: %s\n", dt_error_message());
    return dt_exit_status(status);
}
