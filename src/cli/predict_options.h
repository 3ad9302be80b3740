/* What `deeptaxa predict` is asked for: its command line, checked. */
#ifndef DT_CLI_PREDICT_OPTIONS_H
#define DT_CLI_PREDICT_OPTIONS_H

#include "options/options.h"

/* Places in the choices of --lineage. */
typedef enum { DT_LINEAGE_INDEPENDENT, DT_LINEAGE_CONSISTENT } dt_lineage_choice;

/* Places in the choices of --format. */
typedef enum { DT_FORMAT_DEEPTAXA, DT_FORMAT_QIIME2 } dt_predict_format;

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *fasta_file;    /* never NULL; "-": standard input */
    dt_texts checkpoint;       /* one or more: several vote */
    const char *taxonomy_file; /* true labels; NULL: none */
    const char *output_dir;    /* never NULL */
    bool tabular;              /* a TSV beside the JSON */
    int format;                /* dt_predict_format */
    bool export_sequence_embeddings;
    dt_ints tabular_fields;        /* dt_column, in this order */
    int lineage;                   /* dt_lineage_choice */
    int64_t min_length;            /* bases of the sequences that are predicted; 0: any */
    int64_t top_k;                 /* for top-k accuracy */
    double confidence_threshold;   /* [0, 1] */
    dt_doubles level_temperatures; /* by taxonomic rank; count 0: 1 at every rank */
    bool use_raw_labels_for_true;
    int orientation; /* dt_orientation, where it was given; else as the model was trained */

    int64_t batch_size;
    int device;      /* place in auto|cpu|cuda; dt_option_choice() names it for dt_backend_open() */
    int precision;   /* dt_precision */
    int attention;   /* dt_attention_method */
    int64_t threads; /* 0: all that the process may use */
    int64_t num_workers; /* tokenising threads; 0: as many as `threads` */
    bool profile;
    const char *profile_trace; /* implies profile; NULL: no trace */
    bool verbose;
} dt_predict_options;

extern const dt_command dt_predict_command;

#endif
