#include "core/shell.h"

#include <stdio.h>
#include <string.h>

dt_status dt_add_quoted(dt_text *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%";
    if (*word && strspn(word, plain) == strlen(word))
        return dt_text_add(out, word, strlen(word));
    DT_TRY(dt_text_add(out, "'", 1));
    for (const char *at = word; *at; ++at)
        DT_TRY(*at == '\'' ? dt_text_add(out, "'\\''", 4) : dt_text_add(out, at, 1));
    return dt_text_add(out, "'", 1);
}

const char *dt_pasted(const char *path, char out[DT_PASTED_SIZE])
{
    dt_text text = {0};
    dt_status status = *path == '-' ? dt_text_add(&text, "./", 2) : DT_OK;
    if (status == DT_OK)
        status = dt_add_quoted(&text, path);
    snprintf(out, DT_PASTED_SIZE, "%s", status == DT_OK ? text.data : path);
    dt_text_free(&text);
    return out;
}
