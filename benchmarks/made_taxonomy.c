#include "made_taxonomy.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

/* Purposes of random draws. */
enum { DRAW_PARENTS = 1, DRAW_SIZES, DRAW_SPLIT, DRAW_ORDER };

static const char *const rank_name[DT_MADE_RANKS] = {"domain", "phylum", "class",  "order",
                                                     "family", "genus",  "species"};

const char *dt_made_rank_name(int32_t tax_rank)
{
    return rank_name[tax_rank];
}

/* Gives each parent one child; each further child gets the parent of a random earlier child (the
 * urn). */
static dt_status draw_parents(int32_t *parent, int32_t taxa, int32_t parents, uint32_t seed,
                              uint32_t tax_rank)
{
    int32_t *children;
    DT_TRY(DT_NEW(children, (size_t)parents));
    dt_random random = dt_random_begin(seed, DRAW_PARENTS, tax_rank);
    for (int32_t t = 0; t < taxa; ++t) {
        parent[t] = t < parents ? t : parent[dt_random_below(&random, (uint32_t)t)];
        children[parent[t]]++;
    }
    for (int32_t p = 0, t = 0; p < parents; ++p)
        for (int32_t c = 0; c < children[p]; ++c)
            parent[t++] = p;
    free(children);
    return DT_OK;
}

static dt_status draw_tree(dt_made_taxonomy *taxonomy, uint32_t seed)
{
    const int32_t *taxa = taxonomy->taxa;
    for (int32_t r = 1; r < DT_MADE_RANKS; ++r) {
        DT_TRY(DT_NEW(taxonomy->parent[r], (size_t)taxa[r]));
        if (r > 1)
            DT_TRY(draw_parents(taxonomy->parent[r], taxa[r], taxa[r - 1], seed, (uint32_t)r));
    }
    for (int32_t t = 0; t < taxa[1]; ++t)
        taxonomy->parent[1][t] = t >= (taxa[1] + 7) / 8;
    for (int32_t f = 0; f < taxa[DT_MADE_FAMILY]; ++f) {
        int32_t taxon = f;
        for (int32_t r = DT_MADE_FAMILY; r > 0; --r)
            taxon = taxonomy->parent[r][taxon];
        taxonomy->archaeal_families += taxon == 0;
    }
    return DT_OK;
}

dt_status dt_made_taxonomy_create(dt_made_taxonomy *taxonomy, const int32_t taxa[DT_MADE_RANKS],
                                  uint32_t seed)
{
    *taxonomy = (dt_made_taxonomy){0};
    memcpy(taxonomy->taxa, taxa, sizeof taxonomy->taxa);
    for (int32_t r = 0; r < DT_MADE_RANKS; ++r)
        if (taxa[r] < (r ? taxa[r - 1] : 2) || (r == 0 && taxa[0] != 2))
            return dt_fail(DT_ERR_USAGE,
                           "%d taxa at the rank %s: two domains are needed, and no fewer taxa "
                           "than at the rank above",
                           (int)taxa[r], rank_name[r]);
    return draw_tree(taxonomy, seed);
}

void dt_made_taxonomy_free(dt_made_taxonomy *taxonomy)
{
    for (int32_t r = 0; r < DT_MADE_RANKS; ++r)
        free(taxonomy->parent[r]);
    *taxonomy = (dt_made_taxonomy){0};
}

/* ---- names ---- */

/* Appends a number as three syllables; different numbers below 70^3 give different words. */
static dt_status add_word(dt_text *out, uint32_t number, int capital)
{
    static const char consonants[] = "bcdfglmnprstvz";
    static const char vowels[] = "aeiou";
    enum { SYLLABLES = 14 * 5, WORDS = SYLLABLES * SYLLABLES * SYLLABLES };
    uint32_t left = (uint32_t)((uint64_t)number * 100003 % WORDS); /* coprime, hence one-to-one */
    char word[6];
    for (size_t i = 0; i < 3; ++i) {
        word[2 * i] = consonants[left % SYLLABLES / 5];
        word[2 * i + 1] = vowels[left % 5];
        left /= SYLLABLES;
    }
    if (capital)
        word[0] = (char)(word[0] - 'a' + 'A');
    return dt_text_add(out, word, sizeof word);
}

