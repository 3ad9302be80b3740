#include "taxonomy/doubts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/strmap.h"
#include "taxonomy/spelling.h"

/* The number of labels with the spelling of another one of their rank, and the first such pair. */
typedef struct {
    int64_t count;
    const char *rank, *one, *other;
} alike_labels;

static dt_status find_alike(alike_labels *alike, const dt_tax_rank *rank, dt_strmap *seen,
                            dt_text *plain)
{
    for (int32_t c = 0; c < rank->classes; ++c) {
        const size_t length = strlen(rank->label[c]);
        int32_t first;
        int added;
        DT_TRY(DT_GROW(plain->data, plain->capacity, length + 1));
        DT_TRY(dt_strmap_add(seen, plain->data, dt_label_plain(plain->data, rank->label[c], length),
                             c, &first, &added));
        if (!added && alike->count++ == 0)
            *alike = (alike_labels){1, rank->name, rank->label[first], rank->label[c]};
    }
    return DT_OK;
}

static dt_status warn_of_alike(const dt_taxonomy *taxonomy, const char *file)
{
    alike_labels alike = {0};
    dt_text plain = {0};
    dt_status status = DT_OK;
    for (int32_t r = 0; r < taxonomy->tax_ranks && status == DT_OK; ++r) {
        dt_strmap *seen;
        status = dt_strmap_create(&seen);
        if (status == DT_OK)
            status = find_alike(&alike, &taxonomy->rank[r], seen, &plain);
        dt_strmap_destroy(seen);
    }
    dt_text_free(&plain);
    if (alike.count > 0)
        dt_warn(
            "%s: %lld labels differ from another label of their rank only in prefix, case, or '_' "
            "for a blank (%s: '%s' and '%s'): they count as different taxa",
            file, (long long)alike.count, alike.rank, alike.one, alike.other);
    return status;
}

static bool is_number(const char *label)
{
    char *end;
    strtod(label, &end);
    return end != label && *end == '\0' && strpbrk(label, "0123456789");
}

static bool holds_numbers(const dt_tax_rank *rank)
{
    bool any = false;
    for (int32_t c = 0; c < rank->classes; ++c) {
        if (strcmp(rank->label[c], DT_UNCLASSIFIED) == 0)
            continue;
        if (!is_number(rank->label[c]))
            return false;
        any = true;
    }
    return any;
}

static void warn_of_numbers(const dt_taxonomy *taxonomy, const char *file)
{
    const char *name = NULL;
    int32_t count = 0;
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r)
        if (holds_numbers(&taxonomy->rank[r]) && count++ == 0)
            name = taxonomy->rank[r].name;
    if (count > 0)
        dt_warn("%s: %d of %d columns contain only numbers ('%s'): every column except sequence_id "
                "is treated as a taxonomic rank; remove those that are not",
                file, count, taxonomy->tax_ranks, name);
}

static void warn_of_order(const dt_taxonomy *taxonomy, const char *file)
{
    int32_t deepest = -1;
    int32_t at = -1; /* the rank in `deepest` position */
    for (int32_t r = 0; r < taxonomy->tax_ranks; ++r) {
        const int32_t place =
            dt_usual_place(taxonomy->rank[r].name, strlen(taxonomy->rank[r].name));
        if (place >= 0 && place < deepest) {
            dt_warn(
                "%s: the column '%s' precedes '%s': ranks are in the order of the columns, which "
                "lineages and predict --format assume to run from domain to species",
                file, taxonomy->rank[at].name, taxonomy->rank[r].name);
            return;
        }
        if (place >= 0) {
            deepest = place;
            at = r;
        }
    }
}

dt_status dt_taxonomy_report_doubts(const dt_taxonomy *taxonomy, const char *file)
{
    warn_of_order(taxonomy, file);
    warn_of_numbers(taxonomy, file);
    return warn_of_alike(taxonomy, file);
}
