/* What every rank of tests/cluster runs: ranks WHAT [BACKEND] under mpirun. Ends with status 0 when
 * the communicator did all that it promises. What fails on purpose is judged by test_failures.sh.
 */
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "comm.h"

static const char *doing = "";

static void complain(const dt_comm *comm, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(const dt_comm *comm, int line, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "FAILED: rank %d, %s, line %d: %s\n", comm ? comm->world_rank : -1, doing, line,
            text);
    _exit(1); /* without MPI_Finalize: the launcher ends the others */
}

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            complain(comm, __LINE__, __VA_ARGS__);                                                 \
    } while (0)
#define CHECK_OK(call) CHECK((call) == DT_OK, "%s: %s", #call, dt_error_message())

/* ---- host memory ---------------------------------------------------------------------------- */

static void test_facts(dt_comm *comm)
{
    doing = "facts";
    const char *expected = getenv("RANKS");
    CHECK(expected && comm->world_size == atoi(expected), "%d ranks", comm->world_size);
    CHECK(comm->world_rank >= 0 && comm->world_rank < comm->world_size, "not a rank");
    CHECK(comm->local_size == comm->world_size, "one host, %d local ranks", comm->local_size);
    CHECK(comm->local_rank == comm->world_rank, "local rank %d", comm->local_rank);
    CHECK(strcmp(comm->name, "mpi") == 0, "name %s", comm->name);
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    CHECK(strcmp(comm->host, host) == 0, "host %s", comm->host);
    CHECK(strstr(comm->description, "1 host"), "description: %s", comm->description);
}

/* Values whose sum depends on the order. */
static double value_of(int32_t rank, int64_t i)
{
    return (1.0 + (double)((i * 7919 + rank * 104729) % 1000)) * pow(10.0, (double)(rank * 5 % 13));
}

static void test_sum(dt_comm *comm, int64_t count)
{
    doing = "sum";
    double *values = malloc((size_t)(count + 1) * sizeof *values);
    for (int64_t i = 0; i < count; ++i)
        values[i] = value_of(comm->world_rank, i) / 3.0;
    values[count] = -1.0;
    CHECK_OK(comm->ops->sum(comm, values, count));
    for (int64_t i = 0; i < count; ++i) {
        double expected = value_of(0, i) / 3.0;
        for (int32_t q = 1; q < comm->world_size; ++q)
            expected += value_of(q, i) / 3.0;
        CHECK(values[i] == expected, "element %lld of %lld: %.17g, not %.17g", (long long)i,
              (long long)count, values[i], expected);
    }
    CHECK(values[count] == -1.0, "wrote past the end");
    free(values);
}

static unsigned char byte_of(int32_t rank, int64_t i)
{
    return (unsigned char)(i * 31 + i / 251 + rank * 17);
}

static void test_broadcast(dt_comm *comm, int64_t count, int32_t root)
{
    doing = "broadcast";
    unsigned char *bytes = malloc((size_t)count + 1);
    for (int64_t i = 0; i < count; ++i)
        bytes[i] = comm->world_rank == root ? byte_of(root, i) : 0xEE;
    CHECK_OK(comm->ops->broadcast(comm, bytes, count, root));
    for (int64_t i = 0; i < count; ++i)
        CHECK(bytes[i] == byte_of(root, i), "byte %lld", (long long)i);
    free(bytes);
}

/* Rank q gives unit · q² + q bytes: rank 0 none. */
static void test_gather(dt_comm *comm, int64_t unit, int32_t root)
{
    doing = "gather";
    const int32_t n = comm->world_size;
    int64_t counts[64];
    int64_t total = 0;
    for (int32_t q = 0; q < n; ++q)
        total += counts[q] = unit * q * q + q;
    const int64_t mine = counts[comm->world_rank];
    unsigned char *bytes = malloc((size_t)mine + 1);
    for (int64_t i = 0; i < mine; ++i)
        bytes[i] = byte_of(comm->world_rank, i);
    unsigned char *out = comm->world_rank == root ? malloc((size_t)total + 1) : NULL;
    CHECK_OK(comm->ops->gather(comm, bytes, counts, out, root));
    const unsigned char *at = out;
    for (int32_t q = 0; out && q < n; ++q)
        for (int64_t i = 0; i < counts[q]; ++i, ++at)
            CHECK(*at == byte_of(q, i), "byte %lld of rank %d", (long long)i, q);
    free(out);
    free(bytes);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nobody leaves before the last one came. */
static void test_barrier(dt_comm *comm)
{
    doing = "barrier";
    CHECK_OK(comm->ops->barrier(comm));
    const double begin = seconds();
    if (comm->world_rank == comm->world_size - 1)
        usleep(200 * 1000);
    CHECK_OK(comm->ops->barrier(comm));
    CHECK(seconds() - begin > 0.19, "left after %g seconds", seconds() - begin);
}

static void test_host(dt_comm *comm)
{
    test_facts(comm);
    const int64_t counts[] = {0, 1, 5, 1000, ((int64_t)1 << 20) + 17};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        test_sum(comm, counts[i]);
        for (int32_t root = 0; root < comm->world_size; ++root) {
            test_broadcast(comm, counts[i], root);
            test_gather(comm, counts[i] / 10, root);
        }
    }
    test_barrier(comm);
}