static dt_status add_name(dt_text *out, int32_t tax_rank, int32_t taxon)
{
    static const char *const ending[DT_MADE_RANKS] = {"", "ota", "ia", "ales", "aceae", "bacter"};
    if (tax_rank == 0)
        return dt_text_addf(out, "%s", taxon == 0 ? "Archaea" : "Bacteria");
    DT_TRY(add_word(out, (uint32_t)(taxon + 1), 1));
    return dt_text_add(out, ending[tax_rank], strlen(ending[tax_rank]));
}

dt_status dt_made_label(const dt_made_taxonomy *taxonomy, int32_t tax_rank, int32_t taxon,
                        dt_text *out)
{
    DT_TRY(dt_text_addf(out, "%c__", rank_name[tax_rank][0]));
    if (tax_rank < DT_MADE_SPECIES)
        return add_name(out, tax_rank, taxon);
    DT_TRY(add_name(out, DT_MADE_GENUS, taxonomy->parent[DT_MADE_SPECIES][taxon]));
    DT_TRY(dt_text_add(out, " ", 1));
    DT_TRY(add_word(out, (uint32_t)(taxon + 1), 0));
    return dt_text_add(out, "ensis", 5);
}

/* ---- records ---- */

/* Computes size[k]: the records, besides the mandatory one, of the k-th largest species. The
 * remainder from rounding down goes to the first species. */
static void share_out(int32_t *size, int32_t species, int64_t records)
{
    double weights = 0;
    for (int32_t k = 0; k < species; ++k)
        weights += 1.0 / (k + 1);
    int64_t left = records;
    for (int32_t k = 0; k < species; ++k) {
        size[k] = (int32_t)((double)records / (weights * (k + 1)));
        left -= size[k];
    }
    for (int32_t k = 0; left > 0; k = (k + 1) % species, --left)
        size[k]++;
}

/* Divides the records that are not mandatory into testing and training. */
static dt_status deal(int32_t species, int32_t training_count, int32_t testing_count, uint32_t seed,
                      int32_t *training, int32_t *testing)
{
    const int32_t free_count = training_count - species + testing_count;
    int32_t *order = NULL;
    int32_t *size = NULL;
    int32_t *records = NULL;
    dt_status status;
    DT_TRY_OR(done, DT_NEW(order, (size_t)species));
    DT_TRY_OR(done, DT_NEW(size, (size_t)species));
    DT_TRY_OR(done, DT_NEW(records, (size_t)free_count));
    for (int32_t s = 0; s < species; ++s)
        order[s] = training[s] = s;
    dt_random random = dt_random_begin(seed, DRAW_SIZES, 0);
    dt_random_shuffle(&random, order, species);
    share_out(size, species, free_count);
    for (int32_t k = 0, at = 0; k < species; ++k)
        for (int32_t i = 0; i < size[k]; ++i)
            records[at++] = order[k];
    random = dt_random_begin(seed, DRAW_SPLIT, 0);
    dt_random_shuffle(&random, records, free_count);
    memcpy(testing, records, (size_t)testing_count * sizeof *testing);
    memcpy(training + species, records + testing_count,
           (size_t)(training_count - species) * sizeof *training);
    random = dt_random_begin(seed, DRAW_ORDER, 0);
    dt_random_shuffle(&random, training, training_count);
done:
    free(order);
    free(size);
    free(records);
    return status;
}

dt_status dt_made_records(const dt_made_taxonomy *taxonomy, int32_t training_count,
                          int32_t testing_count, uint32_t seed, int32_t **training,
                          int32_t **testing)
{
    const int32_t species = taxonomy->taxa[DT_MADE_SPECIES];
    *training = *testing = NULL;
    if (training_count < species || testing_count < 0)
        return dt_fail(DT_ERR_USAGE, "%d records to train on are fewer than the %d species",
                       (int)training_count, (int)species);
    DT_TRY(DT_NEW(*training, (size_t)training_count));
    dt_status status = DT_NEW(*testing, (size_t)testing_count);
    if (status == DT_OK)
        status = deal(species, training_count, testing_count, seed, *training, *testing);
    if (status != DT_OK) {
        free(*training);
        free(*testing);
        *training = *testing = NULL;
    }
    return status;
}
