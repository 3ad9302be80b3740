#include "made_sequences.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/fasta.h"
#include "random.h"
#include "sequence/normalize.h"

enum { DRAW_GENUS = 16, DRAW_SPECIES, DRAW_RECORD };

/* The distance between changes, in bases, is drawn uniformly from 1 to this number, so that its
 * mean is (1 + number) / 2: 1 change in 20, 40 and 100 bases. */
enum { GENUS_GAP = 39, SPECIES_GAP = 79, RECORD_GAP = 199 };

/* A real sequence. */
typedef struct {
    char *lineage;
    dt_text sequence;
} founder;

typedef struct {
    founder *item;
    int32_t count;
    int32_t archaea; /* number of Archaea, which come first once sorted */
    size_t capacity;
} founders;

/* ---- the real sequences ---- */

static dt_status add_founder(founders *f, dt_fasta_record *record, const char *path)
{
    const char *tab = strrchr(record->description.data, '\t');
    if (!tab || !strchr(tab, ';'))
        return dt_fail(DT_ERR_INPUT,
                       "%s: line %lld: the header does not end in a tab and a lineage; "
                       "rRNA16S.gold.fasta of microbiomeutil-data is expected",
                       path, (long long)record->line);
    DT_TRY(DT_GROW(f->item, f->capacity, (size_t)f->count + 1));
    founder *item = &f->item[f->count];
    *item = (founder){.lineage = strdup(tab + 1)};
    if (!item->lineage)
        return dt_fail(DT_ERR_MEMORY, "out of memory: lineages");
    f->count++;
    f->archaea += strncmp(item->lineage, "Archaea;", 8) == 0;
    const size_t length = dt_normalize(record->sequence.data, record->sequence.length);
    return dt_text_add(&item->sequence, record->sequence.data, length);
}

/* Orders by lineage, then by sequence, so that the result does not depend on the qsort()
 * implementation. */
static int compare_founders(const void *a, const void *b)
{
    const founder *x = a;
    const founder *y = b;
    const int order = strcmp(x->lineage, y->lineage);
    return order ? order : strcmp(x->sequence.data, y->sequence.data);
}

static dt_status read_founders(founders *f, const char *path)
{
    dt_fasta *fasta;
    dt_fasta_record record = {0};
    bool found = true;
    DT_TRY(dt_fasta_open(&fasta, path));
    dt_status status = dt_fasta_next(fasta, &record, &found);
    while (status == DT_OK && found) {
        status = add_founder(f, &record, path);
        if (status == DT_OK)
            status = dt_fasta_next(fasta, &record, &found);
    }
    dt_fasta_record_free(&record);
    dt_fasta_close(fasta);
    DT_TRY(status);
    if (f->archaea == 0 || f->archaea == f->count)
        return dt_fail(DT_ERR_INPUT, "%s: Archaea and Bacteria are needed, both", path);
    if (f->item)
        qsort(f->item, (size_t)f->count, sizeof *f->item, compare_founders);
    return DT_OK;
}

static void free_founders(founders *f)
{
    for (int32_t i = 0; i < f->count; ++i) {
        free(f->item[i].lineage);
        dt_text_free(&f->item[i].sequence);
    }
    free(f->item);
}

/* ---- mutation ---- */

/* Returns one of the three other bases; other characters are unchanged. */
static char substitute(char base, dt_random *random)
{
    static const char bases[] = "ACGT";
    const char *at = strchr(bases, base);
    return at ? bases[(at - bases + 1 + dt_random_below(random, 3)) % 4] : base;
}

/* Appends a descendant of `from` to *out: of 16 changes 14 are substitutions, one is a deletion and
 * one an insertion. */
