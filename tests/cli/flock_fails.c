/* A file system without locks, for tests: preloaded, it lets flock() fail with $FLOCK_ERRNO. */
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>

int flock(int fd, int operation)
{
    const char *number = getenv("FLOCK_ERRNO");
    (void)fd;
    (void)operation;
    errno = number ? atoi(number) : ENOLCK;
    return -1;
}
