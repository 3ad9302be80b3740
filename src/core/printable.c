#include "core/printable.h"

#include <stddef.h>
#include <string.h>

/* Returns the bytes of the character at c that a terminal would obey, or that turn the direction of the
 * text around it; 0: it is neither. */
static size_t obeyed(const unsigned char *c)
{
    if (c[0] < ' ' || c[0] == 0x7f)
        return 1;
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* U+0080 … U+009F */
        return 2;
    if (c[0] == 0xe2 && c[1] == 0x80 && /* U+200E, U+200F, U+202A … U+202E */
        (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xaa && c[2] <= 0xae)))
        return 3;
    return c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9 ? 3
                                                                        : 0; /* U+2066 … U+2069 */
}

/* Returns the bytes of a character of UTF-8 by its first byte; 0: it is none. */
static size_t utf8_bytes(unsigned char first)
{
    if (first < 0x80)
        return 1;
    return first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

void dt_make_printable(char *text, bool lines)
{
    unsigned char *c = (unsigned char *)text;
    while (*c) {
        if (*c >= ' ' && *c < 0x7f) { /* nearly all */
            ++c;
            continue;
        }
        size_t taken = obeyed(c);
        if (lines && (*c == '\n' || *c == '\t'))
            taken = 0;
        if (taken == 0 && *c >= 0x80 &&
            *c < 0xa0) /* alone: a control character of other terminals */
            taken = 1;
        memset(c, '?', taken);
        size_t size = taken ? taken : utf8_bytes(*c);
        for (++c; size > 1 && *c >= 0x80 && *c < 0xc0; --size)
            ++c;
    }
}

bool dt_has_control(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; ++i)
        if ((unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f)
            return true;
    return false;
}