/* More bytes than an int counts, from the last rank to the first (where the memory is there). */
static void test_large(dt_comm *comm)
{
    doing = "large gather";
    int64_t counts[64] = {0};
    const int32_t last = comm->world_size - 1;
    counts[last] = ((int64_t)1 << 31) + 12345;
    unsigned char *mine = NULL;
    unsigned char *out = NULL;
    if (comm->world_rank == last) {
        mine = malloc((size_t)counts[last]);
        for (int64_t i = 0; i < counts[last]; i += 4093)
            mine[i] = byte_of(last, i);
    }
    if (comm->world_rank == 0)
        out = malloc((size_t)counts[last]);
    CHECK_OK(comm->ops->gather(comm, mine, counts, out, 0));
    for (int64_t i = 0; out && i < counts[last]; i += 4093)
        CHECK(out[i] == byte_of(last, i), "byte %lld", (long long)i);
    free(mine);
    free(out);
}

/* ---- gradients ------------------------------------------------------------------------------ */

typedef struct {
    int64_t offset, count;
} range;

/* As a model reports them: one after the other, some tiny, some long; a hole; one apart. */
static const range ranges[] = {{0, 70001},  {70001, 1},    {70002, 0},     {70002, 300000},
                               {370002, 3}, {370005, 997}, {380000, 50000}};
#define ELEMENTS ((int64_t)430000)

static bool reduced(int64_t i)
{
    return i < 371002 || i >= 380000;
}

/* Thirds: sums depend on the order, differences of order are rounding. */
static double gradient_of(int32_t rank, int64_t i, int round)
{
    return (double)((i * 37 + rank * 1009 + round) % 2000 - 1000) / 3.0;
}

static void write_gradients(const dt_comm *comm, dt_backend *backend, void *host, int round)
{
    for (int64_t i = 0; i < ELEMENTS; ++i) {
        const double value = gradient_of(comm->world_rank, i, round);
        if (backend->master_size == 8)
            ((double *)host)[i] = value;
        else
            ((float *)host)[i] = (float)value;
    }
    backend->ops->vector_write(backend, DT_GRADIENTS, 0, ELEMENTS, host);
}

static double element(const dt_backend *backend, const void *host, int64_t i)
{
    return backend->master_size == 8 ? ((const double *)host)[i] : (double)((const float *)host)[i];
}

/* The nearest number of 8 binary digits, of two the even one. */
static double bf16(double x)
{
    int exponent;
    const double fraction = frexp(x, &exponent);
    return ldexp(rint(ldexp(fraction, 8)), exponent - 8);
}

/* How far a sum may be from the exact one: rounding. Where gradients travel as bf16 that of each
 * rank's number and of each sum of several. */
static double tolerance(const dt_comm *comm, const dt_backend *backend, int64_t i, int round)
{
    if (comm->grad_dtype == DT_GRAD_FP32 || !reduced(i))
        return backend->master_size == 8 ? 1e-12 : 2e-4;
    double sizes = 0.0;
    for (int32_t q = 0; q < comm->world_size; ++q)
        sizes += fabs(gradient_of(q, i, round));
    return 1.05 * comm->world_size * ldexp(sizes, -8);
}

/* Two ranks have one sum, which is known to the bit. */
static void check_bf16(const dt_comm *comm, int64_t i, int round, double got)
{
    CHECK(bf16(got) == got, "element %lld: %.17g is not bf16", (long long)i, got);
    if (comm->world_size != 2)
        return;
    const double expected =
        bf16(bf16((float)gradient_of(0, i, round)) + bf16((float)gradient_of(1, i, round)));
    CHECK(got == expected, "element %lld: %.17g, not %.17g", (long long)i, got, expected);
}

