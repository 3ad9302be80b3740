#include "core/log.h"
#include "ranks/report.h"
#include "ranks/sums.h"
#include "train/trainer_internal.h"

static dt_status print_preflight(const dt_trainer *t)
{
    const dt_comm *comm = t->job->comm;
    dt_text text = {0};
    dt_status status = dt_ranks_table(&text, comm, t->job->ranks);
    if (status == DT_OK)
        status = dt_text_addf(&text, "\n%sPreflight: passed\n", t->sums.data ? t->sums.data : "");
    if (status == DT_OK)
        status = dt_print(text.data);
    dt_text_free(&text);
    return status;
}

dt_status dt_trainer_preflight(dt_trainer *t)
{
    const dt_training *job = t->job;
    DT_TRY(dt_sums_preflight(&t->sums, job->comm, job->backend, dt_model_params(t->model)->trained,
                             job->ranks, &t->agreed));
    return job->preflight_only && job->comm->world_rank == 0 ? print_preflight(t) : DT_OK;
}
