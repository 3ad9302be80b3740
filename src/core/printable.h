/* Text from files, for people. */
#ifndef DT_CORE_PRINTABLE_H
#define DT_CORE_PRINTABLE_H

#include <stdbool.h>

/* Replaces the control characters of a text, which a terminal would obey, by '?': those of ASCII and
 * those that UTF-8 encodes as C2 80 … C2 9F. With `lines`, line ends and tabs stay. */
void dt_make_printable(char *text, bool lines);

#endif
