/* change_dataset FILE KEY VALUE: sets a key of a dataset.json to a JSON value ("-" removes it) and makes
 * the id right again. KEY may be "ranks.0.name", "ranks.0.labels" or "ranks.0.labels.1". */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "change_dataset.h"

/* Follows the key to its last part. */
static json_t *follow(json_t *at, char *key, const char **last)
{
    char *part = key;
    for (char *dot = strchr(key, '.'); at && dot; dot = strchr(part, '.')) {
        *dot = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
                               : json_object_get(at, part);
        part = dot + 1;
    }
    *last = part;
    return at;
}

int main(int argc, char **argv)
{
    json_error_t error;
    const char *last;
    json_t *root = argc == 4 ? json_load_file(argv[1], 0, &error) : NULL;
    json_t *to = root ? follow(root, argv[2], &last) : NULL;
    json_t *value = to ? json_loads(argv[3], JSON_DECODE_ANY, &error) : NULL;
    const bool removes = to && strcmp(argv[3], "-") == 0;
    if (!removes && !value) {
        fprintf(stderr, "change_dataset FILE KEY VALUE\n");
        return 2;
    }
    if (removes)
        json_object_del(to, last);
    else if (json_is_array(to))
        json_array_set_new(to, strtoul(last, NULL, 10), value);
    else
        json_object_set_new(to, last, value);
    renew_dataset_id(root);
    const int failed = json_dump_file(root, argv[1], JSON_INDENT(1)) != 0;
    json_decref(root);
    return failed;
}
