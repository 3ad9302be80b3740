#include "core/printable.h"

void dt_make_printable(char *text, bool lines)
{
    for (char *c = text; *c; ++c) {
        const unsigned char byte = (unsigned char)*c;
        const unsigned char next = (unsigned char)c[1];
        if (byte == 0xc2 && next >= 0x80 && next < 0xa0)
            c[0] = c[1] = '?';
        else if ((byte < ' ' || byte == 0x7f) && !(lines && (byte == '\n' || byte == '\t')))
            *c = '?';
    }
}
