/* Measures the operations of a backend by replacing functions in its table with wrappers.
 *
 * The operations that compute, copy or wait are measured; the others remain those of the backend.
 * On an asynchronous device an operation is enclosed by two of the backend's events, which are read
 * later, when it has long finished; otherwise the host's clock is used. Measuring therefore never
 * waits for the device. While the profile runs, steps are not recorded as graphs, whose operations
 * could not be told apart, but launched operation by operation; the results are the same.
 *
 * A matrix product is assigned to the category of the parameters that it reads, identified by their
 * names (dt_profiled_backend_parameters()).
 */
#ifndef DT_PROFILE_PROFILED_BACKEND_H
#define DT_PROFILE_PROFILED_BACKEND_H

#include "backend.h"
#include "model/params.h"
#include "profile/profile.h"

/* Measures `backend` from now on, until its destroy(). Does nothing if profile is NULL. On failure
 * the backend is unchanged. The profile must outlive the backend; it has one device track, which
 * several backends share. */
dt_status dt_profiled_backend(dt_backend *backend, dt_profile *profile);

/* Sets the table of parameter names, which must stay valid as long as operations are called. Does
 * nothing if the profile is NULL; otherwise `backend` must be a measured one. */
void dt_profiled_backend_parameters(dt_backend *backend, const dt_profile *profile,
                                    const dt_param_table *parameters);

/* Waits for the device and adds the pending operations to the profile. Same conditions. */
dt_status dt_profiled_backend_collect(dt_backend *backend, const dt_profile *profile);

#endif
