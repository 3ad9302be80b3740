#include "taxonomy/lineage.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/utf8.h"
#include "io/line_reader.h"
#include "taxonomy/spelling.h"

enum { MAX_PARTS = 64, SHORT_PREFIX = 3, UNKNOWN_PREFIX = DT_USUAL_RANKS };

/* The parts of one lineage, and its file and line. */
typedef struct {
    dt_span part[MAX_PARTS];
    int32_t count;
    const char *file;
    long long line;
} parts;

static dt_status fail(const parts *p, dt_span part, const char *problem)
{
    char excerpt[DT_EXCERPT_SIZE];
    return dt_fail(DT_ERR_INPUT,
                   "%s: line %lld: the lineage part '%s' %s; a table with a column 'sequence_id' "
                   "and one column per rank may have ranks of any name and number",
                   p->file, p->line, dt_excerpt(excerpt, part.data, part.length), problem);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_one_of(dt_span text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (text.length == strlen(words[i]) && memcmp(text.data, words[i], text.length) == 0)
            return true;
    return false;
}

bool dt_is_missing(dt_span label)
{
    static const char *const words[] = {"NA",   "N/A",  "n/a", "#N/A", "<NA>",
                                        "NULL", "null", "NaN", "nan",  "None"};
    return label.length == 0 || dt_label_prefix(label.data, label.length) == label.length ||
           is_one_of(label, words, sizeof words / sizeof *words);
}

/* `name` is a part without its prefix. */
static bool is_no_name(dt_span name)
{
    static const char *const words[] = {"-", "__", "no rank", "no_rank"};
    return dt_is_missing(name) || is_one_of(name, words, sizeof words / sizeof *words);
}

static dt_span without_prefix(dt_span part)
{
    const size_t length = part.length ? dt_label_prefix(part.data, part.length) : 0;
    return (dt_span){part.data + length, part.length - length};
}

static bool is_root(dt_span part)
{
    static const char *const words[] = {"root", "rootrank", "cellular organisms", "cellular root",
                                        "acellular root"};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
        if (dt_labels_alike(part.data, part.length, words[i], strlen(words[i])))
            return true;
    return false;
}

/* Returns the rank of a prefix, or UNKNOWN_PREFIX. */
static int32_t rank_of_prefix(dt_span prefix)
{
    static const char letters[] = "dkpcofgs";
    if (prefix.length == SHORT_PREFIX) {
        const char *at = memchr(letters, prefix.data[0], sizeof letters - 1);
        return at ? (int32_t)(at - letters) : UNKNOWN_PREFIX;
    }
    if (prefix.length == sizeof "D_0__" - 1 && prefix.data[1] == '_') {
        const int32_t number = prefix.data[2] - '0';
        return number == 0 ? DT_LINEAGE_DOMAIN : number < 7 ? number + 1 : UNKNOWN_PREFIX;
    }
    return UNKNOWN_PREFIX;
}

/* Detects SINTAX's "d:A,p:B", and commas between parts with a prefix. */
static bool is_separated_otherwise(dt_span part)
{
    static const char letters[] = "dkpcofgst";
    dt_span piece;
    if (part.length > 2 && part.data[1] == ':' && memchr(letters, part.data[0], sizeof letters - 1))
        return true;
    if (!dt_next_part(&part, ',', &piece))
        return false;
    while (dt_next_part(&part, ',', &piece)) {
        piece = dt_trim(piece);
        if (dt_label_prefix(piece.data, piece.length) > 0)
            return true;
    }
    return false;
}

bool dt_looks_like_lineage(dt_span cell)
{
    cell = dt_trim(cell);
    return dt_span_has(cell, ';') || dt_span_has(cell, '|') ||
           (cell.length > 0 && dt_label_prefix(cell.data, cell.length) > 0);
}

/* ---- from text to parts ---------------------------------------------------------------------- */

static dt_status split(parts *p, dt_span text)
{
    const char separator = dt_span_has(text, ';') ? ';' : '|';
    dt_span part;
    text = dt_trim(text);
    while (text.length > 0 && text.data[text.length - 1] == separator)
        text = dt_trim((dt_span){text.data, text.length - 1});
    for (p->count = 0; dt_next_part(&text, separator, &part); p->count++) {
        if (p->count == MAX_PARTS)
            return fail(p, part, "exceeds the limit of 64 parts");
        p->part[p->count] = dt_trim(part);
    }
    return DT_OK;
}

/* Returns the length of a final confidence such as "(100)" or "(98.5)"; 0: none. */
static size_t confidence_length(dt_span part)
{
    double value = 0.0;
    double digit = 1.0;
    bool fraction = false;
    if (part.length < 3 || part.data[part.length - 1] != ')')
        return 0;
    size_t begin = part.length - 1;
    while (begin > 0 && part.data[begin - 1] != '(')
        begin--;
    if (begin == 0 || begin == part.length - 1 || part.data[begin] == '.')
        return 0;
    for (size_t i = begin; i < part.length - 1; ++i) {
        const char c = part.data[i];
        if ((c < '0' || c > '9') && (c != '.' || fraction))
            return 0;
        if (c == '.')
            fraction = true;
        else if (fraction)
            value += (digit /= 10.0) * (c - '0');
        else
            value = 10.0 * value + (c - '0');
    }
    return value <= 100.0 ? part.length - begin + 1 : 0;
}

/* Names, without a confidence, with which classifiers end a lineage. */
static bool is_undecided(dt_span name)
{
    static const char *const words[] = {"unclassified", "unknown"};
    return is_no_name(name) || is_one_of(name, words, sizeof words / sizeof *words);
}

static void drop_confidences(dt_lineage *lineage, parts *p)
{
    bool any = false;
    bool all = true;
    for (int32_t i = 0; i < p->count; ++i) {
        const bool has_number = confidence_length(p->part[i]) > 0;
        all = all && (has_number || is_undecided(without_prefix(p->part[i])));
        any = any || has_number;
    }
    lineage->numbers = any && all;
    lineage->some_numbers = any && !all;
    for (int32_t i = 0; i < p->count && all; ++i) {
        p->part[i].length -= confidence_length(p->part[i]);
        p->part[i] = dt_trim(p->part[i]);
    }
}

/* Removes the root, including separators within it, and stores it in *root. */
static void drop_root(parts *p, dt_span *root)
{
    int32_t roots = 0;
    while (roots < p->count && p->part[roots].length > 0 && is_root(p->part[roots]))
        ++roots;
    if (roots == 0)
        return;
    const dt_span last = p->part[roots - 1];
    *root = (dt_span){p->part[0].data, (size_t)(last.data + last.length - p->part[0].data)};
    p->count -= roots;
    memmove(p->part, p->part + roots, (size_t)p->count * sizeof *p->part);
}

/* ---- from parts to ranks --------------------------------------------------------------------- */

/* State while a lineage is assigned to ranks. */
typedef struct {
    int32_t place;   /* number of parts so far, without kingdoms below a domain */
    int32_t deepest; /* deepest rank so far; -1: none */
    bool domain;     /* there was a part for the domain */
} progress;

static dt_status place_part(dt_lineage *lineage, const parts *p, dt_span part, progress *at)
{
    const size_t length = part.length ? dt_label_prefix(part.data, part.length) : 0;
    const bool missing = is_no_name(without_prefix(part));
    int32_t rank = at->place == 0 ? DT_LINEAGE_DOMAIN : at->place + 1;
    if (length > 0)
        rank = rank_of_prefix((dt_span){part.data, length});
    if (length > 0 && rank == UNKNOWN_PREFIX) {
        char problem[160];
        snprintf(
            problem, sizeof problem,
            "has an unknown prefix '%.*s'; known are d__, k__, p__, c__, o__, f__, g__ and s__",
            length < 32 ? (int)length : 32, part.data);
        return fail(p, part, problem);
    }
    if (length == 0 && !missing && dt_usual_place(part.data, part.length) >= 0)
        return fail(p, part, "is the name of a rank; a taxon is expected");
    if (!missing && is_separated_otherwise(part))
        return fail(p, part, "is not separated by ';' or '|'");
    const bool below_domain = rank == DT_LINEAGE_KINGDOM && at->domain;
    at->place += !below_domain;
    if (rank >= DT_USUAL_RANKS)
        return missing ? DT_OK
                       : fail(p, part,
                              "is one too many: without prefixes, there are 7 ranks from domain to "
                              "species");
    if (rank <= at->deepest)
        return fail(p, part, "is out of order: ranks must go from domain to species, each once");
    at->deepest = rank;
    at->domain = at->domain || rank == DT_LINEAGE_DOMAIN;
    lineage->kingdom_below_domain = lineage->kingdom_below_domain || below_domain;
    if (!missing)
        lineage->label[rank] = part;
    return DT_OK;
}

dt_status dt_lineage_parse(dt_lineage *lineage, dt_span text, const char *file, long long line)
{
    parts p;
    progress at = {.deepest = -1};
    *lineage = (dt_lineage){0};
    p.file = file;
    p.line = line;
    DT_TRY(split(&p, text));
    drop_confidences(lineage, &p);
    drop_root(&p, &lineage->root);
    for (int32_t i = 0; i < p.count; ++i)
        DT_TRY(place_part(lineage, &p, p.part[i], &at));
    return DT_OK;
}
