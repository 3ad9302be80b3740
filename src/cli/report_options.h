/* The checked command line of `deeptaxa report`. */
#ifndef DT_CLI_REPORT_OPTIONS_H
#define DT_CLI_REPORT_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    dt_texts run;            /* output directories of `train`; this or the next is given */
    const char *predictions; /* output directory of `predict`, or its JSON file; NULL: none */
    const char *output_file; /* never NULL */
} dt_report_options;

extern const dt_command dt_report_command;

#endif
