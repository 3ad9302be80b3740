#include "data/token_shares.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* Sets offsets and bases of all sequences, and the bytes of tokens of each process. `length`
 * (2, count): tokens and letters of this process's sequences, 0 for the others. */
static dt_status sum_lengths(dt_dataset *dataset, dt_comm *comm, double *length, int64_t *bytes)
{
    const int64_t count = dataset->count;
    DT_TRY(comm->ops->sum(comm, length, 2 * count));
    for (int64_t i = 0; i < count; ++i) {
        const int64_t tokens = (int64_t)length[i];
        dataset->offsets[i + 1] = dataset->offsets[i] + tokens;
        dataset->bases[i] = (int32_t)length[count + i];
        bytes[dt_token_owner(i, comm->world_size)] += tokens * (int64_t)sizeof *dataset->tokens;
    }
    return DT_OK;
}

static dt_status join_lengths(dt_dataset *dataset, dt_comm *comm, int64_t *bytes)
{
    double *length;
    DT_TRY(DT_NEW(length, 2 * (size_t)dataset->count));
    for (int64_t i = 0; i < dataset->count; ++i) {
        length[i] = (double)(dataset->offsets[i + 1] - dataset->offsets[i]);
        length[dataset->count + i] = (double)dataset->bases[i];
    }
    const dt_status status = sum_lengths(dataset, comm, length, bytes);
    free(length);
    return status;
}

/* Copies the tokens from the order of processes (`joined`) to the order of sequences (`out`). */
static dt_status sort_tokens(const dt_dataset *dataset, const dt_comm *comm, const int64_t *bytes,
                             const uint16_t *joined, uint16_t *out)
{
    int64_t *next; /* (world_size) position of each process's next sequence */
    DT_TRY(DT_NEW(next, (size_t)comm->world_size));
    for (int32_t q = 1; q < comm->world_size; ++q)
        next[q] = next[q - 1] + bytes[q - 1] / (int64_t)sizeof *joined;
    for (int64_t i = 0; i < dataset->count; ++i) {
        const int32_t owner = dt_token_owner(i, comm->world_size);
        const int64_t count = dataset->offsets[i + 1] - dataset->offsets[i];
        memcpy(out + dataset->offsets[i], joined + next[owner], (size_t)count * sizeof *out);
        next[owner] += count;
    }
    free(next);
    return DT_OK;
}

/* Gathers all tokens in `out` on world_rank 0, in the order of the sequences. */
static dt_status gather_tokens(const dt_dataset *dataset, dt_comm *comm, const int64_t *bytes,
                               uint16_t *out)
{
    uint16_t *joined = NULL;
    const int64_t tokens = dataset->offsets[dataset->count];
    if (comm->world_rank == 0)
        DT_TRY(DT_NEW(joined, (size_t)tokens));
    dt_status status = comm->ops->gather(comm, dataset->tokens, bytes, joined, 0);
    if (status == DT_OK && joined && out)
        status = sort_tokens(dataset, comm, bytes, joined, out);
    free(joined);
    return status;
}

static dt_status join(dt_dataset *dataset, dt_comm *comm, bool everywhere, int64_t *bytes,
                      bool *agreed)
{
    const bool wanted = everywhere || comm->world_rank == 0;
    uint16_t *all = NULL;
    DT_TRY(join_lengths(dataset, comm, bytes));
    const int64_t tokens = dataset->offsets[dataset->count];
    dt_status status = wanted ? DT_NEW(all, (size_t)tokens) : DT_OK;
    status = dt_agree(comm, status, agreed);
    if (status == DT_OK)
        status = gather_tokens(dataset, comm, bytes, all);
    if (status == DT_OK && everywhere)
        status = comm->ops->broadcast(comm, all, tokens * (int64_t)sizeof *all, 0);
    if (status != DT_OK) {
        free(all);
        return status;
    }
    free(dataset->tokens);
    dataset->tokens = all;
    return DT_OK;
}

dt_status dt_token_shares_join(dt_dataset *dataset, dt_comm *comm, bool everywhere, bool *agreed)
{
    int64_t *bytes; /* (world_size) bytes of tokens, by process */
    if (comm->world_size == 1)
        return DT_OK;
    DT_TRY(DT_NEW(bytes, (size_t)comm->world_size));
    const dt_status status = join(dataset, comm, everywhere, bytes, agreed);
    free(bytes);
    return status;
}