static void check_sums(dt_comm *comm, dt_backend *backend, const void *host, int round)
{
    int64_t inexact = 0;
    for (int64_t i = 0; i < ELEMENTS; ++i) {
        double expected = 0.0;
        if (reduced(i))
            for (int32_t q = 0; q < comm->world_size; ++q)
                expected += gradient_of(q, i, round);
        else
            expected = gradient_of(comm->world_rank, i, round);
        const double got = element(backend, host, i);
        CHECK(fabs(got - expected) <= tolerance(comm, backend, i, round),
              "element %lld: %.17g, not %.17g", (long long)i, got, expected);
        inexact += fabs(got - expected) > 2e-4;
        if (comm->grad_dtype == DT_GRAD_BF16 && reduced(i))
            check_bf16(comm, i, round, got);
    }
    /* thirds are no bf16 numbers */
    CHECK(comm->grad_dtype == DT_GRAD_FP32 || inexact > ELEMENTS / 2, "%lld sums were rounded",
          (long long)inexact);
}

/* The sums of all ranks are the same bits. */
static void check_equal_bits(dt_comm *comm, dt_backend *backend, void *host)
{
    const int64_t bytes = ELEMENTS * backend->master_size;
    char *theirs = malloc((size_t)bytes);
    memcpy(theirs, host, (size_t)bytes);
    CHECK_OK(comm->ops->broadcast(comm, theirs, bytes, 0));
    for (int64_t i = 0; i < ELEMENTS; ++i)
        CHECK(!reduced(i) ||
                  memcmp(theirs + i * backend->master_size, (char *)host + i * backend->master_size,
                         (size_t)backend->master_size) == 0,
              "element %lld differs from rank 0's", (long long)i);
    free(theirs);
}

/* Work of the length of a layer, longer on some ranks. */
static void compute(const dt_comm *comm, int milliseconds)
{
    const double end = seconds() + 1e-3 * milliseconds * (1 + comm->world_rank % 2);
    while (seconds() < end)
        ;
}

static void one_reduction(dt_comm *comm, dt_backend *backend, void *host, int round, int work)
{
    write_gradients(comm, backend, host, round);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; ++i) {
        compute(comm, work);
        if (backend->ops->event_record)
            backend->ops->event_record(backend, (int32_t)i);
        CHECK_OK(comm->ops->all_reduce_start(comm, backend, ranges[i].offset, ranges[i].count,
                                             (int32_t)i));
    }
    CHECK_OK(comm->ops->all_reduce_finish(comm, backend));
    backend->ops->vector_read(backend, DT_GRADIENTS, 0, ELEMENTS, host);
    CHECK_OK(backend->ops->sync(backend));
    check_sums(comm, backend, host, round);
    check_equal_bits(comm, backend, host);
}

/* ---- shares of the parameters ---------------------------------------------------------------- */

static int64_t hash_of(int32_t rank, int64_t i, int64_t count)
{
    return (i * 7919 + (int64_t)rank * 104729 + count) % 1000003;
}

/* Each rank has its numbers in all elements; then each share has those of its rank, which are in
 * order on a host. The elements after `count` stay. */
static void test_all_gather(dt_comm *comm, dt_backend *backend, void *host, int64_t count)
{
    doing = "all-gather";
    for (int64_t i = 0; i < ELEMENTS; ++i) {
        const double value = (double)hash_of(comm->world_rank, i, count);
        if (backend->master_size == 8)
            ((double *)host)[i] = value;
        else
            ((float *)host)[i] = (float)value;
    }
    backend->ops->vector_write(backend, DT_PARAMETERS, 0, ELEMENTS, host);
    CHECK_OK(comm->ops->all_gather(comm, backend, count));
    backend->ops->vector_read(backend, DT_PARAMETERS, 0, ELEMENTS, host);
    CHECK_OK(backend->ops->sync(backend));
    int64_t i = 0;
    for (int32_t q = 0; q < comm->local_size; ++q)
        for (; i < dt_local_share(count, comm->local_size, q).end; ++i)
            CHECK(element(backend, host, i) == (double)hash_of(comm->local_first + q, i, count),
                  "element %lld of %lld: %.17g, not that of rank %d", (long long)i,
                  (long long)count, element(backend, host, i), q);
    CHECK(i == count, "shares of %lld elements", (long long)i);
    for (; i < ELEMENTS; ++i)
        CHECK(element(backend, host, i) == (double)hash_of(comm->world_rank, i, count),
              "element %lld behind the %lld", (long long)i, (long long)count);
}

