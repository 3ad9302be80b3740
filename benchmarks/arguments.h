/* The command line of the benchmark programs: options with one value each. */
#ifndef DT_BENCHMARKS_ARGUMENTS_H
#define DT_BENCHMARKS_ARGUMENTS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;  /* "--batch" */
    const char **text; /* receives the value as text; NULL: a number */
    int *number;       /* >= lowest */
    int lowest;
} dt_argument;

/* Reads all arguments. If one is unknown or invalid, prints the options and returns false. */
static inline bool dt_arguments_read(const dt_argument *known, int count, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        int k = 0;
        while (k < count && strcmp(known[k].name, argv[i]) != 0)
            ++k;
        char *end = NULL;
        const long number = i + 1 < argc ? strtol(argv[i + 1], &end, 10) : 0;
        const bool whole = end && end != argv[i + 1] && !*end && number < 1000000000L;
        if (k < count && i + 1 < argc && known[k].text) {
            *known[k].text = argv[i + 1];
        } else if (k < count && whole && number >= known[k].lowest) {
            *known[k].number = (int)number;
        } else {
            fprintf(stderr, "usage: %s", argv[0]);
            for (k = 0; k < count; ++k)
                fprintf(stderr, " [%s %s]", known[k].name, known[k].text ? "TEXT" : "N");
            fputc('\n', stderr);
            return false;
        }
    }
    return true;
}

#endif
