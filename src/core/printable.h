/* Text from files, for people. */
#ifndef DT_CORE_PRINTABLE_H
#define DT_CORE_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Replaces each byte of what a terminal would obey by '?': control characters of ASCII, of UTF-8
 * (C2 80 … C2 9F) and of one byte (80 … 9F outside of a character), and the marks of Unicode that
 * turn the direction of the text around them. With `lines`, line ends and tabs stay. */
void dt_make_printable(char *text, bool lines);

/* Returns true if a text has control characters of ASCII, as tabs and line ends, which divide tables. */
bool dt_has_control(const char *bytes, size_t length);

#endif
