/* A network cable between two hosts that are network namespaces (hosts.sh): delivers each Ethernet
 * frame after a delay, and loses some. For kernels without the module sch_netem, of which there are
 * many.
 *
 *     cable PID1 PID2 MILLISECONDS PERCENT
 *
 * makes an interface "cable" (TAP) in the namespace of each process and prints "ready" once both are
 * there. They vanish with this program. Frames keep their order. Which ones are lost is the same in
 * each run with the same frames.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MOST_FRAMES 4096 /* under way in one direction; more are lost */
#define MOST_BYTES 1600

typedef struct {
    int64_t due; /* nanoseconds */
    ssize_t length;
    char bytes[MOST_BYTES];
} frame;

typedef struct {
    int from, to;
    frame *frames; /* a ring */
    size_t first, count;
} direction;

static int64_t delay; /* nanoseconds */
static double loss;   /* share */
static uint64_t random_state = 1;

static void give_up(const char *what)
{
    fprintf(stderr, "cable: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Between 0 and 1 (xorshift). */
static double random_share(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

/* The interface stays in the namespace in which it was made. */
static int plug_into(const char *pid)
{
    char path[64];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    const int net = open(path, O_RDONLY | O_CLOEXEC);
    if (net < 0 || setns(net, CLONE_NEWNET) != 0)
        give_up(path);
    close(net);
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        give_up("/dev/net/tun");
    snprintf(request.ifr_name, sizeof request.ifr_name, "cable");
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        give_up("TUNSETIFF");
    return fd;
}

static void accept_frames(direction *d)
{
    frame lost;
    for (;;) {
        const bool full = d->count == MOST_FRAMES;
        frame *f = full ? &lost : &d->frames[(d->first + d->count) % MOST_FRAMES];
        f->length = read(d->from, f->bytes, sizeof f->bytes);
        if (f->length <= 0)
            return;
        if (full || (loss > 0 && random_share() < loss))
            continue;
        f->due = now() + delay;
        ++d->count;
    }
}

/* Returns the time at which the next frame is due; INT64_MAX: there is none. */
static int64_t deliver(direction *d)
{
    for (; d->count > 0; --d->count, d->first = (d->first + 1) % MOST_FRAMES) {
        const frame *f = &d->frames[d->first];
        if (f->due > now())
            return f->due;
        if (write(d->to, f->bytes, (size_t)f->length) < 0 && errno != EIO && errno != EAGAIN)
            give_up("a frame"); /* EIO: the interface is down */
    }
    return INT64_MAX;
}

static void wait_for_frames(const direction *d, int64_t until)
{
    struct pollfd fds[] = {{.fd = d[0].from, .events = POLLIN},
                           {.fd = d[1].from, .events = POLLIN}};
    const int64_t left = until - now();
    const struct timespec time = {.tv_sec = left > 0 ? left / 1000000000 : 0,
                                  .tv_nsec = left > 0 ? left % 1000000000 : 0};
    ppoll(fds, 2, until == INT64_MAX ? NULL : &time, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: cable PID1 PID2 MILLISECONDS PERCENT\n");
        return 2;
    }
    delay = (int64_t)(1e6 * atof(argv[3]));
    loss = atof(argv[4]) / 100;
    const int ends[] = {plug_into(argv[1]), plug_into(argv[2])};
    direction d[] = {{.from = ends[0], .to = ends[1]}, {.from = ends[1], .to = ends[0]}};
    for (int i = 0; i < 2; ++i)
        if (!(d[i].frames = malloc(MOST_FRAMES * sizeof *d[i].frames)))
            give_up("memory");
    prctl(PR_SET_TIMERSLACK, 1000); /* short delays */
    puts("ready");
    fflush(stdout);
    for (;;) {
        for (int i = 0; i < 2; ++i)
            accept_frames(&d[i]);
        const int64_t a = deliver(&d[0]);
        const int64_t b = deliver(&d[1]);
        wait_for_frames(d, a < b ? a : b);
    }
}
