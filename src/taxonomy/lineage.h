/* A whole lineage in one cell, as the databases and classifiers write it.
 *
 *     lineage    [root separator] part separator part … part [separator …]
 *     separator  ";"; in a lineage without one "|" (MetaPhlAn, Kraken)
 *     root       what NCBI and Kraken have above the domain: "root", "cellular organisms" and the
 *                like, with any prefix; dropped
 *     part       [prefix][name][(number)], blanks round it are no part of it
 *     prefix     d__ k__ p__ c__ o__ f__ g__ s__, or D_0__ … D_6__ (SILVA up to 132): the rank. A
 *                part without one goes by its place: domain, phylum, class, … species
 *     name       none, "-", "NA", "no rank", "__" and pandas' words for it: missing
 *     (number)   mothur's confidence, 0 to 100; dropped where every part that has a name ends in
 *                one ("unclassified" and "unknown" need none), else a part of the name
 *
 * Ranks go from domain to species, each once. A k__ that follows a domain is the kingdom (NCBI,
 * SILVA since 144) and takes no place; whether one without a domain is a kingdom or, as in
 * Greengenes and UNITE, stands for the domain, the other lineages of the table tell: it is the
 * caller's to decide. Labels keep their prefix, as QIIME 2 shows them.
 */
#ifndef DT_TAXONOMY_LINEAGE_H
#define DT_TAXONOMY_LINEAGE_H

#include "core/status.h"
#include "io/span.h"
#include "taxonomy/taxonomy.h"

enum { DT_LINEAGE_DOMAIN, DT_LINEAGE_KINGDOM }; /* numbers in dt_usual_rank */

typedef struct {
    dt_span label[DT_USUAL_RANKS]; /* data NULL: missing */
    bool kingdom_below_domain;     /* it has parts for both, with or without a name */
    dt_span root;                  /* that was dropped; data NULL: none */
    bool numbers;                  /* were dropped */
    bool some_numbers;             /* stand at some parts only, and were kept */
} dt_lineage;

/* DT_ERR_INPUT, naming file and line: an unknown prefix, ranks out of order, too many parts, a
 * rank's name where a taxon is expected, parts that are separated in another way. */
dt_status dt_lineage_parse(dt_lineage *lineage, dt_span text, const char *file, long long line);

/* True for a cell with a separator or a prefix. */
bool dt_looks_like_lineage(dt_span cell);

/* True for no label: an empty cell, a prefix alone, or what R and pandas write for a missing
 * value. */
bool dt_is_missing(dt_span label);

#endif
