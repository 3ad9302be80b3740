#include "taxonomy/spelling.h"

#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool names_rank(const char *text, size_t length)
{
    static const char *const names[] = {"domain",  "superkingdom", "kingdom", "phylum",
                                        "class",   "order",        "family",  "genus",
                                        "species", "strain",       "clade",   "no rank"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (length == strlen(names[i]) && strncasecmp(text, names[i], length) == 0)
            return true;
    return false;
}

/* Returns the position of the first "__" at or after `from`; `length` if there is none. */
static size_t find_bars(const char *label, size_t length, size_t from)
{
    for (size_t i = from; i + 1 < length; ++i)
        if (label[i] == '_' && label[i + 1] == '_')
            return i;
    return length;
}

size_t dt_label_prefix(const char *label, size_t length)
{
    const size_t end = find_bars(label, length, 1);
    if (end >= length)
        return 0;
    const bool numbered = end > 2 && label[0] == 'D' && label[1] == '_';
    bool is_short = is_letter(label[0]) && (numbered || end <= 3);
    for (size_t i = numbered ? 2 : 1; i < end; ++i)
        is_short = is_short && (is_digit(label[i]) || (!numbered && is_letter(label[i])));
    return is_short || names_rank(label, end) ? end + 2 : 0;
}

static char plain(char c)
{
    return c == '_' ? ' ' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t dt_label_plain(char *out, const char *label, size_t length)
{
    const size_t prefix = dt_label_prefix(label, length);
    for (size_t i = prefix; i < length; ++i)
        out[i - prefix] = plain(label[i]);
    return length - prefix;
}

double dt_label_likeness(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const size_t a_prefix = dt_label_prefix(a, a_length);
    const size_t b_prefix = dt_label_prefix(b, b_length);
    const size_t m = a_length - a_prefix;
    const size_t n = b_length - b_prefix;
    const size_t shorter = m < n ? m : n;
    const size_t longer = m < n ? n : m;
    size_t start = 0;
    size_t end = 0;
    while (start < shorter && plain(a[a_prefix + start]) == plain(b[b_prefix + start]))
        ++start;
    while (end < shorter && plain(a[a_length - 1 - end]) == plain(b[b_length - 1 - end]))
        ++end;
    return longer ? (double)(start > end ? start : end) / (double)longer : 1.0;
}

bool dt_labels_alike(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const size_t a_prefix = dt_label_prefix(a, a_length);
    const size_t b_prefix = dt_label_prefix(b, b_length);
    size_t i = 0;
    if (a_length - a_prefix != b_length - b_prefix)
        return false;
    while (a_prefix + i < a_length && plain(a[a_prefix + i]) == plain(b[b_prefix + i]))
        ++i;
    return a_prefix + i == a_length;
}
