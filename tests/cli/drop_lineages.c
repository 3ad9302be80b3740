/* Writes a checkpoint again without what older versions did not keep: drop_lineages FROM TO. */
#include <stdio.h>

#include "run/checkpoint.h"

static dt_status rewrite(const char *from, const char *to, dt_run *content, dt_backend **backend,
                         dt_model **model)
{
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    DT_TRY(dt_checkpoint_read(from, content));
    DT_TRY(dt_backend_open("cpu", &options, backend));
    DT_TRY(dt_model_create(model, &content->config, *backend, true));
    DT_TRY(dt_model_reserve(*model, 1, content->config.max_length));
    DT_TRY(dt_checkpoint_read_tensors(from, *model, true));
    dt_lineage_tree_free(&content->lineages);
    dt_strand_info_free(&content->strand);
    content->lengths.known = false;
    dt_fingerprints_free(&content->sequences);
    return dt_checkpoint_write(to, content, *model, false);
}

int main(int argc, char **argv)
{
    dt_run content = {0};
    dt_backend *backend = NULL;
    dt_model *model = NULL;
    if (argc != 3) {
        fprintf(stderr, "drop_lineages FROM TO\n");
        return 2;
    }
    const dt_status status = rewrite(argv[1], argv[2], &content, &backend, &model);
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_message());
    dt_model_destroy(model);
    if (backend)
        backend->ops->destroy(backend);
    dt_run_free(&content);
    return status != DT_OK;
}
