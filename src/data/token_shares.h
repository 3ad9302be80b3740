/* A set that several processes tokenise together: each a part of the sequences, exchanged at the
 * end. Reading a FASTA file is quick beside tokenising it, so every process reads all of it.
 */
#ifndef DT_DATA_TOKEN_SHARES_H
#define DT_DATA_TOKEN_SHARES_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "data/dataset.h"

/* Who tokenises sequence i: 32 in a row, then the next process. */
static inline int32_t dt_token_owner(int64_t i, int32_t world_size)
{
    return (int32_t)(i / 32 % world_size);
}

/* Whether this process does; comm NULL: it is alone. */
static inline bool dt_owns_tokens(const dt_comm *comm, int64_t i)
{
    return !comm || dt_token_owner(i, comm->world_size) == comm->world_rank;
}

/* Collective. dataset->tokens, offsets and bases of each process hold those of its own sequences,
 * and nothing for the others'. Afterwards world_rank 0 has all of them, as if it had tokenised
 * alone; with `everywhere` all processes have. On the others `tokens` is else NULL. Where memory
 * for them is missing, *agreed is set (dt_agree). */
dt_status dt_token_shares_join(dt_dataset *dataset, dt_comm *comm, bool everywhere, bool *agreed);

#endif
