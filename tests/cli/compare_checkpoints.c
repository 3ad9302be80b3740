/* compare_checkpoints A B: exit status 0 where two checkpoints hold the same tensors, bit for bit,
 * and the same state of the optimizer; else 1, with what differs. Times and names may differ. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/container.h"
#include "run/checkpoint.h"

static int differences;

static void differs(const char *what)
{
    printf("%s differs\n", what);
    differences++;
}

static dt_status compare_tensor(dt_container *a, dt_container *b, const dt_array_info *info)
{
    dt_array_info other;
    DT_TRY(dt_container_info(b, info->name, &other));
    if (other.element != info->element || other.bytes != info->bytes) {
        differs(info->name);
        return DT_OK;
    }
    char *values = malloc(2 * (size_t)info->bytes + 1);
    if (!values)
        return dt_fail(DT_ERR_MEMORY, "out of memory");
    dt_status status =
        dt_container_get_array(a, info->name, info->element, info->dimensions, info->shape, values);
    if (status == DT_OK)
        status = dt_container_get_array(b, info->name, info->element, other.dimensions, other.shape,
                                        values + info->bytes);
    if (status == DT_OK && memcmp(values, values + info->bytes, (size_t)info->bytes) != 0)
        differs(info->name);
    free(values);
    return status;
}

static dt_status compare_tensors(dt_container *a, dt_container *b)
{
    static const char *const groups[] = {"model", "optimizer"};
    for (size_t g = 0; g < sizeof groups / sizeof *groups; ++g) {
        dt_array_info *infos;
        int64_t count;
        DT_TRY(dt_container_list(a, groups[g], &infos, &count));
        dt_status status = count > 0 ? DT_OK : dt_fail(DT_ERR_INPUT, "no %s", groups[g]);
        for (int64_t i = 0; i < count && status == DT_OK; ++i)
            status = compare_tensor(a, b, &infos[i]);
        dt_array_infos_free(infos, count);
        DT_TRY(status);
    }
    return DT_OK;
}

static bool same_loss(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static dt_status compare_progress(const char *path_a, const char *path_b)
{
    dt_run a;
    dt_run b;
    DT_TRY(dt_checkpoint_read(path_a, &a));
    DT_TRY(dt_checkpoint_read(path_b, &b));
    const dt_run_progress *p = &a.progress;
    const dt_run_progress *q = &b.progress;
    if (p->epoch != q->epoch || p->micro_steps != q->micro_steps)
        differs("epoch or step");
    if (p->update.steps != q->update.steps || p->update.skipped != q->update.skipped ||
        p->update.skipped_in_row != q->update.skipped_in_row)
        differs("state of the optimizer");
    if (p->update.loss_scale != q->update.loss_scale ||
        p->update.scale_good_steps != q->update.scale_good_steps)
        differs("loss scale");
    if (!same_loss(p->training_loss, q->training_loss))
        differs("training loss");
    if (!same_loss(p->validation_loss, q->validation_loss))
        differs("validation loss");
    if (p->best_epoch != q->best_epoch || p->best_loss != q->best_loss ||
        p->patience_loss != q->patience_loss ||
        p->evaluations_without_gain != q->evaluations_without_gain)
        differs("state of early stopping");
    dt_run_free(&a);
    dt_run_free(&b);
    return DT_OK;
}

static dt_status compare(const char *path_a, const char *path_b)
{
    dt_container *a;
    dt_container *b;
    DT_TRY(dt_container_open(&a, path_a, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL));
    dt_status status =
        dt_container_open(&b, path_b, DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL);
    if (status == DT_OK) {
        status = compare_tensors(a, b);
        dt_container_close(b);
    }
    dt_container_close(a);
    return status == DT_OK ? compare_progress(path_a, path_b) : status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s A B\n", argv[0]);
        return 2;
    }
    if (compare(argv[1], argv[2]) != DT_OK) {
        fprintf(stderr, "%s\n", dt_error_message());
        return 2;
    }
    return differences > 0;
}
