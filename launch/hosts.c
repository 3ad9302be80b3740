#include "launch/hosts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RANKS 1048576

static dt_status not_a_list(const char *hosts)
{
    return dt_fail(DT_ERR_USAGE,
                   "--hosts %.200s: expected HOST:N,HOST:N…, with N processes on each host, for "
                   "example a:8,b:8",
                   hosts);
}

dt_status dt_hosts_count(const char *hosts, int32_t *ranks)
{
    int64_t count = 0;
    for (const char *at = hosts;; ++at) {
        const size_t name = strcspn(at, ":,");
        long here = 1;
        for (size_t i = 0; i < name; ++i)
            if (!isalnum((unsigned char)at[i]) && !strchr(".-_", at[i]))
                return not_a_list(hosts);
        if (!name || at[0] == '-')
            return not_a_list(hosts);
        at += name;
        if (*at == ':') {
            char *end;
            here = isdigit((unsigned char)at[1]) ? strtol(at + 1, &end, 10) : 0;
            if (here < 1 || here > MOST_RANKS)
                return not_a_list(hosts);
            at = end;
        }
        count += here;
        if (count > MOST_RANKS || (*at && *at != ','))
            return not_a_list(hosts);
        if (!*at)
            break;
    }
    *ranks = (int32_t)count;
    return DT_OK;
}

bool dt_hosts_passes_on(const char *variable)
{
    static const char *const beginnings[] = {"DEEPTAXA_", "OMP_",  "CUDA_", "NCCL_",
                                             "UCX_",      "GOMP_", "PATH=", "LD_LIBRARY_PATH="};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; ++i)
        if (strncmp(variable, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}
