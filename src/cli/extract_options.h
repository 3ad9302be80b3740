/* The checked command line of `deeptaxa extract`. */
#ifndef DT_CLI_EXTRACT_OPTIONS_H
#define DT_CLI_EXTRACT_OPTIONS_H

#include "options/options.h"

/* In the order of the choices of their options. */
typedef enum { DT_IDENTICAL_KEEP, DT_IDENTICAL_MERGE, DT_IDENTICAL_COMMON } dt_identical_rule;
typedef enum { DT_READ_BOTH, DT_READ_FORWARD, DT_READ_REVERSE } dt_read_orientation;

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *fasta_file;
    const char *taxonomy_file; /* NULL: none */
    const char *output_file;
    const char *output_taxonomy; /* NULL: none */

    const char *region;                          /* NULL: the two primers are given */
    const char *forward_primer, *reverse_primer; /* NULL with `region` */
    double identity;
    int64_t max_mismatch; /* if given, instead of `identity` */
    int64_t read_orientation;
    bool keep_primers;

    int64_t min_length, max_length, trunc_length;
    int64_t identical; /* dt_identical_rule */
    int64_t threads;
} dt_extract_options;

extern const dt_command dt_extract_command;

#endif
