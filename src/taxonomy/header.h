/* Lineages in the headers of FASTA files, as reference databases and classifiers write them.
 *
 *     form      header (without '>')                                    id
 *     SINTAX    AB1;tax=d:Bacteria,p:Bacillota,g:Bacillus;              AB1
 *     RDP       S1 Bacillus; 5 <tab> Lineage=Root;rootrank;Bacteria;domain;Firmicutes;phylum  S1
 *     UNITE     Amanita|AB1|SH1.10FU|refs|k__Fungi;p__Basidiomycota     Amanita|AB1|SH1.10FU|refs
 *     DADA2     Bacteria;Bacillota;Bacilli;Bacillales;                  number of the record: 1, …
 *     SILVA     AB1.1.1498 Bacteria;Bacillota;Bacilli;Bacillus cereus   AB1.1.1498
 *     lineage   AB1 d__Bacteria;p__Bacillota [location=1..1498]         AB1
 *
 * SINTAX is also UTAX's; `lineage` is GTDB's and that of RDP's training sets, and begins with a
 * prefix, a root, or a well-known domain. In SILVA, an id is accession.first.last, the ranks
 * above species are those from the domain on, without gaps, and the last name is the organism's:
 * the species. Eukaryotes have more levels than there are ranks there, of which only the first is
 * known: of such a lineage the domain and the organism are kept.
 */
#ifndef DT_TAXONOMY_HEADER_H
#define DT_TAXONOMY_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "core/status.h"
#include "io/fasta.h"

typedef enum {
    DT_HEADER_NONE, /* no lineage in one of these forms */
    DT_HEADER_SINTAX,
    DT_HEADER_RDP,
    DT_HEADER_UNITE,
    DT_HEADER_DADA2,
    DT_HEADER_SILVA,
    DT_HEADER_LINEAGE
} dt_header_form;

/* Returns "SINTAX", …; of DT_HEADER_LINEAGE "id and lineage". */
const char *dt_header_form_name(dt_header_form form);

/* Returns the length of an id without annotations of vsearch and usearch, which are key=value
 * fields after ';' at its end ("a;size=99;sample=B;" is "a"); `length` if there are none. */
size_t dt_bare_id_length(const char *id, size_t length);

/* Returns the form of a record's header. */
dt_header_form dt_header_form_of(const dt_fasta_record *record);

/* Sets `lineage` to that of a header of this form, in the syntax of taxonomy/lineage.h.
 * *shortened: it had more levels than there are ranks. DT_ERR_MEMORY. */
dt_status dt_header_lineage(dt_header_form form, const dt_fasta_record *record, dt_text *lineage,
                            bool *shortened);

/* Replaces the record's id by the one in the table above, and drops the rest of a lineage from the
 * description. `number`: of the record in its file, from 1. DT_ERR_MEMORY. */
dt_status dt_header_set_id(dt_header_form form, dt_fasta_record *record, int64_t number);

#endif
