#include "cli/device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/installation.h"
#include "cli/shared_options.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/module.h"

#define WHY 512

/* ---- the test, in a process of its own ------------------------------------------------------- */

extern char **environ;

/* Starts the program with its standard error in a pipe, of which *from is the end to read.
 * posix_spawn() rather than fork(): it does not copy memory that a network card has registered. */
static bool start(const char *program, char *const *arguments, pid_t *child, int *from)
{
    posix_spawn_file_actions_t files;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
    const int code = posix_spawn(child, program, &files, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    *from = ends[0];
    if (code != 0) {
        close(ends[0]);
        errno = code;
    }
    return code == 0;
}

/* Reads until the other end is closed, into `text` what fits. Returns false if that takes until
 * `end`. */
static bool read_all(int from, double end, char *text, size_t size)
{
    size_t length = 0;
    for (double left; (left = end - dt_seconds()) > 0;) {
        char rest[512];
        const bool full = length + 1 == size;
        struct pollfd ready = {.fd = from, .events = POLLIN};
        if (poll(&ready, 1, (int)(1e3 * left) + 1) <= 0)
            continue;
        const ssize_t got =
            read(from, full ? rest : text + length, full ? sizeof rest : size - length - 1);
        if (got == 0)
            return true;
        if (got > 0 && !full)
            length += (size_t)got;
        text[length] = '\0';
    }
    return false;
}

/* Waits for the end of the child until `end`. */
static bool wait_until(pid_t child, double end, int *status)
{
    for (;;) {
        if (waitpid(child, status, WNOHANG) == child)
            return true;
        if (dt_seconds() > end)
            return false;
        usleep(2000);
    }
}

/* Returns the verdict of a program that ended with `status` after it had written `text`. */
static dt_gpu_verdict judge(int status, const char *text, char *why, size_t size)
{
    static const char mark[] = "deeptaxa selftest: ";
    const char *message = strstr(text, mark);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return DT_GPU_PASSED;
    if (WIFSIGNALED(status))
        snprintf(why, size, "it was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (!message)
        snprintf(why, size, "it ended with status %d", WEXITSTATUS(status));
    else
        snprintf(why, size, "%.*s", (int)strcspn(message + sizeof mark - 1, "\n"),
                 message + sizeof mark - 1);
    return strcmp(why, DT_NO_GPU) == 0 ? DT_GPU_NONE : DT_GPU_FAILED;
}

dt_gpu_verdict dt_test_gpu(const char *program, int32_t number, int32_t threads, double seconds,
                           char *why, size_t size)
{
    char number_flag[48];
    char threads_flag[48];
    char text[4096] = "";
    char name[] = "deeptaxa-selftest";
    char quick_flag[] = "--quick";
    char *const arguments[] = {name, quick_flag, number_flag, threads_flag, NULL};
    const double end = dt_seconds() + seconds;
    pid_t child;
    int from;
    int status = 0;
    snprintf(number_flag, sizeof number_flag, "--device-number=%d", number);
    snprintf(threads_flag, sizeof threads_flag, "--threads=%d", threads);
    if (!start(program, arguments, &child, &from)) {
        snprintf(why, size, "%s: cannot start: %s", program, strerror(errno));
        return DT_GPU_FAILED;
    }
    const bool ended = read_all(from, end, text, sizeof text) && wait_until(child, end, &status);
    close(from);
    if (ended)
        return judge(status, text, why, size);
    kill(child, SIGKILL);
    wait_until(child, dt_seconds() + 1.0, &status); /* not for ever: it may be inside the driver */
    snprintf(why, size, "it did not finish within %g seconds", seconds);
    return DT_GPU_FAILED;
}

/* ---- what asks for GPUs ---------------------------------------------------------------------- */

const char *dt_slurm_gpus(char *(*lookup)(const char *name))
{
    /* of a step; of a batch script; of this node; as requested by sbatch, salloc or srun */
    static const char *const names[] = {
        "SLURM_STEP_GPUS",     "SLURM_JOB_GPUS",      "SLURM_GPUS_ON_NODE",   "SLURM_GPUS",
        "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_TASK", "SLURM_GPUS_PER_SOCKET"};
    for (size_t i = 0; lookup("SLURM_JOB_ID") && i < sizeof names / sizeof *names; ++i) {
        const char *value = lookup(names[i]);
        const bool list = i < 2; /* of GPU numbers, where 0 is one */
        if (value && *value && (list || strcmp(value, "0") != 0))
            return names[i];
    }
    return NULL;
}

/* ---- the decision ---------------------------------------------------------------------------- */

/* What a rank knows. */
typedef struct {
    int32_t verdict; /* dt_gpu_verdict */
    char host[64];
    char asked_by[32]; /* "": nothing asks for GPUs */
    char why[WHY];     /* if not passed */
} rank_gpu;

static rank_gpu look_at_own(const dt_device_wish *wish, const dt_comm *comm)
{
    rank_gpu own = {.verdict = DT_GPU_NONE};
    char folder[PATH_MAX];
    char program[PATH_MAX + 32];
    const char *asked_by = wish->asked_by ? wish->asked_by : dt_slurm_gpus(getenv);
    snprintf(own.asked_by, sizeof own.asked_by, "%s", asked_by ? asked_by : "");
    snprintf(own.host, sizeof own.host, "%s", comm ? comm->host : "");
    if (!dt_module_present("cuda")) {
        snprintf(own.why, sizeof own.why, "this installation has no CUDA backend");
        return own;
    }
    if (dt_program_folder(folder, sizeof folder) != DT_OK) {
        snprintf(own.why, sizeof own.why, "%s", dt_error_message());
        return own;
    }
    snprintf(program, sizeof program, "%s/deeptaxa-selftest", folder);
    own.verdict = (int32_t)dt_test_gpu(program, comm ? comm->local_rank : 0, (int32_t)wish->threads,
                                       DT_GPU_SECONDS, own.why, sizeof own.why);
    return own;
}

/* Returns a rank with this verdict; -1: none has it. */
static int32_t first_with(const rank_gpu *all, int32_t ranks, dt_gpu_verdict verdict)
{
    for (int32_t q = 0; q < ranks; ++q)
        if (all[q].verdict == (int32_t)verdict)
            return q;
    return -1;
}

/* Says why rank q keeps the run from using GPUs: "rank 1's (node7) GPU has not passed the
 * self-test: …" */
static void explain(const rank_gpu *all, int32_t ranks, int32_t q, char *out, size_t size)
{
    char of[96] = "the";
    if (ranks > 1)
        snprintf(of, sizeof of, "rank %d's (%s)", q, all[q].host);
    if (all[q].verdict == DT_GPU_FAILED)
        snprintf(out, size, "%s GPU has not passed the self-test: %s", of, all[q].why);
    else if (ranks > 1)
        snprintf(out, size, "rank %d (%s): %s", q, all[q].host, all[q].why);
    else
        snprintf(out, size, "%s", all[q].why);
}

/* Equal on all ranks. */
static dt_status decide(const rank_gpu *all, int32_t ranks, char device[DT_DEVICE_NAME])
{
    char why[WHY + 256];
    const int32_t failed = first_with(all, ranks, DT_GPU_FAILED);
    const int32_t none = first_with(all, ranks, DT_GPU_NONE);
    const bool passed = failed < 0 && none < 0;
    snprintf(device, DT_DEVICE_NAME, "%s", passed ? "cuda" : "cpu");
    if (passed)
        return DT_OK;
    explain(all, ranks, failed >= 0 ? failed : none, why, sizeof why);
    for (int32_t q = 0; q < ranks; ++q)
        if (all[q].asked_by[0])
            return dt_fail(DT_ERR_DEVICE,
                           "%s asks for GPUs, but %s: see `deeptaxa selftest`; --device cpu does "
                           "without, --device cuda skips the test",
                           all[q].asked_by, why);
    if (failed >= 0 || first_with(all, ranks, DT_GPU_PASSED) >= 0)
        dt_notice("using the CPU: %s: see `deeptaxa selftest`; --device cpu skips the test", why);
    return DT_OK;
}

dt_status dt_choose_device(const dt_device_wish *wish, dt_comm *comm, bool *agreed,
                           char device[DT_DEVICE_NAME])
{
    dt_option_choice(wish->command, "device", wish->choice, device, DT_DEVICE_NAME);
    if (wish->choice != DT_DEVICE_AUTO)
        return DT_OK;
    rank_gpu own = look_at_own(wish, comm);
    if (!comm)
        return decide(&own, 1, device);
    rank_gpu *all;
    DT_TRY(DT_NEW(all, (size_t)comm->world_size));
    dt_status status = dt_gather_all(comm, &own, sizeof own, all);
    if (status == DT_OK) {
        status = decide(all, comm->world_size, device);
        *agreed = status != DT_OK;
    }
    free(all);
    return status;
}