static dt_status mutate(const dt_text *from, uint32_t gap, dt_random *random, dt_text *out)
{
    size_t at = 0;
    for (;;) {
        const size_t next = at + dt_random_below(random, gap);
        if (next >= from->length)
            return dt_text_add(out, from->data + at, from->length - at);
        DT_TRY(dt_text_add(out, from->data + at, next - at));
        const uint32_t kind = dt_random_below(random, 16);
        const char base = substitute(from->data[next], random);
        if (kind == 0)
            DT_TRY(dt_text_add(out, from->data + next, 1));
        if (kind != 1)
            DT_TRY(dt_text_add(out, &base, 1));
        at = next + 1;
    }
}

/* Assigns a real sequence to each family: those of a domain are spread evenly over its families. */
static void choose_founders(const dt_made_taxonomy *taxonomy, const founders *f,
                            const dt_text **family)
{
    const int32_t families = taxonomy->taxa[DT_MADE_FAMILY];
    const int32_t archaeal = taxonomy->archaeal_families;
    for (int32_t i = 0; i < families; ++i) {
        const bool first = i < archaeal;
        const int64_t place = first ? i : i - archaeal;
        const int64_t of = first ? archaeal : families - archaeal;
        const int64_t from = first ? f->archaea : f->count - f->archaea;
        family[i] = &f->item[(first ? 0 : f->archaea) + place * from / of].sequence;
    }
}

static dt_status descend(dt_made_sequences *sequences, const dt_made_taxonomy *taxonomy,
                         const dt_text *const *family, dt_text *genus)
{
    const int32_t *family_of = taxonomy->parent[DT_MADE_GENUS];
    const int32_t *genus_of = taxonomy->parent[DT_MADE_SPECIES];
    for (int32_t g = 0; g < taxonomy->taxa[DT_MADE_GENUS]; ++g) {
        dt_random random = dt_random_begin(sequences->seed, DRAW_GENUS, (uint32_t)g);
        DT_TRY(mutate(family[family_of[g]], GENUS_GAP, &random, &genus[g]));
    }
    for (int32_t s = 0; s < sequences->count; ++s) {
        dt_random random = dt_random_begin(sequences->seed, DRAW_SPECIES, (uint32_t)s);
        DT_TRY(mutate(&genus[genus_of[s]], SPECIES_GAP, &random, &sequences->species[s]));
    }
    return DT_OK;
}

dt_status dt_made_sequences_create(dt_made_sequences *sequences, const dt_made_taxonomy *taxonomy,
                                   const char *gold_fasta, uint32_t seed)
{
    const int32_t genera = taxonomy->taxa[DT_MADE_GENUS];
    founders f = {0};
    const dt_text **family = NULL;
    dt_text *genus = NULL;
    dt_status status;
    *sequences = (dt_made_sequences){.count = taxonomy->taxa[DT_MADE_SPECIES], .seed = seed};
    DT_TRY_OR(done, DT_NEW(sequences->species, (size_t)sequences->count));
    DT_TRY_OR(done, DT_NEW(family, (size_t)taxonomy->taxa[DT_MADE_FAMILY]));
    DT_TRY_OR(done, DT_NEW(genus, (size_t)genera));
    DT_TRY_OR(done, read_founders(&f, gold_fasta));
    choose_founders(taxonomy, &f, family);
    status = descend(sequences, taxonomy, family, genus);
done:
    for (int32_t g = 0; genus && g < genera; ++g)
        dt_text_free(&genus[g]);
    free(genus);
    free(family);
    free_founders(&f);
    return status;
}

void dt_made_sequences_free(dt_made_sequences *sequences)
{
    for (int32_t s = 0; sequences->species && s < sequences->count; ++s)
        dt_text_free(&sequences->species[s]);
    free(sequences->species);
    *sequences = (dt_made_sequences){0};
}

dt_status dt_made_record(const dt_made_sequences *sequences, int32_t species, uint32_t record,
                         dt_text *out)
{
    dt_random random = dt_random_begin(sequences->seed, DRAW_RECORD, record);
    dt_text_clear(out);
    return mutate(&sequences->species[species], RECORD_GAP, &random, out);
}
