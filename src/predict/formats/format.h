/* The formats of other programs in which `predict --format` writes predictions: one file of code
 * each in this folder, listed in one table (format.c). Each writes one file, from the results of
 * all sequences (predict/spool.h), once the last sequence is predicted. docs/files.md "Formats of
 * other programs" has their columns.
 *
 * What they have in common: a lineage ends before the first taxonomic rank whose confidence is
 * below the threshold, that is left unassigned (predict --min-similarity), or whose label is
 * `Unclassified` (predict/formats/taxon.h). Where sequences
 * are counted, each counts as often as an annotation `;size=N` of its id says, otherwise once.
 */
#ifndef DT_PREDICT_FORMATS_FORMAT_H
#define DT_PREDICT_FORMATS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "io/output.h"
#include "predict/spool.h"
#include "taxonomy/lineage_tree.h"
#include "taxonomy/taxonomy.h"

/* The choices of --format; the first one is DeepTaxa's own files alone. */
#define DT_FORMAT_NAMES "deeptaxa|qiime2|qza|dada2|sintax|biom|kraken"
typedef enum {
    DT_FORMAT_DEEPTAXA,
    DT_FORMAT_QIIME2,
    DT_FORMAT_QZA,
    DT_FORMAT_DADA2,
    DT_FORMAT_SINTAX,
    DT_FORMAT_BIOM,
    DT_FORMAT_KRAKEN,
    DT_FORMATS
} dt_format_choice;

/* The confidence at which lineages end without --confidence-threshold: QIIME 2's default. */
#define DT_LINEAGE_CONFIDENCE 0.7

/* What a format is written from. */
typedef struct {
    dt_spool *spool;
    const dt_taxonomy *taxonomy;
    const dt_lineage_tree *lineages; /* of the model; tax_ranks 0: it has none */
    double threshold;                /* of the confidence */
    const char *sample;              /* name of the FASTA file, without folder and extensions */
    const char *folder;              /* for temporary files */
    const char *run_id;              /* a UUID with '_' for '-' (core/uuid.h) */
    const char *version;             /* of this program */
    int64_t began, ended;            /* of the prediction, seconds since 1970 */
} dt_format_source;

typedef struct {
    const char *suffix; /* of the file: <name>_deeptaxa_predictions.<suffix>; NULL: no file */
    const char *reader; /* the program that accepts an id only once; NULL: ids may repeat */
    bool numbers;       /* needs the numbers of different sequences (dt_spool_row.number) */
    bool sequences;     /* and the sequences */
    /* Writes the whole file to `out`, which the caller completes. DT_ERR_MEMORY, DT_ERR_IO. */
    dt_status (*write)(const dt_format_source *source, dt_output *out);
} dt_format;

extern const dt_format dt_formats[DT_FORMATS];

/* The writers, in the file of the format's name. */
dt_status dt_write_qiime2(const dt_format_source *source, dt_output *out);
dt_status dt_write_qza(const dt_format_source *source, dt_output *out);
dt_status dt_write_dada2(const dt_format_source *source, dt_output *out);
dt_status dt_write_sintax(const dt_format_source *source, dt_output *out);
dt_status dt_write_biom(const dt_format_source *source, dt_output *out);
dt_status dt_write_kraken(const dt_format_source *source, dt_output *out);

#endif
