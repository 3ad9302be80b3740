#include "late.h"

#include <stdio.h>

#define LONG_WAIT 3.0        /* seconds */
#define LONG_FIRST_WAIT 10.0 /* before the time of a step is known */
#define SLOW_SUM 30.0        /* with no rank to wait for */
#define BETWEEN_LINES 10.0   /* least seconds from one late rank to the next */
#define SILENCE                                                                                    \
    2.5                   /* without an answer, though rank 0 asks every second; in long waits a
                                third of the wait */
#define LONG_SILENCE 10.0 /* the same for a rank that has begun the operation */
#define MOST_NAMES 3

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Answers follow gradients on a slow network: a rank that has said that it takes part may be silent
 * for longer. */
static bool is_late(const dt_rank_seen *rank, const dt_activity *mine, double now)
{
    const bool takes_part = rank->report.begun >= mine->begun;
    const double silence = larger(takes_part ? LONG_SILENCE : SILENCE, (now - mine->since) / 3);
    return !rank->left && (now - rank->heard > silence || (!rank->report.waits && !takes_part));
}

int dt_late_names(const dt_activity *mine, const dt_rank_seen *seen, int32_t ranks, double now,
                  char *names, size_t size)
{
    size_t length = 0;
    int count = 0;
    names[0] = '\0';
    for (int32_t q = 1; q < ranks; ++q) {
        if (!is_late(&seen[q], mine, now) || ++count > MOST_NAMES || length >= size)
            continue;
        length += (size_t)snprintf(names + length, size - length, "%srank %d on %s",
                                   count > 1 ? ", " : "", q, seen[q].host);
    }
    if (count > MOST_NAMES && length < size)
        snprintf(names + length, size - length, " and %d more", count - MOST_NAMES);
    return count;
}

/* Another rank waits in a sum of gradients that rank 0 has not begun. */
static bool rank0_is_wanted(const dt_activity *mine, const dt_rank_seen *seen, int32_t ranks)
{
    for (int32_t q = 1; q < ranks && !mine->what; ++q)
        if (seen[q].report.gradients && seen[q].report.begun > mine->begun)
            return true;
    return false;
}

/* The start of the present wait, whether of rank 0 or for it; 0: there is none. */
static double wait_begin(dt_late *late, const dt_activity *mine, const dt_rank_seen *seen,
                         int32_t ranks, double now)
{
    if (!rank0_is_wanted(mine, seen, ranks))
        late->rank0_wanted = 0;
    else if (late->rank0_wanted == 0)
        late->rank0_wanted = now;
    return mine->what ? mine->since : late->rank0_wanted;
}

static bool end_wait(dt_late *late, double end, char *line, size_t size)
{
    const bool say = late->reported && late->names[0];
    if (say)
        snprintf(line, size, "%s %s back after %.0f s", late->names, late->several ? "are" : "is",
                 end - late->wait);
    late->wait = 0;
    late->reported = false;
    return say;
}

/* A long wait: names those it is for. Returns false if it is for none, and not yet worth a line. */
static bool tell(dt_late *late, const dt_activity *mine, const dt_rank_seen *seen, int32_t ranks,
                 double now, char *line, size_t size)
{
    const double waited = now - late->wait;
    int count = 1;
    if (mine->what)
        count = dt_late_names(mine, seen, ranks, now, late->names, sizeof late->names);
    else
        snprintf(late->names, sizeof late->names, "rank 0 on %s", seen[0].host);
    if (count == 0 && waited < SLOW_SUM)
        return false;
    if (count == 0)
        snprintf(line, size,
                 "%s has lasted for %.0f s, and no rank is late: the network or a device is slow",
                 mine->what, waited);
    else
        snprintf(line, size, "waiting for %s since %.0f s (%s)", late->names, waited,
                 mine->what ? mine->what : "the sum of gradients");
    late->several = count > 1;
    return true;
}

bool dt_late_look(dt_late *late, const dt_activity *mine, const dt_rank_seen *seen, int32_t ranks,
                  double now, char *line, size_t size)
{
    const double begin = wait_begin(late, mine, seen, ranks, now);
    if (begin != late->wait && end_wait(late, begin > 0 ? begin : now, line, size))
        return true; /* the present wait is looked at the next time */
    late->wait = begin;
    const double limit = mine->step > 0 ? larger(LONG_WAIT, 2 * mine->step) : LONG_FIRST_WAIT;
    if (begin == 0 || late->reported || now - begin < limit ||
        (late->told > 0 && now - late->told < BETWEEN_LINES))
        return false;
    late->reported = tell(late, mine, seen, ranks, now, line, size);
    if (late->reported)
        late->told = now;
    return late->reported;
}
