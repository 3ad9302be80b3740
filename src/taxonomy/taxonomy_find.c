/* Lookup of ids in a taxonomy table, with and without annotations. */
#include <stdbool.h>
#include <stdio.h>

#include "core/log.h"
#include "io/span.h"
#include "taxonomy/taxonomy_table.h"

int64_t dt_taxonomy_table_find(const dt_taxonomy_table *table, const char *id, size_t length)
{
    int64_t row = dt_strmap_find(table->index, id, length);
    if (row >= 0)
        return row;
    const size_t bare = dt_bare_id_length(id, length);
    if (bare < length)
        row = dt_strmap_find(table->index, id, bare);
    return row >= 0 || !table->bare ? row : dt_strmap_find(table->bare, id, bare);
}

void dt_bare_matches_add(dt_bare_matches *matches, const dt_taxonomy_table *table, const char *id,
                         size_t length)
{
    if (dt_strmap_find(table->index, id, length) >= 0)
        return;
    if (matches->count++ == 0)
        snprintf(matches->first, sizeof matches->first, "%.*s", length < 100 ? (int)length : 100,
                 id);
}

void dt_bare_matches_report(const dt_bare_matches *matches, const dt_taxonomy_table *table,
                            const char *fasta)
{
    if (matches->count > 0)
        dt_notice(
            "%s: %lld sequences match a row of %s only without annotations such as ';size=1' in "
            "their ids (the first is '%s')",
            fasta, (long long)matches->count, table->path, matches->first);
}
