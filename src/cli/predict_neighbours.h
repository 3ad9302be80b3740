/* The neighbours of a prediction: the references of the first model, and how they vote. */
#ifndef DT_CLI_PREDICT_NEIGHBOURS_H
#define DT_CLI_PREDICT_NEIGHBOURS_H

#include <stdbool.h>

#include "cli/predict_options.h"
#include "predict/loaded_model.h"
#include "predict/neighbours.h"
#include "predict/results.h"

/* Free with dt_close_neighbours(), also on failure; a zeroed one is allowed. Must not be moved. */
typedef struct {
    dt_reference_set set;
    dt_neighbour_index *index;
    dt_neighbour_use use; /* count 0: none */
    bool fitted;          /* calibrate has found its numbers */
    char given[96]; /* the flags that replace some of them: "--neighbours, --neighbour-weight" */
    double temperature; /* of lineages (run/run.h) beside them */
    bool limits;        /* min_similarity is in use */
    double min_similarity[DT_MAX_TAX_RANKS];
} dt_predict_neighbours;

/* Reads the references and indexes them in `threads` threads; does nothing without --neighbours.
 * What the command line does not say is as calibrate stored it in the model, else the default
 * (neighbours/use.h). DT_ERR_INPUT if the model has no references, or nothing for --min-similarity
 * auto. */
dt_status dt_open_neighbours(dt_predict_neighbours *neighbours, const dt_predict_options *options,
                             const dt_loaded_model *model, int threads);
void dt_close_neighbours(dt_predict_neighbours *neighbours);

/* Logs how neighbours vote, before a prediction. */
void dt_show_neighbours(const dt_predict_neighbours *neighbours);

/* Logs, after it, how many of its sequences are references themselves, a warning if their accuracy
 * was measured, and how many ranks are left unassigned. `file`: the input. */
void dt_report_nearest(const dt_predict_neighbours *neighbours, const dt_results *results,
                       const char *file);

#endif
