/* print_tensors CKPT: a line for each tensor of a checkpoint's model and optimizer: name, shape as
 * "24x8", sum of the elements, sum of their squares, between tabs. */
#include <stdio.h>
#include <stdlib.h>

#include "io/container.h"
#include "run/checkpoint.h"

static dt_status print_tensor(dt_container *file, const dt_array_info *info)
{
    const int64_t count = info->bytes / (int64_t)sizeof(float);
    float *values = malloc((size_t)info->bytes + 1);
    double sum = 0.0;
    double squares = 0.0;
    if (!values)
        return dt_fail(DT_ERR_MEMORY, "out of memory");
    const dt_status status = dt_container_get_array(file, info->name, DT_ELEMENT_FLOAT32,
                                                    info->dimensions, info->shape, values);
    for (int64_t i = 0; i < count && status == DT_OK; ++i) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    free(values);
    DT_TRY(status);
    printf("%s\t", info->name);
    for (int32_t d = 0; d < info->dimensions; ++d)
        printf("%s%lld", d ? "x" : "", (long long)info->shape[d]);
    printf("\t%.9g\t%.9g\n", sum, squares);
    return DT_OK;
}

static dt_status print_group(dt_container *file, const char *group)
{
    dt_array_info *infos;
    int64_t count;
    dt_status status = DT_OK;
    DT_TRY(dt_container_list(file, group, &infos, &count));
    for (int64_t i = 0; i < count && status == DT_OK; ++i)
        status = print_tensor(file, &infos[i]);
    dt_array_infos_free(infos, count);
    return status;
}

int main(int argc, char **argv)
{
    dt_container *file;
    if (argc != 2) {
        fprintf(stderr, "usage: %s CKPT\n", argv[0]);
        return 2;
    }
    dt_status status =
        dt_container_open(&file, argv[1], DT_CHECKPOINT_FORMAT, DT_CHECKPOINT_VERSION, NULL);
    if (status == DT_OK) {
        status = print_group(file, "model");
        if (status == DT_OK)
            status = print_group(file, "optimizer");
        dt_container_close(file);
    }
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_message());
    return status != DT_OK;
}
