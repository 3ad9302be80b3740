#include "beside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(const char *command, const int in[2], const int out[2])
{
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

dt_status dt_beside_start(dt_beside *beside, const char *command)
{
    int in[2];
    int out[2];
    *beside = (dt_beside){0};
    if (pipe(in) != 0 || pipe(out) != 0)
        return dt_fail(DT_ERR_IO, "no pipes: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN); /* a program that has ended is detected by its missing answer */
    beside->pid = fork();
    if (beside->pid == 0)
        become(command, in, out);
    close(in[0]);
    close(out[1]);
    beside->to = fdopen(in[1], "w");
    beside->from = fdopen(out[0], "r");
    if (beside->pid < 0 || !beside->to || !beside->from)
        return dt_fail(DT_ERR_IO, "%s: cannot be started: %s", command, strerror(errno));
    char line[256];
    if (!fgets(line, sizeof line, beside->from) || strncmp(line, "ready ", 6) != 0)
        return dt_fail(DT_ERR_IO, "%s: ended before it was ready", command);
    line[strcspn(line, "\n")] = '\0';
    snprintf(beside->description, sizeof beside->description, "%s", line + 6);
    return DT_OK;
}

dt_status dt_beside_step(dt_beside *beside, int steps, double *seconds)
{
    char line[64];
    fprintf(beside->to, "%d\n", steps);
    if (fflush(beside->to) != 0 || !fgets(line, sizeof line, beside->from))
        return dt_fail(DT_ERR_IO, "the program beside gave no answer");
    *seconds = strtod(line, NULL);
    return *seconds > 0.0 ? DT_OK : dt_fail(DT_ERR_IO, "the program beside answered '%s'", line);
}

void dt_beside_stop(dt_beside *beside)
{
    if (beside->to)
        fclose(beside->to);
    if (beside->from)
        fclose(beside->from);
    if (beside->pid > 0)
        waitpid(beside->pid, NULL, 0);
    *beside = (dt_beside){0};
}
