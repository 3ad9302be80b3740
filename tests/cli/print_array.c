/* print_array FILE FORMAT NAME: an array of a container, a line for each index of its first
 * dimension, its numbers between tabs; of texts one a line. Exit status 1 where there is none. */
#include <stdio.h>
#include <stdlib.h>

#include "io/container.h"

static void print_number(const dt_array_info *info, const char *values, int64_t i)
{
    switch (info->element) {
    case DT_ELEMENT_FLOAT32:
        printf("%.9g", (double)((const float *)values)[i]);
        break;
    case DT_ELEMENT_FLOAT64:
        printf("%.17g", ((const double *)values)[i]);
        break;
    case DT_ELEMENT_INT32:
        printf("%d", (int)((const int32_t *)values)[i]);
        break;
    case DT_ELEMENT_INT64:
        printf("%lld", (long long)((const int64_t *)values)[i]);
        break;
    default:
        printf("?");
    }
}

static dt_status print_numbers(dt_container *file, const dt_array_info *info)
{
    char *values = malloc((size_t)info->bytes + 1);
    if (!values)
        return dt_fail(DT_ERR_MEMORY, "out of memory");
    const dt_status status = dt_container_get_array(file, info->name, info->element,
                                                    info->dimensions, info->shape, values);
    const int64_t rows = status == DT_OK ? info->shape[0] : 0;
    const int64_t columns = rows ? info->bytes / info->element_bytes / rows : 0;
    for (int64_t i = 0; i < rows * columns; ++i) {
        print_number(info, values, i);
        putchar((i + 1) % columns ? '\t' : '\n');
    }
    free(values);
    return status;
}

static dt_status print_texts(dt_container *file, const char *name)
{
    char **texts;
    int64_t count;
    DT_TRY(dt_container_get_texts(file, name, &texts, &count));
    for (int64_t i = 0; i < count; ++i)
        puts(texts[i]);
    free(texts);
    return DT_OK;
}

int main(int argc, char **argv)
{
    dt_container *file;
    dt_array_info info;
    if (argc != 4) {
        fprintf(stderr, "print_array FILE FORMAT NAME\n");
        return 2;
    }
    dt_status status = dt_container_open(&file, argv[1], argv[2], 1000, NULL);
    if (status == DT_OK) {
        status = dt_container_info(file, argv[3], &info);
        if (status == DT_OK && info.element == DT_ELEMENT_TEXT)
            status = print_texts(file, argv[3]);
        else if (status == DT_OK)
            status = print_numbers(file, &info);
        dt_container_close(file);
    }
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_message());
    return status != DT_OK;
}
