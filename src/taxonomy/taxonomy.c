#include "taxonomy/taxonomy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const dt_usual_rank[DT_USUAL_RANKS] = {"domain", "kingdom", "phylum", "class",
                                                   "order",  "family",  "genus",  "species"};

int32_t dt_usual_place(const char *name, size_t length)
{
    for (int32_t i = 0; i < DT_USUAL_RANKS; ++i)
        if (length == strlen(dt_usual_rank[i]) && strncasecmp(name, dt_usual_rank[i], length) == 0)
            return i;
    return -1;
}

static void free_rank(dt_tax_rank *rank)
{
    for (int32_t i = 0; rank->label && i < rank->classes; ++i)
        free(rank->label[i]);
    free(rank->label);
    free(rank->name);
    dt_strmap_destroy(rank->index);
    *rank = (dt_tax_rank){0};
}

static dt_status fill_rank(dt_tax_rank *rank, const char *name, int32_t classes,
                           const char *const *labels)
{
    DT_TRY(dt_copy_text(&rank->name, name));
    DT_TRY(dt_strmap_create(&rank->index));
    DT_TRY(DT_NEW(rank->label, (size_t)classes));
    rank->classes = classes;
    for (int32_t i = 0; i < classes; ++i) {
        int added;
        DT_TRY(dt_copy_text(&rank->label[i], labels[i]));
        DT_TRY(dt_strmap_add(rank->index, labels[i], strlen(labels[i]), i, NULL, &added));
        if (!added)
            return dt_fail(DT_ERR_INPUT, "rank '%s': the label '%s' occurs twice", name, labels[i]);
    }
    return DT_OK;
}

dt_status dt_taxonomy_add_rank(dt_taxonomy *taxonomy, const char *name, int32_t classes,
                               const char *const *labels)
{
    if (taxonomy->tax_ranks == DT_MAX_TAX_RANKS)
        return dt_fail(DT_ERR_INPUT, "rank '%s': more than %d taxonomic ranks", name,
                       DT_MAX_TAX_RANKS);
    dt_tax_rank rank = {0};
    const dt_status status = fill_rank(&rank, name, classes, labels);
    if (status != DT_OK) {
        free_rank(&rank);
        return status;
    }
    taxonomy->rank[taxonomy->tax_ranks++] = rank;
    return DT_OK;
}

void dt_taxonomy_free(dt_taxonomy *taxonomy)
{
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        free_rank(&taxonomy->rank[r]);
    *taxonomy = (dt_taxonomy){0};
}

int32_t dt_taxonomy_class(const dt_taxonomy *taxonomy, int32_t tax_rank, const char *label)
{
    return dt_strmap_find(taxonomy->rank[tax_rank].index, label, strlen(label));
}

int dt_taxonomy_equal(const dt_taxonomy *a, const dt_taxonomy *b)
{
    if (a->tax_ranks != b->tax_ranks)
        return 0;
    for (int32_t r = 0; r < a->tax_ranks; ++r) {
        const dt_tax_rank *left = &a->rank[r];
        const dt_tax_rank *right = &b->rank[r];
        if (left->classes != right->classes || strcmp(left->name, right->name) != 0)
            return 0;
        for (int32_t i = 0; i < left->classes; ++i)
            if (strcmp(left->label[i], right->label[i]) != 0)
                return 0;
    }
    return 1;
}
