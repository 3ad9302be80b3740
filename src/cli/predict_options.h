/* The checked command line of `deeptaxa predict`. */
#ifndef DT_CLI_PREDICT_OPTIONS_H
#define DT_CLI_PREDICT_OPTIONS_H

#include "options/options.h"
#include "predict/decide.h"

/* Indices into the choices of --extract. */
typedef enum { DT_EXTRACT_NONE, DT_EXTRACT_AUTO } dt_extract_choice;

typedef struct {
    dt_parsed parsed; /* first: which options were given */

    const char *fasta_file;     /* never NULL; "-": standard input */
    dt_texts checkpoint;        /* one, or several for an ensemble */
    dt_texts expect_sha256;     /* of each; count 0: not given */
    const char *taxonomy_file;  /* true labels; NULL: none */
    const char *tokenizer_file; /* of a model that has none; NULL: where the programs look */
    const char *output_dir;     /* never NULL */
    bool tabular;               /* also write a TSV */
    dt_ints format;             /* dt_format_choice */
    bool export_sequence_embeddings;
    dt_ints tabular_fields;        /* dt_column, in this order */
    int lineage;                   /* dt_lineage_choice */
    int64_t min_length;            /* minimum number of bases; 0: none */
    int extract;                   /* dt_extract_choice */
    int64_t top_k;                 /* for top-k accuracy */
    double confidence_threshold;   /* [0, 1] */
    dt_doubles level_temperatures; /* by taxonomic rank; count 0: those of the checkpoint, else 1 */
    const char *neighbours;        /* "off", "auto" or K (dt_predict_asked_neighbours()) */
    double neighbour_weight;       /* these two if given; otherwise as dt_open_neighbours() says */
    double neighbour_exponent;
    bool leave_one_out;
    const char *min_similarity; /* "off", "auto" or numbers, separated by commas */
    bool use_raw_labels_for_true;
    int orientation; /* dt_orientation if given; otherwise as the model was trained */

    int64_t batch_size;
    int device;          /* index into auto|cpu|cuda; dt_option_choice() gives its name */
    int precision;       /* dt_precision */
    int attention;       /* dt_attention_method */
    int64_t threads;     /* 0: all available */
    int64_t num_workers; /* tokenisation threads; 0: same as `threads` */
    bool profile;
    const char *profile_trace; /* implies profile; NULL: no trace */
    bool verbose;
} dt_predict_options;

extern const dt_command dt_predict_command;

/* Returns K of --neighbours; 0: off, -1: auto. */
int32_t dt_predict_asked_neighbours(const dt_predict_options *options);

#endif
