/* Self-describing command-line options.
 *
 * A command is one table of dt_option: each row says what the option is called, what it takes,
 * where its value goes, what is allowed, its default and its line of help. Parsing, checking,
 * defaults and --help all come from the same row, so they cannot disagree.
 *
 * On the command line: `--name value` and `--name=value`. Options with several values take them
 * blank-separated (`--kernel-sizes 3 5 7`) or comma-separated (`--kernel-sizes 3,5,7`). A repeated
 * option counts as given last. A value that begins with "--" needs the form with '='.
 *
 * Everything wrong is DT_ERR_USAGE (exit status 2) with one line that says what is allowed, and is
 * found before any file but that of --config is touched.
 */
#ifndef DT_OPTIONS_OPTIONS_H
#define DT_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "options/value.h"

#define DT_OPTION_VALUES 32 /* most values of one option */
#define DT_MAX_OPTIONS 128  /* most options of one command */

typedef struct {
    int32_t count; /* 0: not given, and no default */
    int32_t value[DT_OPTION_VALUES];
} dt_ints;

typedef struct {
    int32_t count;
    double value[DT_OPTION_VALUES];
} dt_doubles;

typedef struct {
    int32_t count;
    const char *value[DT_OPTION_VALUES]; /* into argv */
} dt_texts;

/* One row of a command's table. Members that are left out are NULL, 0 or false. */
typedef struct {
    const char *name; /* without the leading "--"; NULL ends the table */
    dt_value_kind kind;
    size_t offset;     /* of the member that receives the value, or a list's first element */
    size_t counter;    /* lists: offset of the int32_t that receives their length */
    int32_t most;      /* lists: elements that there is memory for */
    int32_t count;     /* lists: takes exactly this many, without a counter; 0: one or more */
    const char *value; /* how --help names the value: "FILE", "N"; not for flags and choices */
    const char *default_value; /* the default, as it would be typed; parsed like a given value */
    const char *range;         /* allowed numbers, as an interval: "[0, 1)", "(0, inf)" */
    const char *choices;       /* "auto|cpu" */
    bool required;
    const char *ignored; /* accepted with a notice that says this; the value is not stored */
    const char *json;    /* key of the same value in the files of a run, which --config reads too */
    const char *group;   /* heading in --help; NULL: that of the row above */
    const char *help;    /* one line, without a full stop */
} dt_option;

/* Members of a row whose value is a list of that type: dt_ints, dt_doubles or dt_texts. */
#define DT_OPTION_LIST(type, member, list)                                                         \
    .offset = offsetof(type, member) + offsetof(list, value),                                      \
    .counter = offsetof(type, member) + offsetof(list, count), .most = DT_OPTION_VALUES

/* What the command line asks for. */
typedef enum {
    DT_REQUEST_RUN,
    DT_REQUEST_HELP,
    DT_REQUEST_VERSION,
    DT_REQUEST_CONFIG, /* --print-config */
} dt_request;

/* Where an option's value comes from; later ones override earlier ones. */
typedef enum { DT_FROM_DEFAULT, DT_FROM_FILE, DT_FROM_LINE } dt_origin;

typedef struct dt_command dt_command;

/* What was parsed, beside the values: the FIRST member of each command's options struct. */
typedef struct {
    const dt_command *command;
    dt_request request;
    dt_origin origin[DT_MAX_OPTIONS]; /* by row of the tables */
    int argc;                         /* the words, as main() got them */
    char **argv;
    const char *config; /* --config; NULL: none, as of commands without the flag */
    bool print_config;
    void *config_content; /* texts of the file, which options point to */
} dt_parsed;

/* Rows that stand together: dt_option, or a struct that begins with one. */
typedef struct {
    const void *rows; /* ended by one without a name */
    size_t stride;    /* bytes from one row to the next */
    size_t base;      /* within the options struct: where the rows' offsets count from */
} dt_option_table;

#define DT_OPTION_TABLE(rows)                                                                      \
    {                                                                                              \
        (rows), sizeof *(rows), 0                                                                  \
    }
#define DT_OPTION_TABLES 4

struct dt_command {
    const char *name;                         /* "train" */
    const char *summary;                      /* what it does, one line */
    const char *usage;                        /* what follows the name in the usage line */
    dt_option_table tables[DT_OPTION_TABLES]; /* in the order of --help; unused ones are empty */
    size_t options_size;                      /* sizeof the options struct */
    /* What no single row can check (two options that exclude each other); may be NULL. */
    dt_status (*check)(const void *options);
    const char *examples[2];
};

/* The value of an option in the struct that its offsets count from. */
dt_value dt_value_of(const dt_option *option, const void *base);

/* Checks `texts`, as they would be typed, and stores them. */
dt_status dt_value_store(const dt_option *option, const dt_value *value, int32_t count,
                         const char *const *texts);

/* Row number i of the command's tables, from 0; NULL past the last. */
const dt_option *dt_command_option(const dt_command *command, int i);

/* The number of the row of that name, which ends after `length` bytes; -1: there is none. */
int dt_command_find(const dt_command *command, const char *name, size_t length);

/* The value of row i in an options struct of the command. */
dt_value dt_option_value(const dt_command *command, int i, const void *options);

/* The value of row i as it would be typed, elements with blanks between; with `quoted` as a shell
 * takes it. Adds nothing where there is no value. */
dt_status dt_option_add_value(const dt_command *command, int i, const void *options, bool quoted,
                              dt_text *out);

/* Fills *options (the command's options struct) from the defaults, the file of --config
 * (options/config_file.h) and argv[1] … argv[argc - 1]. With --help or --version anywhere on the
 * line only `parsed` is filled. Texts point into argv or into what dt_options_free() frees. */
dt_status dt_options_parse(const dt_command *command, int argc, char **argv, void *options);
void dt_options_free(void *options);

/* Whether the option stood on the command line or in the file of --config; and whether it stood on
 * the command line. `name` is without the "--" and must be one of the command's. */
bool dt_option_given(const dt_parsed *parsed, const char *name);
bool dt_option_typed(const dt_parsed *parsed, const char *name);

/* The text of choice number `choice` of the option, as it would be typed; `size` bytes at out. */
void dt_option_choice(const dt_command *command, const char *name, int choice, char *out,
                      size_t size);

/* Adds a word as a shell takes it. */
dt_status dt_add_quoted(dt_text *out, const char *word);

/* Adds what --help prints: usage, options by group with defaults, two examples. */
dt_status dt_options_help(const dt_command *command, dt_text *out);

/* Adds what --version prints: program, version, the modules of this installation, then commit,
 * compiler and the versions of libraries, a line each; those of oneDNN and MPI from the libraries
 * themselves. */
dt_status dt_version_text(dt_text *out);

/* The whole of a command's main(): parses into *options, answers --help and --version, else calls
 * run(options); a failure is said in one line, "deeptaxa train: …". Returns the exit status. */
int dt_command_main(const dt_command *command, int argc, char **argv, void *options,
                    dt_status (*run)(const void *options));

/* Says the last error as dt_command_main() does, which then says nothing. For many ranks: a
 * launcher kills the others as soon as one has ended with an error, so that rank 0 speaks while all
 * still wait for it in the communicator's destroy(). */
void dt_command_report_error(const dt_command *command);

#endif
