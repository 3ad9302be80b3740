/* What holds of every taxonomy table that was read. */
#ifndef DT_TESTS_TAXONOMY_CHECK_H
#define DT_TESTS_TAXONOMY_CHECK_H

#include <string.h>

#include "fuzz.h"
#include "taxonomy/taxonomy_table.h"

static inline void check_rank(const dt_taxonomy *taxonomy, int32_t r)
{
    const dt_tax_rank *rank = &taxonomy->rank[r];
    FUZZ_CHECK(rank->classes > 0 && rank->name[0]);
    for (int32_t c = 0; c < rank->classes; ++c)
        FUZZ_CHECK(dt_taxonomy_class(taxonomy, r, rank->label[c]) == c &&
                   (c == 0 || strcmp(rank->label[c - 1], rank->label[c]) < 0));
}

static inline void check_table(const dt_taxonomy_table *table)
{
    const int32_t ranks = table->taxonomy.tax_ranks;
    FUZZ_CHECK(table->rows > 0 && ranks > 0);
    for (int32_t r = 0; r < ranks; ++r) {
        check_rank(&table->taxonomy, r);
        for (int64_t i = 0; i < table->rows; ++i)
            FUZZ_CHECK(table->labels[i * ranks + r] >= 0 &&
                       table->labels[i * ranks + r] < table->taxonomy.rank[r].classes);
    }
    FUZZ_CHECK(dt_taxonomy_table_find(table, table->first_id, strlen(table->first_id)) == 0);
}

#endif
