#include "sequence/onehot.h"

#include <string.h>

static const char *const names[] = {"dnabert", DT_ONEHOT_NAME};

const char *dt_encoding_name(dt_encoding encoding)
{
    return names[encoding];
}

bool dt_encoding_named(const char *name, dt_encoding *encoding)
{
    for (int e = DT_ENCODING_DNABERT; e <= DT_ENCODING_ONEHOT; ++e)
        if (strcmp(name, names[e]) == 0) {
            *encoding = (dt_encoding)e;
            return true;
        }
    return false;
}

void dt_onehot_encode(uint16_t *ids, const char *bytes, size_t length)
{
    /* ids + 1, so that 0, the default, means another letter */
    static const uint8_t one_more[256] = {['A'] = 1, ['C'] = 2, ['G'] = 3, ['T'] = 4, ['U'] = 4};
    for (size_t i = 0; i < length; ++i) {
        const uint8_t found = one_more[(unsigned char)bytes[i]];
        ids[i] = (uint16_t)(found ? found - 1 : DT_ONEHOT_OTHER);
    }
}
