/* print_pt FILE: the content of a .pt file as text, one line for each value: its place, such as
 * /optimizer_state_dict/state/0/step, its type, and the value. Of a tensor the shape and the sum of
 * its elements and of their products with 1, 2, …; of a list of integers all on one line; of a dict
 * or another list their number of elements. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "io/torch_file.h"

#define PLACE 512

static dt_status print_tensor(dt_torch_file *file, const dt_torch_tensor *tensor)
{
    float *values;
    double sum = 0.0;
    double weighted = 0.0;
    DT_TRY(DT_NEW(values, (size_t)tensor->count));
    const dt_status status = dt_torch_read(file, tensor, 0, tensor->count, values);
    for (int64_t i = 0; status == DT_OK && i < tensor->count; ++i) {
        sum += (double)values[i];
        weighted += (double)(i + 1) * (double)values[i];
    }
    printf("tensor");
    for (int32_t d = 0; d < tensor->dimensions; ++d)
        printf("%c%" PRId64, d ? 'x' : ' ', tensor->shape[d]);
    printf(" %.17g %.17g\n", sum, weighted);
    free(values);
    return status;
}

static int of_integers(const dt_pickle_items *items)
{
    for (int64_t i = 0; i < items->count; ++i)
        if (items->value[i].kind != DT_PICKLE_INT)
            return 0;
    return items->count > 0;
}

static void print_integers(const dt_pickle_items *items)
{
    for (int64_t i = 0; i < items->count; ++i)
        printf(" %" PRId64, items->value[i].integer);
    printf("\n");
}

static dt_status print(dt_torch_file *file, const char *place, const dt_pickle_value *value);

/* The elements of a list or tuple, or with `step` 2 the keys and values of a dict. */
static dt_status print_items(dt_torch_file *file, const char *place, const dt_pickle_items *items,
                             int step)
{
    char inner[PLACE];
    for (int64_t i = 0; i < items->count; i += step) {
        const dt_pickle_value *key = &items->value[i];
        if (step == 2 && key->kind == DT_PICKLE_TEXT)
            snprintf(inner, sizeof inner, "%s/%s", place, key->text);
        else
            snprintf(inner, sizeof inner, "%s/%" PRId64, place, step == 2 ? key->integer : i);
        DT_TRY(print(file, inner, &items->value[i + step - 1]));
    }
    return DT_OK;
}

static dt_status print(dt_torch_file *file, const char *place, const dt_pickle_value *value)
{
    const dt_torch_tensor *tensor = dt_torch_tensor_of(value);
    printf("%s\t", place);
    if (tensor)
        return print_tensor(file, tensor);
    switch (value->kind) {
    case DT_PICKLE_NONE:
        printf("none\n");
        break;
    case DT_PICKLE_BOOL:
        printf("bool %" PRId64 "\n", value->integer);
        break;
    case DT_PICKLE_INT:
        printf("int %" PRId64 "\n", value->integer);
        break;
    case DT_PICKLE_FLOAT:
        printf("float %.17g\n", value->number);
        break;
    case DT_PICKLE_TEXT:
        printf("text %s\n", value->text);
        break;
    case DT_PICKLE_DICT:
        printf("dict %" PRId64 "\n", value->items->count / 2);
        return print_items(file, place, value->items, 2);
    case DT_PICKLE_LIST:
    case DT_PICKLE_TUPLE:
        printf("%s %" PRId64 "", value->kind == DT_PICKLE_LIST ? "list" : "tuple",
               value->items->count);
        if (of_integers(value->items)) {
            print_integers(value->items);
            break;
        }
        printf("\n");
        return print_items(file, place, value->items, 1);
    default:
        printf("other\n");
    }
    return DT_OK;
}

int main(int argc, char **argv)
{
    dt_torch_file *file;
    if (argc != 2) {
        fprintf(stderr, "usage: print_pt FILE\n");
        return 2;
    }
    dt_status status = dt_torch_open(&file, argv[1]);
    if (status == DT_OK) {
        status = print(file, "", dt_torch_root(file));
        dt_torch_close(file);
    }
    if (status != DT_OK)
        fprintf(stderr, "print_pt: %s\n", dt_error_message());
    return status == DT_OK ? 0 : 1;
}
