#include <stdlib.h>
#include <string.h>

#include "cpu/backend_cpu.h"
#include "core/group.h"
#include "core/packed.h"

static dt_status reserve_slot(const dt_cpu *cpu, dt_cpu_batch *slot)
{
    const int64_t word = sizeof(int32_t);
    const int64_t tokens = cpu->max_tokens;
    const int64_t sequences = cpu->max_sequences;
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&slot->token_ids, tokens * word));
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&slot->cu_seqlens, (sequences + 1) * word));
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&slot->sequence_of_row, tokens * word));
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&slot->labels, sequences * cpu->max_tax_ranks * word));
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&slot->order, tokens * word));
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&slot->group_first, (tokens + 1) * word));
    return dt_cpu_memory_new(cpu, (void **)&slot->group_of_row, tokens * word);
}

/* Elements of a scratch row: blocks of attention scores as large as the second-level cache, and at
 * least one row of scores for a batch of one long sequence. */
#define SCRATCH_ROW ((int64_t)128 * 1024)

static int64_t scratch_row(int64_t max_tokens)
{
    return max_tokens > SCRATCH_ROW ? (max_tokens + 63) / 64 * 64 : SCRATCH_ROW;
}

static int64_t sums_bytes(int32_t max_sequences, int32_t tax_ranks)
{
    return (int64_t)max_sequences * (tax_ranks > 2 ? tax_ranks : 2) * (int64_t)sizeof(double);
}

static int64_t scratch_bytes(const dt_cpu *cpu, int64_t max_tokens)
{
    return (int64_t)cpu->threads * DT_CPU_ROWS * scratch_row(max_tokens) * (int64_t)sizeof(dt_real);
}

/* The allocations of dt_cpu_batch_reserve(), in the same order. */
int64_t dt_cpu_batch_bytes(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                           int32_t tax_ranks)
{
    const int64_t sequences = max_sequences;
    const int64_t slot = 5 * max_tokens + 1 + sequences + 1 + sequences * tax_ranks;
    return 2 * slot * (int64_t)sizeof(int32_t) + 2 * max_tokens * (int64_t)sizeof(uint64_t) +
           sums_bytes(max_sequences, tax_ranks) + scratch_bytes(dt_cpu_of(backend), max_tokens);
}

dt_status dt_cpu_batch_reserve(dt_backend *backend, int32_t max_sequences, int64_t max_tokens,
                               int32_t tax_ranks)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    dt_cpu_batch_free(cpu);
    cpu->max_sequences = max_sequences;
    cpu->max_tokens = max_tokens;
    cpu->max_tax_ranks = tax_ranks;
    for (int i = 0; i < 2; ++i)
        DT_TRY(reserve_slot(cpu, &cpu->slot[i]));
    DT_TRY(dt_cpu_memory_new(cpu, (void **)&cpu->sort_keys,
                             2 * max_tokens * (int64_t)sizeof(uint64_t)));
    DT_TRY(
        dt_cpu_memory_new(cpu, (void **)&cpu->sequence_sums, sums_bytes(max_sequences, tax_ranks)));
    cpu->scratch_row = scratch_row(max_tokens);
    return dt_cpu_memory_new(cpu, (void **)&cpu->scratch, scratch_bytes(cpu, max_tokens));
}

void dt_cpu_batch_free(dt_cpu *cpu)
{
    for (int i = 0; i < 2; ++i) {
        dt_cpu_batch *slot = &cpu->slot[i];
        free(slot->token_ids);
        free(slot->cu_seqlens);
        free(slot->sequence_of_row);
        free(slot->labels);
        free(slot->order);
        free(slot->group_first);
        free(slot->group_of_row);
        *slot = (dt_cpu_batch){0};
    }
    free(cpu->sort_keys);
    free(cpu->sequence_sums);
    free(cpu->scratch);
    cpu->sort_keys = NULL;
    cpu->sequence_sums = NULL;
    cpu->scratch = NULL;
}

/* Returns false, with a sticky error, if the operations would access memory out of bounds with this
 * batch. */
static bool usable(dt_cpu *cpu, const dt_packed *packed)
{
    dt_packed_capacity capacity = {0};
    if (cpu->scratch)
        capacity = (dt_packed_capacity){cpu->max_sequences, cpu->max_tax_ranks, cpu->max_tokens};
    const dt_status status = dt_packed_check(packed, &capacity);
    if (status != DT_OK)
        dt_cpu_fail(cpu, status, "%s", dt_error_message());
    return status == DT_OK;
}

const dt_device_batch *dt_cpu_batch_upload(dt_backend *backend, const dt_batch *batch)
{
    dt_cpu *cpu = dt_cpu_of(backend);
    dt_cpu_batch *slot = &cpu->slot[cpu->next_slot];
    cpu->next_slot = 1 - cpu->next_slot;
    slot->device.size = (dt_batch_size){.sequences = batch->sequences};
    const dt_packed packed = {batch->sequences, batch->tax_ranks, batch->cu_seqlens,
                              batch->token_ids};
    if (cpu->error || !usable(cpu, &packed))
        return &slot->device;
    const int64_t tokens = batch->cu_seqlens[batch->sequences];
    slot->device.size.tokens = tokens;
    slot->device.size.rows = tokens;
    slot->tax_ranks = batch->tax_ranks;
    slot->has_labels = batch->labels != NULL;
    slot->seed = batch->seed;
    slot->step = batch->step;
    slot->first_sequence = batch->first_sequence;
    memcpy(slot->loss_scale, batch->loss_scale, sizeof slot->loss_scale);
    memcpy(slot->token_ids, batch->token_ids, (size_t)tokens * sizeof *slot->token_ids);
    memcpy(slot->cu_seqlens, batch->cu_seqlens,
           ((size_t)batch->sequences + 1) * sizeof *slot->cu_seqlens);
    if (batch->labels)
        memcpy(slot->labels, batch->labels,
               (size_t)batch->sequences * (size_t)batch->tax_ranks * sizeof *slot->labels);
    const dt_packed_extent extent = dt_packed_rows(slot->sequence_of_row, &packed);
    slot->device.size.longest = extent.longest;
    slot->largest_id = extent.largest_id;
    const dt_groups groups = {slot->order, slot->group_first, slot->group_of_row};
    slot->groups =
        dt_group_rows(&groups, slot->token_ids, tokens, slot->largest_id, cpu->sort_keys);
    return &slot->device;
}

bool dt_cpu_ids_in(dt_cpu *cpu, const dt_cpu_batch *batch, int32_t vocabulary)
{
    if (batch->largest_id < vocabulary)
        return true;
    dt_cpu_fail(cpu, DT_ERR_INTERNAL, "token id %d is outside the vocabulary of %d",
                batch->largest_id, vocabulary);
    return false;
}
