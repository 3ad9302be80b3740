/* A set that several processes tokenise: each tokenises a share of the sequences, and the tokens
 * are exchanged at the end. Every process reads the whole FASTA file, since reading is fast
 * compared with tokenising.
 */
#ifndef DT_DATA_TOKEN_SHARES_H
#define DT_DATA_TOKEN_SHARES_H

#include <stdbool.h>
#include <stdint.h>

#include "comm.h"
#include "data/dataset.h"

/* Returns the process that tokenises sequence i: 32 consecutive sequences each, in turn. */
static inline int32_t dt_token_owner(int64_t i, int32_t world_size)
{
    return (int32_t)(i / 32 % world_size);
}

/* Returns true if this process tokenises sequence i; comm NULL: one process. */
static inline bool dt_owns_tokens(const dt_comm *comm, int64_t i)
{
    return !comm || dt_token_owner(i, comm->world_size) == comm->world_rank;
}

/* Collective. Before the call, dataset->tokens, offsets and bases of each process describe only its
 * own sequences. Afterwards world_rank 0 has the tokens of all sequences, in their order; with
 * `everywhere` all processes have, otherwise `tokens` is NULL on the others. If there is too little
 * memory, *agreed is set (dt_agree). */
dt_status dt_token_shares_join(dt_dataset *dataset, dt_comm *comm, bool everywhere, bool *agreed);

#endif
