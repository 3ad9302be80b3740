#include "sequence/primer_array.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY "region/primers" /* texts: region, forward, reverse */

dt_status dt_primers_put(dt_container *file, const dt_primers *primers)
{
    const char *texts[] = {primers->region, primers->forward, primers->reverse};
    return primers->forward[0] ? dt_container_put_texts(file, ARRAY, 3, texts) : DT_OK;
}

dt_status dt_primers_get(dt_container *file, const char *path, dt_primers *primers)
{
    char **texts;
    int64_t count;
    bool exists;
    DT_TRY(dt_container_has(file, ARRAY, &exists));
    if (!exists)
        return DT_OK;
    DT_TRY(dt_container_get_texts(file, ARRAY, &texts, &count));
    dt_status status = DT_ERR_INPUT;
    if (count == 3 && strlen(texts[0]) < sizeof primers->region) {
        status = dt_primers_choose(primers, NULL, texts[1], texts[2]);
        memcpy(primers->region, texts[0], strlen(texts[0]) + 1);
    }
    free(texts);
    return status == DT_OK ? DT_OK : dt_fail(DT_ERR_INPUT, "%s: damaged: invalid primers", path);
}
