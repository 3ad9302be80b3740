/* What `deeptaxa predict` says of its results. */
#ifndef DT_CLI_PREDICT_REPORT_H
#define DT_CLI_PREDICT_REPORT_H

#include "predict/results.h"

/* Logs the table of scores and metrics by rank, how far lineages differ from what each rank by itself
 * would say, and the names of the files. */
dt_status dt_show_predictions(const dt_results *results);

#endif
