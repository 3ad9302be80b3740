/* The settings of a run, each written once: one row says what a setting is called on the command
 * line and in files, what it may be and what it is by default, the member of dt_run that holds it,
 * and what a resumed run does with it. The command line, --help, --config, checkpoints, the check
 * of a resumed run, the metrics' JSON and `deeptaxa describe` walk this table; beside it a setting
 * has its member (run/run.h) and the place that uses it.
 */
#ifndef DT_RUN_SETTINGS_H
#define DT_RUN_SETTINGS_H

#include "io/json_writer.h"
#include "options/options.h"
#include "run/run.h"

/* What a resumed run does with a flag that differs from its checkpoint. */
typedef enum {
    DT_RESUME_REFUSES,
    DT_RESUME_RESTARTS,  /* refuses, but takes the new value with --reset-lr-on-resume */
    DT_RESUME_ELSEWHERE, /* is checked by cli/resumed_run.c */
} dt_resume_rule;

/* Where metrics and descriptions list it. */
typedef enum { DT_SECTION_NONE, DT_SECTION_MODEL, DT_SECTION_TRAINING } dt_run_section;

/* The part of a model that it sizes; models without it have null there, and describe no line. */
typedef enum { DT_PART_ANY, DT_PART_CNN, DT_PART_ENCODER } dt_model_part;

typedef struct {
    dt_option option; /* offsets within dt_run. Without a name: no flag sets it */
    const char
        *group;      /* of a checkpoint: the group of the attribute `key`, or of the array for a */
    const char *key; /* list; NULL: not stored there */
    int32_t since;   /* format version that brought it; in older files it has its default */
    bool named;      /* a choice is stored by its name, else by its number */
    dt_resume_rule resume;
    dt_run_section section; /* there under option.json */
    dt_model_part part;
    const char *text; /* its name in describe's text; NULL: option.json with "-" for "_"; "": that
                         has a line elsewhere */
    bool per_rank;    /* a list of a number for each taxonomic rank; an empty one: all 1 */
} dt_setting;

extern const dt_setting dt_settings[]; /* ended by one without a name */

/* Its value in a run. */
dt_value dt_setting_value(const dt_setting *setting, const dt_run *run);

/* Copies all settings. */
dt_status dt_settings_copy(dt_run *to, const dt_run *from);

/* Compares the settings that were given, in `asked`, with those of the run to resume; with
 * `restarts` (--reset-lr-on-resume) those that may change are changed. DT_ERR_USAGE for a flag that
 * contradicts the run. */
dt_status dt_settings_resume(dt_run *run, const dt_parsed *parsed, const dt_run *asked,
                             bool restarts);

/* The settings of a section: members of the open object, or lines of describe's text. */
void dt_settings_json(dt_json *json, const dt_run *run, dt_run_section section);
dt_status dt_settings_text(dt_text *out, const dt_run *run, dt_run_section section);

/* The option --encoding of commands beside `train`. */
#define DT_OPTION_ENCODING(type, member)                                                           \
    {                                                                                              \
        .name = "encoding", .kind = DT_VALUE_CHOICE, .offset = offsetof(type, member),             \
        .default_value = "dnabert", .choices = DT_ENCODINGS, .json = "encoding",                   \
        .help = "BPE tokens, or for --model-type cnn one nucleotide a position: four channels, "   \
                "zeros for any letter but A, C, G, T and U"                                        \
    }

#endif
