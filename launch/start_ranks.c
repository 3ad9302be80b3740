#include "launch/start_ranks.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launch/bind.h"
#include "launch/hosts.h"
#include "launch/relay.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/stop.h"

/* ---- checks --------------------------------------------------------------------------------- */

/* Gets "mpiexec (Open MPI) 4.1.4", "HYDRA build details: …"; "" if there is no mpiexec. */
static void ask_mpiexec(char *out, size_t size)
{
    FILE *answer = popen("mpiexec --version 2>/dev/null", "r");
    size_t length = 0;
    if (answer) {
        length = fread(out, 1, size - 1, answer);
        pclose(answer);
    }
    out[length] = '\0';
}

static bool is_open_mpi(const char *mpiexec)
{
    static const char *const names[] = {"Open MPI", "OpenRTE", "PRTE", "prte"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (strstr(mpiexec, names[i]))
            return true;
    return false;
}

dt_status dt_start_allowed(dt_environment lookup, uint32_t uid, const char *mpiexec)
{
    const dt_launch launch = dt_launch_of(lookup);
    if (lookup("SLURM_JOB_ID"))
        return dt_fail(DT_ERR_USAGE,
                       "--gpus, --ranks and --hosts start mpiexec, but this is a Slurm job: omit "
                       "the flag and start the ranks with srun --mpi=pmix "
                       "(slurm/train.sbatch shows how)");
    if (launch.launcher)
        return dt_fail(DT_ERR_USAGE,
                       "--gpus, --ranks and --hosts start mpiexec, but this process was itself "
                       "started by %s: omit the flag",
                       launch.launcher);
    if (uid == 0 && is_open_mpi(mpiexec) &&
        !(lookup("OMPI_ALLOW_RUN_AS_ROOT") && lookup("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")))
        return dt_fail(
            DT_ERR_USAGE,
            "--gpus, --ranks and --hosts: Open MPI's mpiexec does not run as root unless "
            "allowed to: in a container, export OMPI_ALLOW_RUN_AS_ROOT=1 "
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; otherwise run as a normal user");
    return DT_OK;
}

dt_status dt_start_gpus(const dt_start *start, const dt_machine *machine, const char *visible,
                        int32_t *gpu)
{
    const int32_t count = dt_machine_visible_gpus(machine, visible, gpu);
    if (count < start->gpus)
        return dt_fail(DT_ERR_USAGE,
                       "--gpus %d: there %s %d NVIDIA GPU%s%s; use --ranks N for "
                       "ranks without their own GPU",
                       start->gpus, count == 1 ? "is" : "are", count, count == 1 ? "" : "s",
                       visible ? " in CUDA_VISIBLE_DEVICES" : " in this machine");
    return DT_OK;
}

/* ---- the command line ----------------------------------------------------------------------- */

typedef struct {
    char **word;
    size_t count, capacity;
} word_list;

static dt_status add_word(word_list *list, const char *word)
{
    DT_TRY(DT_GROW(list->word, list->capacity, list->count + 2));
    DT_TRY(dt_copy_text(&list->word[list->count], word));
    list->word[++list->count] = NULL;
    return DT_OK;
}

/* Returns true for --gpus, --ranks and --hosts; *words is the number of words: with '=' one, else two. */
static bool is_ours(const char *word, int *words)
{
    static const char *const flags[] = {"--gpus", "--ranks", "--hosts"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i) {
        const size_t length = strlen(flags[i]);
        if (strncmp(word, flags[i], length) != 0 || (word[length] && word[length] != '='))
            continue;
        *words = word[length] ? 1 : 2;
        return true;
    }
    return false;
}

/* Overrides a flag of the --config file, which the ranks read too: they must not start ranks. */
static dt_status add_override(word_list *list, const dt_parsed *parsed, const char *flag,
                              const char *nothing)
{
    char word[32];
    if (!dt_option_given(parsed, flag) || dt_option_typed(parsed, flag))
        return DT_OK;
    snprintf(word, sizeof word, "--%s=%s", flag, nothing);
    return add_word(list, word);
}

/* Adds the program and the user's arguments without --gpus, --ranks and --hosts. */
static dt_status add_program(word_list *list, const dt_start *start, const char *program)
{
    DT_TRY(add_word(list, program));
    for (int i = 1, skip = 0; i < start->parsed->argc; i += skip ? skip : 1, skip = 0)
        if (!is_ours(start->parsed->argv[i], &skip))
            DT_TRY(add_word(list, start->parsed->argv[i]));
    DT_TRY(add_override(list, start->parsed, "gpus", "0"));
    DT_TRY(add_override(list, start->parsed, "ranks", "0"));
    DT_TRY(add_override(list, start->parsed, "hosts", "none"));
    if (start->gpus > 0 && !start->device_given)
        DT_TRY(add_word(list, "--device=cuda")); /* of several, the last one counts */
    return DT_OK;
}

/* Open MPI passes only its own variables on, and starts ranks in another folder where the present
 * one is missing, unless told. MPICH's launcher passes on all variables and the folder. */
static dt_status add_environment(word_list *list, char *const *environment)
{
    char folder[PATH_MAX];
    if (!getcwd(folder, sizeof folder))
        return dt_fail(DT_ERR_IO, "cannot find the working directory: %s", strerror(errno));
    DT_TRY(add_word(list, "--wdir"));
    DT_TRY(add_word(list, folder));
    for (; *environment; ++environment) {
        if (!dt_hosts_passes_on(*environment))
            continue;
        DT_TRY(add_word(list, "-x"));
        DT_TRY(add_word(list, *environment));
        char *last = list->word[list->count - 1];
        last[strcspn(last, "=")] = '\0';
    }
    return DT_OK;
}

static dt_status add_mpiexec(word_list *list, const dt_start *start, int32_t ranks, bool open_mpi,
                             char *const *environment)
{
    char count[16];
    snprintf(count, sizeof count, "%d", ranks);
    const char *const words[] = {"mpiexec", "--bind-to", "none", "-np", count};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
        DT_TRY(add_word(list, words[i]));
    if (!start->hosts)
        return DT_OK;
    DT_TRY(add_word(list, open_mpi ? "--host" : "-hosts"));
    DT_TRY(add_word(list, start->hosts));
    return open_mpi ? add_environment(list, environment) : DT_OK;
}

dt_status dt_start_command(const dt_start *start, const char *program, int32_t ranks, bool open_mpi,
                           char *const *environment, char ***out)
{
    word_list list = {0};
    dt_status status = DT_OK;
    if (ranks > 1 || start->hosts)
        status = add_mpiexec(&list, start, ranks, open_mpi, environment);
    if (status == DT_OK)
        status = add_program(&list, start, program);
    if (status != DT_OK)
        dt_words_free(list.word);
    *out = status == DT_OK ? list.word : NULL;
    return status;
}

void dt_words_free(char **words)
{
    for (char **word = words; word && *word; ++word)
        free(*word);
    free(words);
}

/* ---- running the command -------------------------------------------------------------------- */

static const int stops[] = {SIGTERM, SIGUSR1, SIGINT, SIGHUP};
#define STOPS (sizeof stops / sizeof *stops)

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) != 0 || now.sa_handler == SIG_IGN;
}

