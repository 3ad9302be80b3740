/* The table of settings. One row defines a setting's name on the command line and in files, its
 * range and default, its member of dt_run, and whether a resumed run may change it. The command
 * line, --help, --config, checkpoints, the check of a resumed run, the metrics and `deeptaxa
 * describe` are derived from this table. A new setting needs a row, a member in run/run.h, and the
 * code that uses it.
 */
#ifndef DT_RUN_SETTINGS_H
#define DT_RUN_SETTINGS_H

#include "io/json_writer.h"
#include "options/option.h"
#include "run/run.h"

/* What happens if a flag of a resumed run differs from its checkpoint. */
typedef enum {
    DT_RESUME_REFUSES,
    DT_RESUME_RESTARTS,  /* refused, unless --reset-lr-on-resume is given */
    DT_RESUME_ELSEWHERE, /* checked by cli/resumed_run.c */
} dt_resume_rule;

/* The section of metrics and descriptions that lists the setting. */
typedef enum { DT_SECTION_NONE, DT_SECTION_MODEL, DT_SECTION_TRAINING } dt_run_section;

typedef struct {
    dt_option
        option; /* offsets within dt_run; without a name, there is no such flag. If it needs another
                          --model-type, metrics have null, and describe's text leaves it out */
    const char *group; /* group in a checkpoint */
    const char *key;   /* attribute of the group, or for a list an array in it; NULL: not stored */
    int32_t since;     /* first format version that has it, of a new setting DT_CHECKPOINT_VERSION,
                          raised by one; in older files it has its default */
    bool named;        /* a choice is stored by name, otherwise by number */
    dt_resume_rule resume;
    dt_run_section section; /* lists it as option.json */
    bool always;            /* metrics and describe have it for all types */
    const char *text; /* name in describe's text; NULL: option.json with "-" for "_"; "": printed
                         by describe.c */
    bool per_rank;    /* a list with one number per taxonomic rank; empty: all 1 */
} dt_setting;

extern const dt_setting dt_settings[]; /* terminated by a row without a name */

/* Returns the setting's value in a run. */
dt_value dt_setting_value(const dt_setting *setting, const dt_run *run);

/* Set one setting, or all, to the default, if it has one. */
dt_status dt_setting_set_default(const dt_setting *setting, dt_run *run);
dt_status dt_settings_set_defaults(dt_run *run);

/* Raises *version to the oldest format version of checkpoints that has all settings of the run
 * whose values are not the default. */
dt_status dt_settings_raise_version(const dt_run *run, int32_t *version);

/* Appends "--name value" of a setting, after a blank, unless it has its default. */
dt_status dt_settings_add_flag(dt_text *list, const dt_run *run, const char *name);

/* Sets the settings that the run does not know to those of the command line that resumes it, in
 * `given`, and appends them as flags with their values. Then none is unknown. */
dt_status dt_settings_complete(dt_run *run, const dt_run *given, dt_text *list);

/* Copies all settings. */
dt_status dt_settings_copy(dt_run *to, const dt_run *from);

/* Compares the settings given on the command line, in `given`, with those of the run to resume.
 * With `restarts` (--reset-lr-on-resume), settings that may change are changed in the run. Returns
 * DT_ERR_USAGE for a flag that contradicts the run. */
dt_status dt_settings_resume(dt_run *run, const dt_parsed *parsed, const dt_run *given,
                             bool restarts);

/* Appends the sizes of the models that differ: "hidden-size 8 (this model: 896), …". */
dt_status dt_settings_list_sizes(dt_text *out, const dt_run *theirs, const dt_run *ours);

/* Add the settings of a section as members of the open object, or as lines of describe's text. One
 * that the run does not know is null, or "unknown". */
void dt_settings_json(dt_json *json, const dt_run *run, dt_run_section section);
dt_status dt_settings_text(dt_text *out, const dt_run *run, dt_run_section section);

/* The option --encoding, shared by several commands. */
#define DT_OPTION_ENCODING(type, member)                                                           \
    {                                                                                              \
        .name = "encoding", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, member),             \
        .default_value = "dnabert", .choices = DT_ENCODINGS, .json = "encoding",                   \
        .help = "dnabert: BPE tokens; onehot (--model-type cnn and kmer only): one nucleotide "    \
                "per position, for cnn in four channels, all zero for letters other than A, C, "   \
                "G, T, U"                                                                          \
    }

#endif