/* A communicator that cannot be had ends the run, as a program would. */
static void attach(dt_comm *comm, dt_backend *backend)
{
    const dt_status status = comm->ops->attach(comm, backend);
    if (status != DT_OK)
        comm->ops->abort(comm, status, dt_error_message());
}

/* The backend, which outlives the communicator. */
static dt_backend *test_gradients(dt_comm *comm, const char *name)
{
    doing = "gradients";
    dt_backend *backend;
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    CHECK_OK(dt_backend_open(name, &options, &backend));
    CHECK_OK(backend->ops->vectors_alloc(backend, ELEMENTS, true));
    attach(comm, backend);
    const char *expected = getenv("SUMMED_BY");
    CHECK(!expected || strcmp(comm->name, expected) == 0, "summed by %s", comm->name);
    const char *why = getenv("BECAUSE");
    CHECK(!why || strstr(comm->description, why), "described as: %s", comm->description);
    const size_t bytes = (size_t)(ELEMENTS * backend->master_size);
    char *host = malloc(bytes);
    char *first = malloc(bytes);
    one_reduction(comm, backend, first, 5, 0);
    /* the same again, at another pace: the same bits */
    one_reduction(comm, backend, host, 5, 3);
    CHECK(memcmp(first, host, bytes) == 0, "equal gradients, other sums");
    for (int round = 0; round < 5; ++round)
        one_reduction(comm, backend, host, round, 0);
    /* an update without any range: a rank alone with nothing to train */
    CHECK_OK(comm->ops->all_reduce_finish(comm, backend));
    const int64_t counts[] = {0, 100, 64 * 12, ELEMENTS - 1, ELEMENTS};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        test_all_gather(comm, backend, host, counts[i]);
    free(first);
    free(host);
    return backend;
}

/* One process: nothing of MPI is in its memory. */
static void test_single(const dt_comm *comm)
{
    doing = "single";
    CHECK(strcmp(comm->name, "single") == 0, "%s", comm->name);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024];
    CHECK(maps, "no list of libraries");
    while (fgets(line, sizeof line, maps))
        CHECK(!strstr(line, "libmpi") && !strstr(line, "deeptaxa_mpi"), "loaded: %s", line);
    fclose(maps);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void end_with(dt_comm *comm, dt_status status)
{
    if (status == DT_OK)
        complain(comm, __LINE__, "an operation without the last rank succeeded");
    comm->ops->abort(comm, status, dt_error_message());
}

/* Never comes back. */
static void hang(void)
{
    for (;;)
        pause();
}

static void do_misdeed(dt_comm *comm, const char *misdeed)
{
    if (strcmp(misdeed, "exit") == 0)
        _exit(3);
    if (strcmp(misdeed, "abort") == 0)
        comm->ops->abort(comm, DT_ERR_INPUT, "record 7 is wrong");
    if (strncmp(misdeed, "stop", 4) == 0)
        raise(SIGSTOP);
    hang();
}

/* The last rank (stop0: the first) does `misdeed`; the others wait for it in a reduction. */
static void misbehave(dt_comm *comm, const char *misdeed, const char *name)
{
    doing = misdeed;
    const int32_t culprit = strcmp(misdeed, "stop0") == 0 ? 0 : comm->world_size - 1;
    dt_backend *backend;
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    CHECK_OK(dt_backend_open(name, &options, &backend));
    CHECK_OK(backend->ops->vectors_alloc(backend, ELEMENTS, true));
    attach(comm, backend);
    CHECK_OK(comm->ops->barrier(comm));
    if (comm->world_rank == culprit)
        do_misdeed(comm, misdeed);
    if (backend->ops->event_record)
        backend->ops->event_record(backend, 0);
    CHECK_OK(comm->ops->all_reduce_start(comm, backend, 0, ELEMENTS, 0));
    dt_status status = comm->ops->all_reduce_finish(comm, backend);
    if (status == DT_OK) /* the backend waits, not we */
        status = backend->ops->sync(backend);
    if (strcmp(misdeed, "stubborn") == 0)
        hang();
    end_with(comm, status);
}

/* The launcher, this process's parent, is stopped for seconds: it does not end the ranks meanwhile. */
static void stop_launcher(void)
{
    const pid_t launcher = getppid();
    if (fork() > 0)
        return;
    kill(launcher, SIGSTOP);
    sleep(2);
    kill(launcher, SIGCONT);
    _exit(0);
}

