/* Descriptions of the ranks for the user. */
#ifndef DT_RANKS_REPORT_H
#define DT_RANKS_REPORT_H

#include "comm.h"
#include "core/memory.h"
#include "ranks/ranks.h"

/* Adds the description of the ranks shown before training, one line per host and device. */
dt_status dt_ranks_report(dt_text *out, const dt_comm *comm, const dt_rank_info *infos,
                          int32_t batch_size);

/* Adds how ranks communicate, and a table of them: host, PCI address of the GPU, processors, device,
 * network, version and commit of the program. */
dt_status dt_ranks_table(dt_text *out, const dt_comm *comm, const dt_rank_info *infos);

#endif
