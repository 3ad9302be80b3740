/* The checked command lines of `deeptaxa convert` and `deeptaxa export`, which copy a checkpoint. */
#ifndef DT_CLI_CONVERT_OPTIONS_H
#define DT_CLI_CONVERT_OPTIONS_H

#include "options/options.h"

/* Its choices are those of export's --format. */
typedef enum { DT_FORMAT_BY_NAME, DT_FORMAT_H5, DT_FORMAT_PT } dt_checkpoint_format;

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *checkpoint;    /* never NULL */
    const char *output_file;   /* never NULL */
    const char *expect_sha256; /* NULL: not given */
    bool weights_only;
    bool no_references;
    const char *tokenizer_file; /* NULL: not given */

    int format; /* of export: dt_checkpoint_format */

    /* of convert; NULL: not given */
    const char *fasta_file;
    const char *taxonomy_file;
} dt_convert_options;

extern const dt_command dt_convert_command;
extern const dt_command dt_export_command;

#endif
