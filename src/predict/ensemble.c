#include "predict/ensemble.h"

#include <string.h>

/* The checkpoints of the two models. */
typedef struct {
    const char *first, *other;
} paths;

static dt_status labels_differ(const paths *p, const dt_tax_rank *a, const dt_tax_rank *b)
{
    if (strcmp(a->name, b->name) != 0)
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: it has a rank '%s', the other has '%s'",
                       p->other, p->first, b->name, a->name);
    if (a->classes != b->classes)
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: it has %d labels at %s, the other has %d",
                       p->other, p->first, b->classes, a->name, a->classes);
    for (int32_t c = 0; c < a->classes; ++c)
        if (strcmp(a->label[c], b->label[c]) != 0)
            return dt_fail(DT_ERR_INPUT,
                           "%s: cannot be combined with %s: it has the label '%s' at %s, the other "
                           "has '%s'",
                           p->other, p->first, b->label[c], a->name, a->label[c]);
    return DT_OK;
}

static dt_status tokens_differ(const paths *p, const dt_run *a, const dt_run *b)
{
    const bool bases = a->config.encoding == DT_ENCODING_ONEHOT;
    if (a->config.encoding != b->config.encoding)
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: it was trained with --encoding %s, the "
                       "other with %s",
                       p->other, p->first, dt_encoding_name(b->config.encoding),
                       dt_encoding_name(a->config.encoding));
    if (!bases && (strcmp(a->tokenizer_json, b->tokenizer_json) != 0 ||
                   a->config.vocabulary != b->config.vocabulary))
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: it was trained with a different tokenizer",
                       p->other, p->first);
    if (dt_model_kmer_size(&a->config) != dt_model_kmer_size(&b->config))
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: one of them reads single bases and the "
                       "other k-mers (--model-type kmer), or k-mers of another --kmer-size",
                       p->other, p->first);
    if (a->config.max_length != b->config.max_length)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: cannot be combined with %s: it reads %d %s per sequence (--max-length), "
            "the other reads %d",
            p->other, p->first, b->config.max_length, bases ? "bases" : "tokens",
            a->config.max_length);
    return DT_OK;
}

dt_status dt_ensemble_check(const dt_run *first, const char *first_path, const dt_run *other,
                            const char *other_path, bool lineages)
{
    const paths p = {.first = first_path, .other = other_path};
    const dt_taxonomy *a = &first->taxonomy;
    const dt_taxonomy *b = &other->taxonomy;
    if (a->tax_ranks != b->tax_ranks)
        return dt_fail(
            DT_ERR_INPUT,
            "%s: cannot be combined with %s: it has %d taxonomic ranks, the other has %d",
            other_path, first_path, b->tax_ranks, a->tax_ranks);
    for (int32_t r = 0; r < a->tax_ranks; ++r)
        DT_TRY(labels_differ(&p, &a->rank[r], &b->rank[r]));
    DT_TRY(tokens_differ(&p, first, other));
    if (first->settings.normalize != other->settings.normalize)
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: it was trained on %s sequences, the other "
                       "was not",
                       other_path, first_path,
                       other->settings.normalize ? "normalised" : "unmodified");
    if (first->strand.profile && other->strand.profile &&
        !dt_strand_same(first->strand.profile, other->strand.profile))
        return dt_fail(DT_ERR_INPUT,
                       "%s: cannot be combined with %s: it was trained on the opposite strand",
                       other_path, first_path);
    if (lineages && !dt_lineage_tree_equal(&first->lineages, &other->lineages))
        return dt_fail(
            DT_ERR_INPUT,
            "%s: cannot be combined with %s for --lineage consistent or summed: it was trained on "
            "different lineages",
            other_path, first_path);
    return DT_OK;
}