/* Returns the signals that request a stop, except those ignored at the start, and SIGCHLD. */
static sigset_t watched_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < STOPS; ++i)
        if (!is_ignored(stops[i]))
            sigaddset(&set, stops[i]);
    signal(SIGCHLD, SIG_DFL); /* if it were ignored, the child could not be waited for */
    sigaddset(&set, SIGCHLD);
    return set;
}

enum { RELAYS = 2 };

/* Setup shared by parent and child. */
typedef struct {
    sigset_t old_mask;
    dt_relay relay[RELAYS]; /* for mpiexec's standard output and error */
} child_setup;

/* In the child: runs the command, which ends with the parent. It gets its own process group so that
 * it does not receive the terminal's Ctrl-C: mpiexec would kill the ranks before they have saved. */
static void become(char **command, const child_setup *setup, pid_t parent)
{
    for (int i = 0; i < RELAYS; ++i)
        dt_relay_take(&setup->relay[i]);
    for (size_t i = 0; i < STOPS; ++i) /* not to the handlers of this program, which goes */
        if (!is_ignored(stops[i]))
            signal(stops[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &setup->old_mask, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent)
        execvp(command[0], command);
    fprintf(
        stderr,
        "deeptaxa: %s: cannot start: %s; several ranks need an MPI library (Debian: openmpi-bin)\n",
        command[0], strerror(errno));
    _exit(1);
}

/* Returns what mpiexec's end means. It and the ranks have no handler for SIGUSR1 at first. */
static int status_of(int ended, int asked)
{
    const int status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    if (!asked || status != 128 + SIGUSR1)
        return status;
    dt_log_error("stopped by %s before the ranks have begun", dt_signal_name(asked));
    return dt_exit_status(DT_STOPPED);
}

/* Asks mpiexec to stop the ranks: it forwards no other signal. */
static void ask(pid_t child, int interrupts)
{
    kill(child, interrupts > 1 ? SIGTERM : SIGUSR1);
}

/* Forwards signals to the child until it ends; returns its exit status. A request is repeated, since
 * mpiexec forwards it to the ranks that run by then, and none may: after 1 s, 2 s, 4 s, … */
static int wait_for(pid_t child, const sigset_t *watched)
{
    enum { LONGEST = 32 };
    int interrupts = 0;
    int asked = 0; /* the signal that was received */
    struct timespec pause = {.tv_sec = 1};
    while (true) {
        int ended;
        const int number = asked ? sigtimedwait(watched, NULL, &pause) : sigwaitinfo(watched, NULL);
        const bool again = number < 0 && errno == EAGAIN;
        if (waitpid(child, &ended, WNOHANG) == child)
            return status_of(ended, asked);
        if (number == SIGINT)
            ++interrupts;
        if (number > 0 && number != SIGCHLD) {
            asked = number;
            ask(child, interrupts);
        } else if (again && pause.tv_sec <= LONGEST) {
            ask(child, interrupts);
            pause.tv_sec *= 2;
        }
    }
}

static dt_status run_command(char **command, int *exit_status)
{
    static const int outputs[] = {STDOUT_FILENO, STDERR_FILENO};
    static child_setup setup; /* must remain valid: see dt_relay_close() */
    const sigset_t watched = watched_signals();
    const pid_t self = getpid();
    for (int i = 0; i < RELAYS; ++i)
        DT_TRY(dt_relay_open(&setup.relay[i], outputs[i]));
    sigprocmask(SIG_BLOCK, &watched, &setup.old_mask);
    const pid_t child = fork();
    if (child < 0)
        return dt_fail(DT_ERR_IO, "cannot start mpiexec: %s", strerror(errno));
    if (child == 0)
        become(command, &setup, self);
    for (int i = 0; i < RELAYS; ++i)
        DT_TRY(dt_relay_start(&setup.relay[i]));
    *exit_status = wait_for(child, &watched);
    for (int i = 0; i < RELAYS; ++i)
        dt_relay_close(&setup.relay[i]);
    return DT_OK;
}

/* Sets the order in which CUDA numbers GPUs, that of sysfs; allows mpiexec to start more ranks on this
 * machine than it has slots, because cores were counted here. Variables set by the user are kept. */
static dt_status set_environment(const dt_start *start)
{
    if ((!start->hosts &&
         (setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0) != 0 || /* Open MPI 4, then 5 */
          setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe", 0) != 0)) ||
        ((start->hosts || start->gpus > 0) && setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 0) != 0))
        return dt_fail(DT_ERR_MEMORY, "out of memory for the environment");
    return DT_OK;
}

/* Divides this machine among the ranks. */
static dt_status plan(const dt_start *start, int32_t *ranks)
{
    int32_t gpu[DT_MACHINE_GPUS];
    dt_machine machine = {0};
    dt_rank_cpus cpus = {0};
    dt_status status;
    *ranks = start->gpus > 0 ? start->gpus : start->ranks;
    DT_TRY_OR(end, dt_machine_read("", NULL, &machine));
    if (start->gpus > 0)
        DT_TRY_OR(end, dt_start_gpus(start, &machine, getenv("CUDA_VISIBLE_DEVICES"), gpu));
    DT_TRY_OR(end, dt_machine_divide(&machine, *ranks, start->gpus > 0 ? gpu : NULL, &cpus));
    if (start->gpus > 0 && start->check)
        DT_TRY_OR(end, start->check(start->options));
    DT_TRY_OR(end, dt_bind_prepare(&cpus));
end:
    dt_rank_cpus_free(&cpus);
    dt_machine_free(&machine);
    return status;
}

/* The ranks of other machines divide those themselves. */
static dt_status plan_hosts(const dt_start *start, int32_t *ranks)
{
    DT_TRY(dt_hosts_count(start->hosts, ranks));
    return dt_bind_prepare(NULL);
}

dt_status dt_start_ranks(const dt_start *start)
{
    char **command = NULL;
    char program[PATH_MAX];
    char mpiexec[1024] = "";
    int32_t ranks;
    int exit_status = 0;
    dt_status status = DT_OK;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return dt_fail(DT_ERR_IO, "cannot find this program: /proc/self/exe: %s", strerror(errno));
    program[length] = '\0';
    if (getuid() == 0 || start->hosts)
        ask_mpiexec(mpiexec, sizeof mpiexec);
    if (start->gpus > 1 || start->ranks > 1 || start->hosts)
        DT_TRY(dt_start_allowed(getenv, getuid(), mpiexec));
    DT_TRY(start->hosts ? plan_hosts(start, &ranks) : plan(start, &ranks));
    DT_TRY(set_environment(start));
    DT_TRY(dt_start_command(start, program, ranks, is_open_mpi(mpiexec), environ, &command));
    if (!start->hosts && ranks == 1) { /* run the program in this process */
        execvp(command[0], command);
        DT_TRY_OR(end, dt_fail(DT_ERR_IO, "%s: cannot start: %s", command[0], strerror(errno)));
    }
    DT_TRY_OR(end, run_command(command, &exit_status));
    dt_log_close();
    exit(exit_status);
end:
    dt_words_free(command);
    return status;
}
