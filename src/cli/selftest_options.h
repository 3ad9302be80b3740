/* The checked command line of `deeptaxa selftest`. */
#ifndef DT_CLI_SELFTEST_OPTIONS_H
#define DT_CLI_SELFTEST_OPTIONS_H

#include "options/options.h"

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *device; /* name of a backend module; never NULL */
    int64_t device_number;
    bool quick;
    int64_t gpus;  /* ranks to start on this host, each with a GPU; 0: start none */
    int64_t ranks; /* ranks to start on this host; 0: start none; not both */
    int64_t threads;
    double collective_timeout; /* seconds; 0: no limit */
} dt_selftest_options;

extern const dt_command dt_selftest_command;

#endif
