/* The checked command line of `deeptaxa export`. */
#ifndef DT_CLI_EXPORT_OPTIONS_H
#define DT_CLI_EXPORT_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *checkpoint;  /* never NULL */
    const char *output_file; /* never NULL */
    bool weights_only;
} dt_export_options;

extern const dt_command dt_export_command;

#endif
