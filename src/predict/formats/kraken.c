/* --format kraken: the report of Kraken 2 (`kraken2 --report`), which Pavian, Krona and others
 * read. Columns, without a header: percentage of all reads, reads of the clade, reads of the taxon
 * itself, code of the rank, number of the taxon, name, indented by two blanks per level. A clade's
 * taxa follow it, those with the most reads first.
 *
 * A read belongs to the last rank kept of its lineage, or is unclassified. Codes: D, K, P, C, O, F,
 * G, S; a rank of another name has the code above it with a number (`F1`). NCBI's numbers of taxa
 * are not known to a model. Here, a taxon's number is 2 + its position in the model's tree of
 * lineages, the same in all reports of the model; lineages that are not in the tree (independent
 * predictions) are numbered after these, in the order of the input. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/strmap.h"
#include "predict/formats/taxon.h"

enum { ROOT = 0, NOT_IN_TREE = -1 };

/* The first is the root. */
typedef struct {
    int32_t parent; /* clade; -1: this is the root */
    int32_t rank;   /* -1: the root's */
    int32_t label;  /* class */
    int32_t node;   /* of the lineage tree, or NOT_IN_TREE; the root's is -1 */
    int64_t taxon;  /* number in the report */
    int64_t own, reads;
} clade;

typedef struct {
    const dt_format_source *source;
    dt_output *out;
    dt_strmap *index; /* (parent, label) → clade */
    clade *clades;
    size_t capacity;
    int32_t count;
    int64_t unclassified;
    int64_t next_taxon; /* of lineages that are not in the tree */
    int32_t *order;     /* (count) clades by parent, most reads first */
    int32_t *first;     /* (count + 1) of each clade's taxa in `order` */
} report;

/* ---- counting -------------------------------------------------------------------------------- */

static clade new_clade(report *r, int32_t parent, int32_t label)
{
    const dt_lineage_tree *tree = r->source->lineages;
    const clade *above = &r->clades[parent];
    clade one = {.parent = parent, .rank = above->rank + 1, .label = label, .node = NOT_IN_TREE};
    if (tree->tax_ranks && (parent == ROOT || above->node != NOT_IN_TREE))
        one.node = dt_lineage_tree_find(tree, one.rank, above->node, label);
    one.taxon = one.node != NOT_IN_TREE ? 2 + (int64_t)one.node : r->next_taxon++;
    return one;
}

/* Sets *found to the clade of a label below another clade. */
static dt_status find_clade(report *r, int32_t parent, int32_t label, int32_t *found)
{
    const int32_t key[2] = {parent, label};
    int added;
    DT_TRY(dt_strmap_add(r->index, (const char *)key, sizeof key, r->count, found, &added));
    if (!added)
        return DT_OK;
    DT_TRY(DT_GROW(r->clades, r->capacity, (size_t)r->count + 1));
    r->clades[r->count] = new_clade(r, parent, label);
    r->count++;
    return DT_OK;
}

static dt_status count_row(void *context, const dt_spool_row *row)
{
    report *r = context;
    const int64_t reads = dt_read_count(row->id.data, row->id.length);
    const int32_t kept = dt_kept_ranks(r->source, row);
    int32_t at = ROOT;
    if (kept == 0)
        r->unclassified += reads;
    for (int32_t i = 0; i < kept; ++i) {
        DT_TRY(find_clade(r, at, row->cell[i].label, &at));
        r->clades[at].reads += reads;
    }
    if (kept > 0) {
        r->clades[at].own += reads;
        r->clades[ROOT].reads += reads;
    }
    return DT_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *context)
{
    const report *r = context;
    const clade *x = &r->clades[*(const int32_t *)a];
    const clade *y = &r->clades[*(const int32_t *)b];
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    if (x->reads != y->reads)
        return x->reads > y->reads ? -1 : 1;
    return x->label < y->label ? -1 : x->label > y->label;
}

/* Fills `order` and `first`. The root, whose parent is -1, is the first of `order`. */
static dt_status sort_clades(report *r)
{
    DT_TRY(DT_NEW(r->order, (size_t)r->count));
    DT_TRY(DT_NEW(r->first, (size_t)r->count + 1));
    for (int32_t i = 0; i < r->count; ++i)
        r->order[i] = i;
    qsort_r(r->order, (size_t)r->count, sizeof *r->order, compare, r);
    int32_t at = 1;
    for (int32_t parent = 0; parent < r->count; ++parent) {
        r->first[parent] = at;
        while (at < r->count && r->clades[r->order[at]].parent == parent)
            ++at;
    }
    r->first[r->count] = at;
    return DT_OK;
}

static void write_line(const report *r, int64_t reads, int64_t own, const char *code, int64_t taxon,
                       int32_t level, const char *name)
{
    char text[128];
    const double all = (double)(r->clades[ROOT].reads + r->unclassified);
    snprintf(text, sizeof text, "%6.2f\t%lld\t%lld\t%s\t%lld\t%*s", 100.0 * (double)reads / all,
             (long long)reads, (long long)own, code, (long long)taxon, 2 * level, "");
    dt_output_text(r->out, text);
    dt_output_text(r->out, name);
    dt_output_char(r->out, '\n');
}

/* The code of a rank: that of the last one above it with a letter, and how far below it is. */
static void rank_code(const dt_taxonomy *taxonomy, int32_t rank, char *out, size_t size)
{
    int32_t below = 0;
    while (rank >= below && !dt_rank_letter(taxonomy, rank - below))
        ++below;
    const char letter = rank >= below ? (char)toupper(dt_rank_letter(taxonomy, rank - below)) : 'R';
    if (below)
        snprintf(out, size, "%c%d", letter, below);
    else
        snprintf(out, size, "%c", letter);
}

/* Recursion is no deeper than there are ranks. */
static void write_clade(const report *r, int32_t at)
{
    const clade *one = &r->clades[at];
    const dt_taxonomy *taxonomy = r->source->taxonomy;
    char code[16];
    if (at == ROOT) {
        write_line(r, one->reads, 0, "R", 1, 0, "root");
    } else {
        rank_code(taxonomy, one->rank, code, sizeof code);
        write_line(r, one->reads, one->own, code, one->taxon, one->rank + 1,
                   dt_without_prefix(taxonomy->rank[one->rank].label[one->label]));
    }
    for (int32_t i = r->first[at]; i < r->first[at + 1]; ++i)
        write_clade(r, r->order[i]);
}

static dt_status write_report(report *r)
{
    DT_TRY(dt_strmap_create(&r->index));
    DT_TRY(DT_GROW(r->clades, r->capacity, 1));
    r->clades[r->count++] = (clade){.parent = -1, .rank = -1, .label = -1, .node = -1};
    DT_TRY(dt_spool_each(r->source->spool, count_row, r));
    DT_TRY(sort_clades(r));
    if (r->unclassified)
        write_line(r, r->unclassified, r->unclassified, "U", 0, 0, "unclassified");
    if (r->clades[ROOT].reads)
        write_clade(r, ROOT);
    return DT_OK;
}

dt_status dt_write_kraken(const dt_format_source *source, dt_output *out)
{
    const dt_lineage_tree *tree = source->lineages;
    report r = {.source = source, .out = out};
    r.next_taxon = 2 + (tree->tax_ranks ? (int64_t)dt_lineage_tree_nodes(tree) : 0);
    const dt_status status = write_report(&r);
    dt_strmap_destroy(r.index);
    free(r.clades);
    free(r.order);
    free(r.first);
    return status;
}
