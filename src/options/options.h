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
 * found before any file is touched.
 */
#ifndef DT_OPTIONS_OPTIONS_H
#define DT_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"

#define DT_OPTION_VALUES 32 /* most values of one option */
#define DT_MAX_OPTIONS 128  /* most options of one command */

/* What an option takes, and the type of the struct member that receives it. */
typedef enum {
    DT_OPTION_FLAG,    /* nothing: bool, false unless given */
    DT_OPTION_INT,     /* a whole number: int64_t */
    DT_OPTION_DOUBLE,  /* a finite number: double */
    DT_OPTION_TEXT,    /* a text, often a file name: const char *, into argv; NULL: no default */
    DT_OPTION_CHOICE,  /* one of `choices`: int, its place in that list, from 0 */
    DT_OPTION_INTS,    /* whole numbers: dt_ints */
    DT_OPTION_DOUBLES, /* finite numbers: dt_doubles */
    DT_OPTION_TEXTS,   /* texts, not split at commas, which file names may hold: dt_texts */
    DT_OPTION_CHOICES, /* several of `choices`: dt_ints */
} dt_option_kind;

typedef struct {
    int count; /* 0: not given, and no default */
    int64_t value[DT_OPTION_VALUES];
} dt_ints;

typedef struct {
    int count;
    double value[DT_OPTION_VALUES];
} dt_doubles;

typedef struct {
    int count;
    const char *value[DT_OPTION_VALUES]; /* into argv */
} dt_texts;

/* One row of a command's table. Members that are left out are NULL, 0 or false. */
typedef struct {
    const char *name; /* without the leading "--"; NULL ends the table */
    dt_option_kind kind;
    size_t offset;       /* of the receiving member in the command's options struct */
    const char *value;   /* how --help names the value: "FILE", "N"; not for flags and choices */
    const char *preset;  /* the default, as it would be typed; parsed like a given value */
    const char *range;   /* allowed numbers, as an interval: "[0, 1)", "(0, inf)" */
    const char *choices; /* "auto|cpu" */
    int count;           /* several values: exactly this many; 0: one or more */
    bool required;
    const char *ignored; /* accepted with a notice that says this; the value is not stored */
    const char *group;   /* heading in --help; NULL: that of the row above */
    const char *help;    /* one line, without a full stop */
} dt_option;

/* What the command line asks for. */
typedef enum { DT_REQUEST_RUN, DT_REQUEST_HELP, DT_REQUEST_VERSION } dt_request;

typedef struct dt_command dt_command;

/* What was parsed, beside the values: the FIRST member of each command's options struct. */
typedef struct {
    const dt_command *command;
    dt_request request;
    bool given[DT_MAX_OPTIONS]; /* by row of the table */
    int argc;                   /* the words, as main() got them */
    char **argv;
} dt_parsed;

struct dt_command {
    const char *name;    /* "train" */
    const char *summary; /* what it does, one line */
    const char *usage;   /* what follows the name in the usage line */
    const dt_option *options;
    size_t options_size; /* sizeof the options struct */
    /* What no single row can check (two options that exclude each other); may be NULL. */
    dt_status (*check)(const void *options);
    const char *examples[2];
};

/* Fills *options (the command's options struct) from the defaults and argv[1] … argv[argc - 1].
 * With --help or --version anywhere on the line only `parsed` is filled. Texts point into argv. */
dt_status dt_options_parse(const dt_command *command, int argc, char **argv, void *options);

/* True when the option stood on the command line (its default does not count). `name` is without
 * the "--" and must be one of the command's. */
bool dt_option_given(const dt_parsed *parsed, const char *name);

/* The text of choice number `choice` of the option, as it would be typed; `size` bytes at out. */
void dt_option_choice(const dt_command *command, const char *name, int choice, char *out,
                      size_t size);

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
void dt_command_tell(const dt_command *command);

#endif
