#include "taxonomy/taxonomy_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

dt_status dt_taxonomy_table_for(dt_taxonomy_table *table, const char *path, const char *fasta_file)
{
    return strcmp(path, fasta_file) == 0 ? dt_taxonomy_table_from_headers(table, path)
                                         : dt_taxonomy_table_read(table, path);
}

void dt_taxonomy_table_free(dt_taxonomy_table *table)
{
    free(table->path);
    dt_taxonomy_free(&table->taxonomy);
    free(table->labels);
    free(table->lines);
    free(table->first_id);
    dt_strmap_destroy(table->index);
    dt_strmap_destroy(table->bare);
    *table = (dt_taxonomy_table){0};
}

/* ---- lookup of ids, with and without annotations --------------------------------------------- */

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
