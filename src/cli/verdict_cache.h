/* Self-tests that devices have passed, kept so that --device auto runs each once: files in
 * $XDG_CACHE_HOME/deeptaxa-mpi, else ~/.cache/deeptaxa-mpi (XDG Base Directory Specification).
 *
 * A key is the text of everything that the result may depend on. Only passed tests are kept: a failed
 * one may have had a cause that is gone (a GPU in use by others), and its repetition takes seconds.
 * A folder that cannot be read or written means that the test is run again, without a message. */
#ifndef DT_CLI_VERDICT_CACHE_H
#define DT_CLI_VERDICT_CACHE_H

#include <stdbool.h>

/* Returns whether a test with this key has passed. */
bool dt_verdict_known(const char *key);

/* Keeps that it has passed. */
void dt_verdict_keep(const char *key);

#endif
