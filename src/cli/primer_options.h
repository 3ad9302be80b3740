/* The flags that name primers, in extract, prepare and train. */
#ifndef DT_CLI_PRIMER_OPTIONS_H
#define DT_CLI_PRIMER_OPTIONS_H

#include "core/status.h"
#include "options/options.h"

/* Rows of a table of options, for the members region, forward_primer and reverse_primer of `type`;
 * heading: of a new group, or NULL. */
#define DT_OPTIONS_OF_PRIMERS(type, heading)                                                       \
    {.group = (heading),                                                                           \
     .name = "region",                                                                             \
     .kind = DT_VALUE_TEXT,                                                                        \
     .offset = offsetof(type, region),                                                             \
     .value = "NAME",                                                                              \
     .help = "published primers: V1V2 (27F, 338R), V1V3 (27F, 534R), V3V4 (341F, 805R), V4 "       \
             "(515F, 806R), V4V5 (515F, 926R) or V1V9 (27F, 1492R, full length)"},                 \
        {.name = "forward-primer",                                                                 \
         .kind = DT_VALUE_TEXT,                                                                    \
         .offset = offsetof(type, forward_primer),                                                 \
         .value = "SEQUENCE",                                                                      \
         .help = "forward primer, 5' to 3', in IUPAC codes, without adapters"},                    \
    {                                                                                              \
        .name = "reverse-primer", .kind = DT_VALUE_TEXT, .offset = offsetof(type, reverse_primer), \
        .value = "SEQUENCE", .help = "reverse primer, 5' to 3' (not its reverse complement)"       \
    }

/* DT_ERR_USAGE: the flags contradict each other, or a value is wrong. */
dt_status dt_check_primers(const char *region, const char *forward, const char *reverse);

#endif
