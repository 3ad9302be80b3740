/* Options: their rows, the tables of a command, and the values that rows describe.
 *
 * A command is a table of dt_option. Each row holds an option's name, the kind of its value, where
 * to store it, the allowed values, the default and the help line. Parsing, checking, defaults and
 * --help all use the same row and cannot disagree.
 *
 * Functions that store values fail with DT_ERR_USAGE and one line that says what is allowed.
 */
#ifndef DT_OPTIONS_OPTION_H
#define DT_OPTIONS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "options/value.h"

#define DT_OPTION_VALUES 32 /* maximum number of values of an option */
#define DT_MAX_OPTIONS 128  /* maximum number of options of a command */

typedef struct {
    int32_t count; /* 0: not given, and without a default */
    int32_t value[DT_OPTION_VALUES];
} dt_ints;

typedef struct {
    int32_t count;
    double value[DT_OPTION_VALUES];
} dt_doubles;

typedef struct {
    int32_t count;
    const char *value[DT_OPTION_VALUES]; /* pointers into argv */
} dt_texts;

/* A default that depends on a choice of the command. */
typedef struct {
    const char *option; /* the name of the choice's row; NULL: there is none */
    const char *choice; /* if it has this value, */
    const char *value;  /* the default is this, as typed by a user */
} dt_other_default;

/* An option without which another one does nothing. */
typedef struct {
    const char *option;  /* the name of its row; NULL: there is none */
    const char *choices; /* of a choice: the names that count, "cnn|bert"; NULL: any value but none,
                            false and 0 */
    bool absent;         /* the reverse: a flag that overrides it */
} dt_need;

/* One row of a command's table. Omitted members are NULL, 0 or false. */
typedef struct {
    const char *name; /* without the leading "--"; NULL ends the table */
    dt_value_kind kind;
    size_t offset;     /* of the member that receives the value, or of a list's first element */
    size_t counter;    /* lists: offset of the int32_t that receives their length */
    int32_t most;      /* lists: maximum length */
    int32_t count;     /* lists: fixed length, without a counter; 0: one or more */
    const char *value; /* placeholder in --help: "FILE", "N"; not for flags and choices */
    const char *default_value; /* as typed by a user; parsed in the same way */
    dt_other_default other;    /* instead of default_value */
    dt_need needs;             /* given without it, the option is named in a warning */
    dt_need also;              /* the same, another one */
    const char *range;         /* allowed numbers, as an interval: "[0, 1)", "(0, inf)" */
    const char *choices;       /* "auto|cpu" */
    bool required;
    bool reads;          /* the value names a file that the command reads */
    bool writes;         /* or writes */
    const char *holds;   /* if the value is a directory, the files in it that the command reads or
                          writes: patterns of a shell, separated by blanks */
    bool may_differ;     /* between the ranks of a run: files of a host, or its resources */
    const char *ignored; /* accepted with a notice that gives this reason; not stored */
    const char *json;    /* key of this value in the files of a run, which --config reads too */
    const char *group;   /* heading in --help; NULL: same as the row above */
    const char *help;    /* one line, without a full stop */
} dt_option;

/* Members of a row whose value is a list: `list` is its type, dt_ints, dt_doubles or dt_texts. */
#define DT_OPTION_LIST(type, member, list)                                                         \
    .offset = offsetof(type, member) + offsetof(list, value),                                      \
    .counter = offsetof(type, member) + offsetof(list, count), .most = DT_OPTION_VALUES

/* The action requested on the command line. */
typedef enum {
    DT_REQUEST_RUN,
    DT_REQUEST_HELP,
    DT_REQUEST_VERSION,
    DT_REQUEST_CONFIG, /* --print-config */
} dt_request;

/* Source of an option's value; later ones override earlier ones. */
typedef enum { DT_FROM_DEFAULT, DT_FROM_FILE, DT_FROM_LINE } dt_origin;

typedef struct dt_command dt_command;

/* The choices of --log-format. */
typedef enum { DT_LOG_TEXT, DT_LOG_JSON } dt_log_format;

