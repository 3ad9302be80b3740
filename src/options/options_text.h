/* How options describe themselves: the allowed values in words, and the interval that a number must
 * lie in. Used by the parser's messages and by --help. */
#ifndef DT_OPTIONS_OPTIONS_TEXT_H
#define DT_OPTIONS_OPTIONS_TEXT_H

#include "options/options.h"

/* True when `number` lies in the interval, written as in mathematics: "[0, 1)" holds 0 and not 1,
 * "(0, inf)" every positive number. NULL holds every number. */
bool dt_interval_holds(const char *interval, double number);

/* What the option allows, in words that follow "is not": "a whole number from 1 to 64",
 * "one of auto, cpu", "a text (FILE)". */
void dt_option_allowed(const dt_option *option, char *out, size_t size);

#endif
