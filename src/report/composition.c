#include "report/composition.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define LABEL_BYTES 200

void dt_composition_free(dt_composition *composition)
{
    free(composition->node);
    dt_strmap_destroy(composition->index);
    *composition = (dt_composition){0};
}

static dt_status child(dt_composition *c, int32_t parent, int32_t label, int32_t tax_rank,
                       int32_t *node)
{
    const int32_t key[2] = {parent, label};
    int added;
    if (!c->index)
        DT_TRY(dt_strmap_create(&c->index));
    DT_TRY(dt_strmap_add(c->index, (const char *)key, sizeof key, c->nodes, node, &added));
    if (!added)
        return DT_OK;
    DT_TRY(DT_GROW(c->node, c->capacity, (size_t)c->nodes + 1));
    c->node[c->nodes++] =
        (dt_composition_node){.parent = parent, .label = label, .tax_rank = tax_rank};
    return DT_OK;
}

dt_status dt_composition_add(dt_composition *composition, const int32_t *label,
                             const double *confidence, int32_t tax_ranks, int32_t answers)
{
    int32_t node = -1;
    for (int32_t r = 0; r < tax_ranks; ++r) {
        DT_TRY(child(composition, node, label[r], r, &node));
        composition->node[node].count++;
        composition->node[node].answered += r < answers;
        composition->node[node].confidence += confidence[r];
    }
    return DT_OK;
}

/* ---- as JSON -------------------------------------------------------------------------------- */

static int by_count(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Sets *smallest to the least count that at most `most` nodes reach. */
static dt_status smallest_count(const dt_composition *c, int32_t most, int64_t *smallest)
{
    int64_t *count;
    *smallest = 1;
    if (c->nodes <= most)
        return DT_OK;
    DT_TRY(DT_NEW(count, (size_t)c->nodes));
    for (int32_t i = 0; i < c->nodes; ++i)
        count[i] = c->node[i].count;
    qsort(count, (size_t)c->nodes, sizeof *count, by_count);
    *smallest = count[most] + 1;
    free(count);
    return DT_OK;
}

/* The nodes to write: those that are large enough, each with its place, and, for each of them and
 * the root, the merged rest of its children. */
typedef struct {
    const dt_composition *tree;
    int64_t smallest;
    int32_t *place;            /* (nodes) of a node that is written; -1: merged */
    dt_composition_node *rest; /* (nodes + 1) by parent + 1; tax_rank: number of merged children */
} selection;

static dt_status select_nodes(selection *s)
{
    const dt_composition *c = s->tree;
    int32_t places = 0;
    DT_TRY(DT_NEW(s->place, (size_t)c->nodes));
    DT_TRY(DT_NEW(s->rest, (size_t)c->nodes + 1));
    for (int32_t i = 0; i < c->nodes; ++i) {
        const dt_composition_node *node = &c->node[i];
        dt_composition_node *rest = &s->rest[node->parent + 1];
        const bool large = node->count >= s->smallest;
        s->place[i] = large ? places++ : -1;
        rest->tax_rank += !large;
        rest->count += large ? 0 : node->count;
        rest->answered += large ? 0 : node->answered;
    }
    return DT_OK;
}

static bool has_rest(const selection *s, int32_t parent)
{
    return s->rest[parent + 1].tax_rank > 0 && (parent < 0 || s->place[parent] >= 0);
}

typedef enum { LABEL, PARENT, COUNT, ANSWERED, CONFIDENCE, MERGED, COLUMNS } column;

static void put_node(dt_json *json, const selection *s, column what, int32_t i, char **const *names)
{
    const dt_composition_node *node = &s->tree->node[i];
    switch (what) {
    case LABEL:
        dt_report_label(json, names[node->tax_rank][node->label]);
        break;
    case PARENT:
        dt_json_int(json, node->parent < 0 ? -1 : s->place[node->parent]);
        break;
    case CONFIDENCE:
        dt_json_float(json, (float)(node->confidence / (double)node->count));
        break;
    case MERGED:
        dt_json_int(json, 0);
        break;
    default:
        dt_json_int(json, what == COUNT ? node->count : node->answered);
    }
}

static void put_rest(dt_json *json, const selection *s, column what, int32_t parent)
{
    const dt_composition_node *rest = &s->rest[parent + 1];
    switch (what) {
    case PARENT:
        dt_json_int(json, parent < 0 ? -1 : s->place[parent]);
        break;
    case MERGED:
        dt_json_int(json, rest->tax_rank);
        break;
    case COUNT:
    case ANSWERED:
        dt_json_int(json, what == COUNT ? rest->count : rest->answered);
        break;
    default:
        dt_json_null(json);
    }
}

static void put_tree(dt_json *json, const selection *s, char **const *names)
{
    static const char *const keys[COLUMNS] = {"label",    "parent",     "count",
                                              "answered", "confidence", "merged"};
    dt_json_object(json);
    for (int what = 0; what < COLUMNS; ++what) {
        dt_json_key(json, keys[what]);
        dt_json_array(json);
        for (int32_t i = 0; i < s->tree->nodes; ++i)
            if (s->place[i] >= 0)
                put_node(json, s, (column)what, i, names);
        for (int32_t parent = -1; parent < s->tree->nodes; ++parent)
            if (has_rest(s, parent))
                put_rest(json, s, (column)what, parent);
        dt_json_end(json);
    }
    dt_json_put_int(json, "smallest", s->smallest);
    dt_json_end(json);
}

dt_status dt_composition_json(const dt_composition *composition, dt_json *json, int32_t most,
                              char **const *names)
{
    selection s = {.tree = composition};
    dt_status status = smallest_count(composition, most, &s.smallest);
    if (status == DT_OK)
        status = select_nodes(&s);
    if (status == DT_OK)
        put_tree(json, &s, names);
    free(s.place);
    free(s.rest);
    return status;
}

void dt_report_label(dt_json *json, const char *text)
{
    char cut[LABEL_BYTES + 4];
    size_t kept = 0;
    if (strlen(text) <= LABEL_BYTES) {
        dt_json_string(json, text);
        return;
    }
    while (kept < LABEL_BYTES - 4) {
        uint32_t code;
        kept += dt_utf8_next(text + kept, strlen(text + kept), &code);
    }
    memcpy(cut, text, kept);
    memcpy(cut + kept, "\xE2\x80\xA6", sizeof "\xE2\x80\xA6"); /* … */
    dt_json_string(json, cut);
}
