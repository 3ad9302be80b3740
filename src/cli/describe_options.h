/* The checked command line of `deeptaxa describe`. */
#ifndef DT_CLI_DESCRIBE_OPTIONS_H
#define DT_CLI_DESCRIBE_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *checkpoint;     /* never NULL */
    const char *expect_sha256;  /* NULL: not given */
    const char *export_metrics; /* JSON file to write; NULL: none */
    bool verbose;
} dt_describe_options;

extern const dt_command dt_describe_command;

#endif
