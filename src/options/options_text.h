/* Texts for error messages and --help: allowed values, and intervals of numbers. */
#ifndef DT_OPTIONS_OPTIONS_TEXT_H
#define DT_OPTIONS_OPTIONS_TEXT_H

#include "options/options.h"

/* Returns true if `number` is in the interval, in mathematical notation: "[0, 1)" contains 0 but
 * not 1, "(0, inf)" every positive number. A NULL interval contains every number. */
bool dt_interval_holds(const char *interval, double number);

/* Describes the allowed values, as a continuation of "is not": "a whole number from 1 to 64", "one
 * of auto, cpu", "a text (FILE)". */
void dt_option_allowed(const dt_option *option, char *out, size_t size);

#endif
