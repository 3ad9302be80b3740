/* Parses a whole lineage in a single cell, in the formats of databases and classifiers.
 *
 *     lineage    [root separator] part separator part … part [separator …]
 *     separator  ";"; in a lineage without ";" also "|" (MetaPhlAn, Kraken)
 *     root       what NCBI and Kraken have above the domain: "root", "cellular organisms" and
 *                similar, with any prefix; removed
 *     part       [prefix][name][(number)], without blanks at its ends
 *     prefix     d__ k__ p__ c__ o__ f__ g__ s__, or D_0__ … D_6__ (SILVA up to 132): the rank.
 *                Without it the position gives the rank: domain, phylum, class, … species
 *     name       missing if empty, "-", "NA", "no rank", "__", or what pandas reads as missing
 *     (number)   mothur's confidence, 0 to 100; removed if every part with a name ends in one
 *                ("unclassified" and "unknown" may lack it), else part of the name
 *
 * Ranks must be in order from domain to species, each at most once. A k__ after a domain is the
 * kingdom (NCBI, SILVA since 144) and does not count as a position. A k__ without a domain may be a
 * kingdom or, as in Greengenes and UNITE, the domain; the caller decides by the other lineages of
 * the table. Labels keep their prefix, as in QIIME 2.
 */
#ifndef DT_TAXONOMY_LINEAGE_H
#define DT_TAXONOMY_LINEAGE_H

#include "core/status.h"
#include "io/span.h"
#include "taxonomy/taxonomy.h"

enum { DT_LINEAGE_DOMAIN, DT_LINEAGE_KINGDOM }; /* positions among the usual ranks */

typedef struct {
    dt_span label[DT_USUAL_RANKS]; /* data NULL: missing */
    bool kingdom_below_domain;     /* it has parts for both, with or without names */
    dt_span root;                  /* the root that was removed; data NULL: none */
    bool numbers;                  /* confidences were removed */
    bool some_numbers;             /* only some parts have one; kept as parts of the names */
} dt_lineage;

/* Parses `text`. DT_ERR_INPUT, with file and line, for an unknown prefix, ranks out of order, too
 * many parts, a rank's name in place of a taxon, or other separators. */
dt_status dt_lineage_parse(dt_lineage *lineage, dt_span text, const char *file, long long line);

/* Returns true for a cell with a separator or a prefix. */
bool dt_looks_like_lineage(dt_span cell);

/* Returns true for a missing label: an empty cell, only a prefix, or a missing value as written by
 * R and pandas. */
bool dt_is_missing(dt_span label);

#endif
