/* Loaded before everything else in tests with the leak checker, so that it can name the library
 * that a leak comes from, and lsan.supp can be understood: libraries stay loaded, and the text that
 * asprintf() makes is allocated here, where the checker finds who called (it follows frame
 * pointers, which the C library's own code does not keep).
 *
 * __asprintf_chk and __vasprintf_chk are what asprintf and vasprintf are called in libraries that
 * were compiled with _FORTIFY_SOURCE, as Open MPI is. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int dlclose(void *handle);
int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments);
int __asprintf_chk(char **out, int flag, const char *format, ...);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}

int __vasprintf_chk(char **out, int flag, const char *format, va_list arguments)
{
    (void)flag;
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    *out = length < 0 ? NULL : malloc((size_t)length + 1);
    return *out ? vsnprintf(*out, (size_t)length + 1, format, arguments) : -1;
}

int __asprintf_chk(char **out, int flag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = __vasprintf_chk(out, flag, format, arguments);
    va_end(arguments);
    return length;
}