/* Result of parsing, besides the values: the FIRST member of each command's options struct. */
typedef struct {
    const dt_command *command;
    dt_request request;
    dt_origin origin[DT_MAX_OPTIONS]; /* by row of the tables */
    const char *key[DT_MAX_OPTIONS];  /* of a value from the file: its key there */
    int argc;                         /* the arguments of main() */
    char **argv;
    const char *config; /* --config; NULL: not given, or the command lacks it */
    bool print_config;
    bool quiet;     /* --quiet, and the next --log-format; both only of commands that have them */
    int log_format; /* dt_log_format */
    void *config_content; /* owns the texts of the file that options point to */
} dt_parsed;

/* An array of rows: dt_option, or a struct that begins with one. */
typedef struct {
    const void *rows; /* a row without a name ends it */
    size_t stride;    /* bytes from one row to the next */
    size_t base;      /* offset in the options struct to which the rows' offsets are relative */
} dt_option_table;

#define DT_OPTION_TABLE(rows)                                                                      \
    {                                                                                              \
        (rows), sizeof *(rows), 0                                                                  \
    }
#define DT_OPTION_TABLES 4

struct dt_command {
    const char *name;                         /* "train" */
    const char *summary;                      /* one-line description */
    const char *usage;                        /* arguments in the usage line */
    dt_option_table tables[DT_OPTION_TABLES]; /* in the order of --help; unused ones are empty */
    size_t options_size;                      /* sizeof the options struct */
    /* Checks that concern several rows (such as mutually exclusive options); may be NULL. */
    dt_status (*check)(const void *options);
    /* Whether what is not given and has a key in the files of a run (dt_option.json) comes from a run
     * that is resumed: its choices are not known, then. NULL: never. */
    bool (*resumes)(const void *options);
    bool tells_unused; /* calls dt_options_tell_unused() itself, in one of its processes */
    /* The names of DeepTaxa's options of this command, separated by blanks: they may be abbreviated
     * to a prefix that no other name of this list has. Options of ours may not, so that a new one
     * breaks no script. NULL: none. */
    const char *deeptaxa_names;
    const char *examples[2];
};

/* Of every command, beside its tables. */
extern const dt_option dt_help_option, dt_version_option;

/* Returns the value of an option in the struct to which its offsets are relative. */
dt_value dt_value_of(const dt_option *option, const void *base);

/* Stores the elements in `text`, as typed by a user, after the first *count elements: one value, or
 * of a list of numbers or choices those separated by blanks or commas; adds their number to *count.
 * dt_value_finish() then checks the number and stores it. */
dt_status dt_value_parse(const dt_option *option, const char *text, const dt_value *value,
                         int32_t *count);
dt_status dt_value_finish(const dt_option *option, const dt_value *value, int32_t count);

/* Returns whether a number is in the option's range; NaN is in none. */
bool dt_option_allows(const dt_option *option, double number);

/* Does both, for all of `texts`. */
dt_status dt_value_store(const dt_option *option, const dt_value *value, int32_t count,
                         const char *const *texts);

/* Writes the defaults of an option that has one to `out` (`size` bytes): "896; with --model-type kmer
 * 256". */
void dt_option_defaults(const dt_option *option, char *out, size_t size);

/* Returns row i of the command's tables; NULL past the last. */
const dt_option *dt_command_option(const dt_command *command, int i);

/* Returns the index of the row with this name (`length` bytes); -1 if there is none. */
int dt_command_find(const dt_command *command, const char *name, size_t length);

/* Returns the value of row i in an options struct of the command. */
dt_value dt_option_value(const dt_command *command, int i, const void *options);

/* Appends the value of row i as a user would type it, elements separated by blanks; with `quoted`,
 * quoted for a shell. Appends nothing if there is no value. */
dt_status dt_option_add_value(const dt_command *command, int i, const void *options, bool quoted,
                              dt_text *out);

/* Return true if the option was given on the command line or in the file of --config (given), or on
 * the command line (typed). `name` is without the "--" and must be one of the command's. */
bool dt_option_given(const dt_parsed *parsed, const char *name);
bool dt_option_typed(const dt_parsed *parsed, const char *name);

/* Writes the name of choice number `choice` of the option to `out` (`size` bytes). */
void dt_option_choice(const dt_command *command, const char *name, int choice, char *out,
                      size_t size);

#endif
