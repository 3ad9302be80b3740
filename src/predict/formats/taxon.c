#include "predict/formats/taxon.h"

#include <string.h>
#include <strings.h>

const char *dt_cell_label(const dt_format_source *source, int32_t tax_rank,
                          const dt_spool_cell *cells)
{
    return source->taxonomy->rank[tax_rank].label[cells[tax_rank].label];
}

int32_t dt_kept_ranks(const dt_format_source *source, const dt_spool_row *row)
{
    const dt_spool_cell *cells = row->cell;
    const int32_t most = source->taxonomy->tax_ranks - row->unassigned;
    int32_t r = 0;
    while (r < most && (double)cells[r].confidence >= source->threshold &&
           strcmp(dt_cell_label(source, r, cells), DT_UNCLASSIFIED) != 0)
        ++r;
    return r;
}

float dt_kept_confidence(const dt_spool_cell *cells, int32_t kept)
{
    return cells[kept ? kept - 1 : 0].confidence;
}

char dt_rank_letter(const dt_taxonomy *taxonomy, int32_t tax_rank)
{
    const char *name = taxonomy->rank[tax_rank].name;
    const int32_t place = dt_usual_place(name, strlen(name));
    return place < 0 ? '\0' : dt_usual_rank[place][0];
}

static bool has_prefix(const char *label)
{
    return label[0] && label[1] == '_' && label[2] == '_';
}

const char *dt_without_prefix(const char *label)
{
    return has_prefix(label) ? label + 3 : label;
}

dt_status dt_with_prefix(dt_text *out, const dt_format_source *source, int32_t tax_rank,
                         const dt_spool_cell *cells)
{
    const char *label = dt_cell_label(source, tax_rank, cells);
    const char letter = dt_rank_letter(source->taxonomy, tax_rank);
    dt_text_clear(out);
    if (letter && !has_prefix(label))
        return dt_text_addf(out, "%c__%s", letter, label);
    return dt_text_add(out, label, strlen(label));
}

int64_t dt_read_count(const char *id, size_t length)
{
    static const char key[] = ";size=";
    const size_t skip = sizeof key - 1;
    for (size_t at = 0; at + skip < length; ++at) {
        if (strncasecmp(id + at, key, skip) != 0)
            continue;
        int64_t count = 0;
        size_t i = at + skip;
        while (i < length && id[i] >= '0' && id[i] <= '9' && count < INT32_MAX)
            count = 10 * count + (id[i++] - '0');
        if (count > 0 && (i == length || id[i] == ';'))
            return count;
    }
    return 1;
}
