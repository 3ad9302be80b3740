/* Measures the operations of a backend: wrappers take their places in its table.
 *
 * What computes is measured, and what copies or waits; the other operations stay the backend's own.
 * On a device whose work is asynchronous an operation is enclosed by two of the backend's events,
 * which are read later, when it is long over; elsewhere the host's clock is read. Nothing waits for
 * that. While the profile runs, steps are not recorded as graphs, whose operations cannot be told
 * apart, but launched one operation after the other; the results are the same.
 *
 * Matrix products belong to the part of the model whose parameters they read, which
 * dt_profiled_backend_parameters() tells by their names.
 */
#ifndef DT_PROFILE_PROFILED_BACKEND_H
#define DT_PROFILE_PROFILED_BACKEND_H

#include "backend.h"
#include "model/params.h"
#include "profile/profile.h"

/* Measures `backend` from now on, until its destroy(). Does nothing where profile is NULL. On failure
 * the backend stays what it was. The profile must live as long as the backend; it has one device
 * lane, which several backends share. */
dt_status dt_profiled_backend(dt_backend *backend, dt_profile *profile);

/* Names the parameters; the table must live as long as operations are called. Does nothing where the
 * profile is NULL; else `backend` is measured. */
void dt_profiled_backend_parameters(dt_backend *backend, const dt_profile *profile,
                                    const dt_param_table *parameters);

/* Waits for the device, and adds the operations that were not read yet to the profile. As above. */
dt_status dt_profiled_backend_collect(dt_backend *backend, const dt_profile *profile);

#endif
