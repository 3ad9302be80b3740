#include "core/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "core/memory.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The smallest code that needs n bytes; a smaller one is an overlong form. */
static const uint32_t smallest_of_length[5] = {0, 0, 0x80, 0x800, 0x10000};

static bool is_valid_code(uint32_t code, size_t bytes)
{
    return code >= smallest_of_length[bytes] && code <= 0x10FFFF &&
           !(code >= 0xD800 && code <= 0xDFFF);
}

size_t dt_utf8_next(const char *bytes, size_t length, uint32_t *code)
{
    const unsigned char first = (unsigned char)bytes[0];
    *code = first;
    if (first < 0x80)
        return 1;
    *code = DT_REPLACEMENT_CHAR;
    const size_t needed = first >= 0xF0 && first < 0xF8   ? 4
                          : first >= 0xE0 && first < 0xF0 ? 3
                          : first >= 0xC0 && first < 0xE0 ? 2
                                                          : 0;
    if (needed == 0 || needed > length)
        return 1;
    uint32_t value = first & (0xFFu >> (needed + 1));
    for (size_t i = 1; i < needed; ++i) {
        const unsigned char next = (unsigned char)bytes[i];
        if ((next & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (next & 0x3Fu);
    }
    if (!is_valid_code(value, needed))
        return 1;
    *code = value;
    return needed;
}

/* Counts ASCII bytes, eight at a time: nearly all texts are ASCII. */
static size_t ascii_run(const char *bytes, size_t length)
{
    size_t end = 0;
    for (uint64_t word; length - end >= sizeof word; end += sizeof word) {
        memcpy(&word, bytes + end, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (end < length && (unsigned char)bytes[end] < 0x80)
        end++;
    return end;
}

size_t dt_utf8_valid(const char *bytes, size_t length)
{
    if (length == 0) /* of no text, which may be NULL */
        return 0;
    for (size_t at = 0;;) {
        uint32_t code;
        at += ascii_run(bytes + at, length - at);
        if (at == length)
            return length;
        const size_t whole = dt_utf8_next(bytes + at, length - at, &code);
        if (whole == 1)
            return at;
        at += whole;
    }
}

dt_status dt_utf8_copy(char **out, const char *text)
{
    const size_t length = strlen(text);
    size_t used = 0;
    DT_TRY(DT_NEW(*out, 3 * length + 1)); /* a replacement takes three bytes */
    for (size_t at = 0; at < length;) {
        const size_t run = dt_utf8_valid(text + at, length - at);
        memcpy(*out + used, text + at, run);
        used += run;
        at += run;
        if (at == length)
            break;
        memcpy(*out + used, replacement, 3);
        used += 3;
        at++;
    }
    return DT_OK;
}

#define EXCERPT 40 /* bytes that an excerpt shows */

const char *dt_excerpt(char out[DT_EXCERPT_SIZE], const char *bytes, size_t length)
{
    const size_t shown = length < EXCERPT ? length : EXCERPT;
    for (size_t i = 0; i < shown; ++i)
        out[i] = (char)(bytes[i] < ' ' || bytes[i] > '~' ? '?' : bytes[i]);
    memcpy(out + shown, shown < length ? "..." : "", shown < length ? 4 : 1);
    return out;
}
