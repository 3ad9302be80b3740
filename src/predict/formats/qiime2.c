#include "predict/qiime.h"

#include <string.h>
#include <strings.h>

/* Returns the letter of the rank's prefix, '\0' if the rank has none. */
static char prefix_letter(const char *rank)
{
    static const char *const ranks[] = {"domain", "kingdom", "phylum", "class",
                                        "order",  "family",  "genus",  "species"};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; ++i)
        if (strcasecmp(rank, ranks[i]) == 0)
            return ranks[i][0];
    return '\0';
}

static bool has_prefix(const char *label)
{
    return label[0] && label[1] == '_' && label[2] == '_';
}

/* Returns the number of ranks to keep. */
static int32_t depth(const dt_taxonomy *taxonomy, const dt_spool_cell *cells, double threshold)
{
    int32_t r = 0;
    while (r < taxonomy->tax_ranks && (double)cells[r].confidence >= threshold &&
           strcmp(taxonomy->rank[r].label[cells[r].label], DT_UNCLASSIFIED) != 0)
        ++r;
    return r;
}

void dt_qiime_header(dt_output *out)
{
    dt_output_text(out, "Feature ID\tTaxon\tConfidence\n");
}

void dt_qiime_row(dt_output *out, const char *id, size_t id_length, const dt_taxonomy *taxonomy,
                  const dt_spool_cell *cells, double threshold)
{
    const int32_t kept = depth(taxonomy, cells, threshold);
    dt_output_cell(out, id, id_length);
    dt_output_char(out, '\t');
    for (int32_t r = 0; r < kept; ++r) {
        const char *label = taxonomy->rank[r].label[cells[r].label];
        const char letter = prefix_letter(taxonomy->rank[r].name);
        if (r)
            dt_output_text(out, "; ");
        if (letter && !has_prefix(label)) {
            dt_output_char(out, letter);
            dt_output_text(out, "__");
        }
        dt_output_text(out, label);
    }
    dt_output_text(out, kept ? "\t" : "Unassigned\t");
    dt_output_float(out, cells[kept ? kept - 1 : 0].confidence);
    dt_output_char(out, '\n');
}
