#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/printable.h"

static _Thread_local char message[2048];

dt_status dt_fail(dt_status code, const char *format, ...)
{
    /* a separate buffer, because an argument may be the message itself ("%s: ...",
     * dt_error_message()) */
    char text[sizeof message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    dt_make_printable(text, false); /* names and labels of a file */
    snprintf(message, sizeof message, "%s", text);
    return code;
}

const char *dt_error_message(void)
{
    return message;
}

int dt_exit_status(dt_status status)
{
    switch (status) {
    case DT_OK:
        return 0;
    case DT_ERR_USAGE:
        return 2;
    case DT_STOPPED:
        return 75;
    default:
        return 1;
    }
}