static void one_sum(dt_comm *comm, dt_backend *backend)
{
    if (backend->ops->event_record)
        backend->ops->event_record(backend, 0);
    CHECK_OK(comm->ops->all_reduce_start(comm, backend, 0, ELEMENTS, 0));
    CHECK_OK(comm->ops->all_reduce_finish(comm, backend));
    CHECK_OK(backend->ops->sync(backend));
}

/* After some steps the last rank (late0, pause0: the first) is $SECONDS_LATE seconds late (late), or
 * is stopped until the test continues it (pause). Nobody fails. */
static dt_backend *be_late(dt_comm *comm, const char *how, const char *name)
{
    doing = how;
    const int32_t culprit = how[strlen(how) - 1] == '0' ? 0 : comm->world_size - 1;
    const char *late = getenv("SECONDS_LATE");
    dt_backend *backend;
    const dt_backend_options options = {.threads = 1, .precision = DT_PRECISION_FP32};
    CHECK_OK(dt_backend_open(name, &options, &backend));
    CHECK_OK(backend->ops->vectors_alloc(backend, ELEMENTS, true));
    attach(comm, backend);
    const int last = 20;
    for (int step = 0; step <= last; ++step) {
        if (step == last && comm->world_rank == culprit && strncmp(how, "pause", 5) == 0)
            raise(SIGSTOP);
        else if (step == last && comm->world_rank == culprit)
            usleep((useconds_t)(1e6 * (late ? atof(late) : 5)));
        one_sum(comm, backend);
    }
    return backend;
}

/* All ranks meet the same error. */
static void fail_together(dt_comm *comm)
{
    if (getenv("SLOW_LAUNCHER") && comm->world_rank == 0)
        stop_launcher();
    CHECK_OK(comm->ops->barrier(comm));
    comm->ops->abort(comm, DT_ERR_USAGE, "there is no such file");
}

/* Each rank leaves its process number, for the test to see that none stays. */
static void leave_pid(const dt_comm *comm)
{
    const char *folder = getenv("PIDS");
    char path[512];
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%d", folder, comm->world_rank);
    FILE *file = fopen(path, "w");
    CHECK(file, "%s: cannot be written", path);
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
}

/* The CUDA backend on the CPU: a GPU of its own for each rank, or one for all. */
static void give_gpu(const dt_comm *comm)
{
    char bus[16];
    snprintf(bus, sizeof bus, "%02d", getenv("ONE_GPU") ? 7 : comm->local_rank + 1);
    setenv("CUDA_ON_CPU_BUS", bus, 1);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *backend = argc > 2 ? argv[2] : "cpu";
    const char *timeout = getenv("TIMEOUT");
    const char *silence = getenv("SILENCE");
    const char *bucket = getenv("BUCKET_BYTES");
    const char *kind = getenv("KIND");
    const char *dtype = getenv("GRAD_DTYPE");
    dt_backend *attached = NULL;
    const dt_comm_options options = {
        .kind = !kind                       ? DT_COMM_AUTO
                : strcmp(kind, "nccl") == 0 ? DT_COMM_NCCL
                                            : DT_COMM_MPI,
        .grad_dtype = dtype && strcmp(dtype, "bf16") == 0 ? DT_GRAD_BF16 : DT_GRAD_FP32,
        .collective_timeout = timeout ? atof(timeout) : 60.0,
        .heartbeat_timeout = silence ? atof(silence) : 0,
        .bucket_bytes = bucket ? atoll(bucket) : 0,
        .shares = true};
    dt_comm *comm = NULL;
    if (dt_comm_open(&options, &comm) != DT_OK) {
        fprintf(stderr, "%s\n", dt_error_message());
        return 4;
    }
    leave_pid(comm);
    give_gpu(comm);
    if (strcmp(what, "host") == 0)
        test_host(comm);
    else if (strcmp(what, "large") == 0)
        test_large(comm);
    else if (strcmp(what, "gradients") == 0)
        attached = test_gradients(comm, backend);
    else if (strncmp(what, "late", 4) == 0 || strncmp(what, "pause", 5) == 0)
        attached = be_late(comm, what, backend);
    else if (strcmp(what, "together") == 0)
        fail_together(comm);
    else if (strcmp(what, "single") == 0)
        test_single(comm);
    else
        misbehave(comm, what, backend);
    comm->ops->destroy(comm);
    if (attached)
        attached->ops->destroy(attached);
    return 0;
}
