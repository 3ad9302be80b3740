/* deeptaxa selftest: compares a device with the CPU, and checks the communication of ranks. */
#include "cli/selftest_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend.h"
#include "cli/device.h"
#include "cli/selftest_ranks.h"
#include "cli/threads.h"
#include "cli/verdict_cache.h"
#include "comm.h"
#include "core/launcher.h"
#include "core/log.h"
#include "core/module.h"
#include "core/version.h"
#include "launch/bind.h"
#include "launch/start_ranks.h"
#include "selftest/selftest.h"

/* ---- --quick --------------------------------------------------------------------------------- */

static dt_status no_gpu(void)
{
    return dt_fail(DT_ERR_DEVICE, DT_NO_GPU);
}

/* Returns whether NVIDIA's driver runs, on Linux or in Windows' subsystem for it. */
static bool driver_runs(void)
{
    return access("/proc/driver/nvidia/version", F_OK) == 0 || access("/dev/dxg", F_OK) == 0;
}

/* Writes everything that the result of a test may depend on. A module that cannot be loaded, for want
 * of NVIDIA's libraries, matters only where there is NVIDIA's driver. */
static dt_status make_key(const dt_selftest_options *o, dt_text *key)
{
    char device[1024];
    char build[96];
    void *symbol;
    const dt_backend_options options = {.device = (int32_t)o->device_number, .round_robin = true};
    if (dt_module_symbol(o->device, "dt_backend_module", &symbol) != DT_OK && !driver_runs())
        return no_gpu();
    DT_TRY(dt_backend_identify(o->device, &options, device, sizeof device));
    if (device[0] == '\0')
        return no_gpu();
    dt_module_build(o->device, build, sizeof build);
    return dt_text_addf(key, "%s\nDeepTaxa-MPI %s, commit %s, module of %s\n", device, dt_version(),
                        dt_commit(), build);
}

static dt_status run_quick(const dt_selftest_options *o, const dt_selftest_plan *plan)
{
    dt_text key = {0};
    dt_selftest result;
    dt_status status = make_key(o, &key);
    if (status == DT_OK && !dt_verdict_known(key.data)) {
        status = dt_selftest_run(plan, &result);
        if (status == DT_OK)
            status = dt_selftest_verdict(&result);
        if (status == DT_OK)
            dt_verdict_keep(key.data);
    }
    dt_text_free(&key);
    return status;
}

/* ---- all checks ------------------------------------------------------------------------------ */

static dt_status print_checks(const dt_selftest *result)
{
    printf("%-8s %-7s %-60s %10s  %7s  Result\n", "Model", "Format", "Check", "Difference",
           "Allowed");
    for (int32_t i = 0; i < result->checks; ++i) {
        const dt_check *c = &result->check[i];
        printf("%-8s %-7s %-60s %10.2g  %7.2g  %s\n", c->model, c->format, c->name, c->difference,
               c->allowed, c->passed ? "passed" : "FAILED");
    }
    return dt_print("");
}

/* Tests the device of this process. */
static dt_status test_device(const dt_selftest_plan *plan, dt_selftest *result)
{
    DT_TRY(dt_selftest_run(plan, result));
    return dt_selftest_verdict(result);
}

static dt_status test_alone(const dt_selftest_plan *plan)
{
    dt_selftest result;
    DT_TRY(dt_selftest_run(plan, &result));
    DT_TRY(print_checks(&result));
    return dt_selftest_verdict(&result);
}

/* Collective, as far as the ranks agree. Reports the devices before they work: a device that hangs is
 * then known. */
static dt_status test_ranks(const dt_selftest_options *o, dt_selftest_plan *plan, dt_comm *comm,
                            dt_backend **backend, bool *agreed)
{
    dt_selftest result = {0};
    const dt_backend_options options = {.threads = plan->threads,
                                        .device = plan->number,
                                        .round_robin = true,
                                        .training = true,
                                        .precision = DT_PRECISION_FP32};
    DT_TRY(dt_agree(comm, dt_sums_open(backend, o->device, &options), agreed));
    DT_TRY(comm->ops->attach(comm, *backend));
    DT_TRY(dt_ranks_print(comm, *backend));
    const dt_status tested = test_device(plan, &result);
    DT_TRY(dt_results_print(comm, &result, tested));
    DT_TRY(dt_sums_test(comm, *backend, agreed));
    return dt_agree(comm, tested, agreed);
}

/* Rank 0 gives up first: it can name the rank for which it waits. */
static double patience(const dt_selftest_options *o)
{
    return dt_launch_of(getenv).rank == 0 ? o->collective_timeout : 2.0 * o->collective_timeout;
}

static dt_status run_checks(const dt_selftest_options *o, dt_selftest_plan *plan)
{
    dt_comm *comm;
    dt_backend *backend = NULL;
    bool agreed = false;
    DT_TRY(dt_comm_open(&(dt_comm_options){.collective_timeout = patience(o)}, &comm));
    dt_log_quiet(comm->world_rank != 0);
    plan->number += comm->local_rank;
    dt_status status =
        comm->world_size == 1 ? test_alone(plan) : test_ranks(o, plan, comm, &backend, &agreed);
    if (status != DT_OK && !agreed)
        comm->ops->abort(comm, status, dt_error_message());
    if (status != DT_OK && comm->world_size > 1)
        dt_command_report_error(o);
    comm->ops->destroy(comm);
    if (backend)
        backend->ops->destroy(backend);
    return status;
}

static dt_status run(const void *parsed)
{
    const dt_selftest_options *o = parsed;
    char note[DT_THREAD_NOTE];
    int threads;
    const dt_start start = {.parsed = &o->parsed,
                            .gpus = (int32_t)o->gpus,
                            .ranks = (int32_t)o->ranks,
                            .device_given = dt_option_given(&o->parsed, "device")};
    if (start.gpus > 0 || start.ranks > 0)
        return dt_start_ranks(&start);
    DT_TRY(dt_bind_rank());
    DT_TRY(
        dt_plan_threads(&(dt_thread_wish){.asked = o->threads, .ranks = {1, 1}}, &threads, note));
    dt_selftest_plan plan = {.device = o->device,
                             .number = (int32_t)o->device_number,
                             .threads = threads,
                             .quick = o->quick};
    return o->quick ? run_quick(o, &plan) : run_checks(o, &plan);
}

int main(int argc, char **argv)
{
    dt_selftest_options options;
    return dt_command_main(&dt_selftest_command, argc, argv, &options, run);
}
