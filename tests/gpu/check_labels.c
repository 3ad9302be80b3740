#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/philox.h"

/* ---- made sequences ---------------------------------------------------------------------------
 */

#define SPECIES 60
#define GENE 1450 /* bases */

static uint32_t draw(uint32_t stream, uint32_t index)
{
    uint32_t bits[4];
    dt_philox(7, stream, index, 0, 0, 0, bits);
    return bits[0];
}

/* Base i of a species: a common gene with replacements that a genus shares and some of its own. */
static char base_of(uint32_t species, uint32_t i)
{
    static const char bases[] = "ACGT";
    uint32_t bits = draw(1, i);
    if (draw(100 + species / 3, i) % 100 < 15)
        bits = draw(200 + species / 3, i);
    if (draw(300 + species, i) % 100 < 5)
        bits = draw(400 + species, i);
    return bases[bits % 4];
}

dt_status check_sequences(const char *folder, int count)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/reads.fasta", folder);
    FILE *fasta = fopen(path, "w");
    snprintf(path, sizeof path, "%s/reads.tsv", folder);
    FILE *table = fopen(path, "w");
    if (!fasta || !table) {
        if (fasta)
            fclose(fasta);
        return dt_fail(DT_ERR_IO, "%s: cannot be written", path);
    }
    fprintf(table, "sequence_id\tdomain\tphylum\tclass\torder\tfamily\tgenus\tspecies\n");
    for (uint32_t n = 0; n < (uint32_t)count; ++n) {
        const uint32_t species = n % SPECIES;
        fprintf(fasta, ">read%u\n", n);
        for (uint32_t i = draw(2, n) % 50; i < GENE - draw(3, n) % 50; ++i)
            fputc(draw(1000 + n, i) % 100 < 2 ? "ACGT"[draw(2000 + n, i) % 4] : base_of(species, i),
                  fasta);
        fputc('\n', fasta);
        fprintf(table, "read%u\tBacteria\tP%u\tC%u\tO%u\tF%u\tG%u\tS%u\n", n, species / 30,
                species / 15, species / 12, species / 6, species / 3, species);
    }
    const bool whole = fclose(fasta) == 0;
    return fclose(table) == 0 && whole ? DT_OK
                                       : dt_fail(DT_ERR_IO, "%s: cannot be written", folder);
}

/* ---- tables of predictions ---------------------------------------------------------------------
 */

#define COLUMNS 256
#define LINE 65536

typedef struct {
    FILE *file;
    char line[LINE];
    char *column[COLUMNS];
    int columns;
} table;

static bool next_line(table *t)
{
    t->columns = 0;
    if (!fgets(t->line, sizeof t->line, t->file))
        return false;
    t->line[strcspn(t->line, "\r\n")] = '\0';
    for (char *at = t->line; at && t->columns < COLUMNS; ++t->columns) {
        t->column[t->columns] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text);
    const size_t b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Columns <rank>_predicted, each followed by <rank>_raw_score, of both headers. */
static int find_labels(const table *t, int label[COLUMNS])
{
    int count = 0;
    for (int i = 0; i + 1 < t->columns; ++i)
        if (ends_with(t->column[i], "_predicted") && ends_with(t->column[i + 1], "_raw_score"))
            label[count++] = i;
    return count;
}

typedef struct {
    int labels, different;
    double largest; /* difference of two confidences */
} tally;

static dt_status compare_row(const table *a, const table *b, const int *label, int count,
                             double tolerance, tally *sum)
{
    if (a->columns != b->columns || strcmp(a->column[0], b->column[0]) != 0)
        return dt_fail(DT_ERR_NUMERIC, "the tables have different rows: %s, %s", a->column[0],
                       b->column[0]);
    for (int i = 0; i < count; ++i) {
        const double x = atof(a->column[label[i] + 1]);
        const double y = atof(b->column[label[i] + 1]);
        const bool same = strcmp(a->column[label[i]], b->column[label[i]]) == 0;
        sum->labels++;
        sum->different += !same;
        sum->largest = fmax(sum->largest, fabs(x - y));
        if (!(fabs(x - y) <= tolerance) || (!same && fmin(x, y) > 0.5 + tolerance))
            return dt_fail(DT_ERR_NUMERIC, "%s: %s (%.4f) and %s (%.4f), which is no near tie",
                           a->column[0], a->column[label[i]], x, b->column[label[i]], y);
    }
    return DT_OK;
}

static dt_status compare_tables(table *a, table *b, double tolerance)
{
    int label[COLUMNS];
    tally sum = {0};
    if (!next_line(a) || !next_line(b) || a->columns != b->columns)
        return dt_fail(DT_ERR_NUMERIC, "the tables have different columns");
    const int count = find_labels(a, label);
    if (count == 0)
        return dt_fail(DT_ERR_NUMERIC, "the tables hold no predictions");
    for (;;) {
        const bool more = next_line(a);
        if (more != next_line(b))
            return dt_fail(DT_ERR_NUMERIC, "the tables have different numbers of rows");
        if (!more)
            break;
        DT_TRY(compare_row(a, b, label, count, tolerance, &sum));
    }
    if (sum.labels == 0)
        return dt_fail(DT_ERR_NUMERIC, "the tables hold no predictions");
    printf("%d labels, %d near ties differ, confidences differ by at most %.2g, allowed %.2g\n",
           sum.labels, sum.different, sum.largest, tolerance);
    return DT_OK;
}

dt_status check_compare_labels(const char *a, const char *b, double tolerance)
{
    table *tables = calloc(2, sizeof *tables);
    if (!tables)
        return dt_fail(DT_ERR_MEMORY, "out of memory: two tables");
    tables[0].file = fopen(a, "r");
    tables[1].file = fopen(b, "r");
    const dt_status status = tables[0].file && tables[1].file
                                 ? compare_tables(&tables[0], &tables[1], tolerance)
                                 : dt_fail(DT_ERR_IO, "%s or %s is missing", a, b);
    for (int i = 0; i < 2; ++i)
        if (tables[i].file)
            fclose(tables[i].file);
    free(tables);
    return status;
}
