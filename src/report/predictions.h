/* A prediction, counted for the report from `<name>_deeptaxa_predictions.json` (docs/files.md
 * "Prediction"), which is read as a stream, so that memory depends on the labels alone.
 *
 *     file, sequences
 *     ranks                [name, …] of the taxonomic ranks, highest first
 *     threshold            --confidence-threshold; null: unknown
 *     summary              [[name, value as text], …]
 *     by_rank              [{labels, unanswered, bins, right, compared, correct, stats,
 *                            calibration, pairs, different_pairs}, …]
 *         labels               number of labels that were predicted
 *         unanswered           sequences below the threshold, or predicted as `Unclassified`
 *         bins, right          [number, …] of sequences by confidence, in 200 equal intervals;
 *                              of those that are right. `compared` have a true label, `correct` are
 *                              right
 *         stats                the file's performance_stats of the rank; null: none
 *         calibration          {count, right, confidence} of ten intervals (eval/metrics.h), of the
 *                              sequences whose true label the model knows; `error` is the ECE, null
 *                              without true labels
 *         pairs                [[true label, predicted label, sequences, the model knows it], …],
 *                              the most frequent errors
 *     depth                [sequences without an answer at any rank, with answers at the first 1,
 *                          2, … ranks]
 *     unanswered           [[id, length, label at the first rank, confidence], …] of those without
 *                          any
 *     composition          (composition.h)
 *
 * An answer is a label other than `Unclassified` whose confidence reaches the threshold.
 */
#ifndef DT_REPORT_PREDICTIONS_H
#define DT_REPORT_PREDICTIONS_H

#include "core/status.h"
#include "io/json_writer.h"

/* Adds the prediction as a value. `path` is an output directory of `predict` with one prediction,
 * or its JSON file. DT_ERR_INPUT, with the file, if there is none, or it is not of this form. */
dt_status dt_report_predictions(dt_json *json, const char *path);

#endif
