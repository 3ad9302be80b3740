/* A stand-in for a backend that measures every operation and passes it on.
 *
 * It has the backend's table, of functions of its own: an operation that the table gains has to be
 * added there, or the stand-in does not have it (the test compares them). On a device whose work is
 * asynchronous an operation stands between two of the backend's events, and is read later, when it
 * is long over; elsewhere by the clock. Nothing waits for that. While the profile runs, steps are
 * not recorded as graphs, into which nobody can look, but asked for one operation after the other;
 * the results are the same.
 *
 * Matrix products belong to the part of the model whose parameters they read, which
 * dt_profiled_backend_parameters() tells by their names.
 */
#ifndef DT_PROFILE_PROFILED_BACKEND_H
#define DT_PROFILE_PROFILED_BACKEND_H

#include "backend.h"
#include "model/params.h"
#include "profile/profile.h"

/* Puts a stand-in into the place of *backend, which owns it from now on; its destroy() ends both.
 * Does nothing where profile is NULL. On failure *backend stays what it was. The profile, which
 * must live as long, has one device lane: several backends share it. */
dt_status dt_profiled_backend(dt_backend **backend, dt_profile *profile);

/* Names the parameters; the table must live as long as operations are asked for. Does nothing where
 * the profile is NULL; else `backend` is a stand-in. */
void dt_profiled_backend_parameters(dt_backend *backend, const dt_profile *profile,
                                    const dt_param_table *parameters);

/* Waits for the device, and takes what was not read yet into the profile. As above. */
dt_status dt_profiled_backend_collect(dt_backend *backend, const dt_profile *profile);

#endif
