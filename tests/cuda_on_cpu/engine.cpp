/* Runs grids: blocks one after another, the threads of a block as fibers.
 *
 * A thread starts on any free fiber and keeps it until it returns. The fiber then continues with
 * the next thread that has not started, so that kernels without barriers run in one loop without
 * switching.
 */
#include "asan.h"
#include "cuda_on_cpu.h"
#include "engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace cuda_on_cpu
{

uint64_t block_serial;
const observer *observing;
bool observable;

namespace
{

enum { MAX_THREADS = 1024, WARP = 32, MAX_WARPS = MAX_THREADS / WARP };
enum : size_t {
    STACK = 256 << 10,
    GUARD = 4096,
    SHARED = 512 << 10 /* size of all variables and the gaps between them */
};

/* ---- fibers ---------------------------------------------------------------------------------- */

struct fiber {
#if defined(__x86_64__)
    void *stack_pointer;
#else
    ucontext_t context;
#endif
    char *stack;
    size_t stack_size;
    void *fake_stack; /* AddressSanitizer's, while the fiber is suspended */
    fiber *next;      /* in the list of free fibers */
};

struct lane_request {
    warp_operation operation;
    uint32_t mask;
    int source;
    uint64_t value, result;
    site where;
};

struct warp {
    uint32_t exists, runnable, waiting, left;
    lane_request lanes[WARP];
};

struct thread {
    fiber *on; /* NULL: not started */
    uint3 index;
    bool at_barrier;
    site where;
};

enum order_kind { ASCENDING, DESCENDING, RANDOM };

struct engine {
    const char *kernel;
    const std::function<void()> *body;
    order_kind order;
    uint64_t random;
    int threads, warps;
    thread thread_[MAX_THREADS];
    warp warp_[MAX_WARPS];
    uint32_t runnable_warps;
    int current; /* thread */
    int alive;
    int arrived; /* at the barrier */
    int predicates;
    int barrier_count;
    fiber main, *running, *free_;
    bool in_kernel;
    uint64_t blocks, block, first_block, block_stride;
    char *shared;       /* memory for variables, then for the dynamic memory of the launch */
    size_t shared_used; /* with gaps */
    size_t shared_payload, shared_limit; /* of this block; without gaps */
    char *dynamic;
    size_t dynamic_bytes;
};

engine E;

extern "C" void cuda_on_cpu_fiber_main();

#if defined(__x86_64__)
/* Saves the callee-saved registers, switches the stack and restores them from the new one. */
extern "C" void cuda_on_cpu_switch(void **save, void *load);
__asm__(".text\n"
        ".globl cuda_on_cpu_switch\n"
        ".hidden cuda_on_cpu_switch\n"
        ".type cuda_on_cpu_switch,@function\n"
        "cuda_on_cpu_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size cuda_on_cpu_switch,.-cuda_on_cpu_switch\n");
#endif

void finish_switch(fiber *now)
{
#ifdef WITH_ASAN
    const void *from;
    size_t size;
    __sanitizer_finish_switch_fiber(now->fake_stack, &from, &size);
    if (E.main.stack == nullptr) { /* the very first switch comes from the main stack */
        E.main.stack = (char *)const_cast<void *>(from);
        E.main.stack_size = size;
    }
#else
    (void)now;
#endif
}

void switch_to(fiber *to)
{
    fiber *from = E.running;
    E.running = to;
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_size);
#endif
#if defined(__x86_64__)
    cuda_on_cpu_switch(&from->stack_pointer, to->stack_pointer);
#else
    swapcontext(&from->context, &to->context);
#endif
    finish_switch(from);
}

fiber *make_fiber()
{
    static size_t made;
    fiber *f = new fiber();
    char *memory = (char *)mmap(nullptr, STACK + GUARD, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0)
        report("out of memory: stack of a thread");
    f->stack = memory + GUARD;
    f->stack_size = STACK;
#if defined(__x86_64__)
    /* the stacks begin in different lines of the cache, in which all else would evict each other */
    void **top = (void **)(f->stack + f->stack_size - made++ % 16 * 256);
    *--top = nullptr; /* where the entry function would return to */
    *--top = (void *)cuda_on_cpu_fiber_main;
    top -= 6; /* initial registers, unused */
    memset(top, 0, 6 * sizeof *top);
    f->stack_pointer = top;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = f->stack_size;
    f->context.uc_link = nullptr;
    makecontext(&f->context, cuda_on_cpu_fiber_main, 0);
#endif
    return f;
}

fiber *take_fiber()
{
    fiber *f = E.free_;
    if (!f)
        return make_fiber();
    E.free_ = f->next;
    return f;
}

void give_fiber(fiber *f)
{
    f->next = E.free_;
    E.free_ = f;
}

/* ---- scheduling ------------------------------------------------------------------------------ */

uint32_t draw(uint32_t below)
{
    E.random = E.random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((E.random >> 32) * below) >> 32);
}

int choose_bit(uint32_t bits)
{
    if (E.order == ASCENDING)
        return __builtin_ctz(bits);
    if (E.order == DESCENDING)
        return 31 - __builtin_clz(bits);
    for (uint32_t skip = draw((uint32_t)__builtin_popcount(bits)); skip > 0; --skip)
        bits &= bits - 1;
    return __builtin_ctz(bits);
}

/* Returns the thread to run next, or -1 if none can run. */
int choose_thread()
{
    if (E.runnable_warps == 0)
        return -1;
    const int w = choose_bit(E.runnable_warps);
    return w * WARP + choose_bit(E.warp_[w].runnable);
}

void set_runnable(warp &w, uint32_t lanes)
{
    w.runnable |= lanes;
    E.runnable_warps |= 1u << (&w - E.warp_);
}

void clear_runnable(int t)
{
    warp &w = E.warp_[t / WARP];
    w.runnable &= ~(1u << t % WARP);
    if (w.runnable == 0)
        E.runnable_warps &= ~(1u << t / WARP);
}

void set_current(int t)
{
    clear_runnable(t);
    E.current = t;
    threadIdx = E.thread_[t].index;
}

bool same_place(const site &a, const site &b)
{
    return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0);
}

const char *text_of(int t)
{
    static char text[4][64];
    static int next;
    char *out = text[next++ % 4];
    const uint3 i = E.thread_[t].index;
    snprintf(out, sizeof text[0], "thread (%u,%u,%u)", i.x, i.y, i.z);
    return out;
}

/* Deadlock: reports which threads wait where, and which are missing. */
[[noreturn]] void report_stuck()
{
    int left = -1, at_barrier = -1, in_warp = -1, lefts = 0, barriers = 0;
    for (int t = 0; t < E.threads; ++t) {
        const warp &w = E.warp_[t / WARP];
        if (w.left >> t % WARP & 1) {
            left = left < 0 ? t : left;
            ++lefts;
        } else if (E.thread_[t].at_barrier) {
            at_barrier = at_barrier < 0 ? t : at_barrier;
            ++barriers;
        } else {
            in_warp = in_warp < 0 ? t : in_warp;
        }
    }
    if (in_warp >= 0) {
        const warp &w = E.warp_[in_warp / WARP];
        const lane_request &r = w.lanes[in_warp % WARP];
        const int missing = __builtin_ctz(r.mask & ~w.waiting ? r.mask & ~w.waiting : r.mask);
        const int m = in_warp / WARP * WARP + missing;
        report("%s waits at %s:%d for the lanes 0x%08x of its warp, but %s %s", text_of(in_warp),
               r.where.file, r.where.line, r.mask, text_of(m),
               w.left >> missing & 1     ? "has left the kernel"
               : E.thread_[m].at_barrier ? "waits at a barrier of the block"
                                         : "waits elsewhere");
    }
    report("the barrier at %s:%d is reached by %d of %d threads, as by %s; %s has left the kernel "
           "(%d have)",
           E.thread_[at_barrier].where.file, E.thread_[at_barrier].where.line, barriers, E.threads,
           text_of(at_barrier), left >= 0 ? text_of(left) : "none", lefts);
}

/* Suspends the current thread until it is made runnable again. */
void yield()
{
    const int self = E.current;
    const int t = choose_thread();
    if (t < 0)
        report_stuck();
    set_current(t);
    if (t == self)
        return;
    if (!E.thread_[t].on)
        E.thread_[t].on = take_fiber(); /* which runs E.current */
    switch_to(E.thread_[t].on);
}

/* ---- blocks -----------------------------------------------------------------------------------
 */

void lay_out_threads()
{
    for (int t = 0; t < E.threads; ++t) {
        const unsigned u = (unsigned)t;
        E.thread_[t].index =
            uint3{u % blockDim.x, u / blockDim.x % blockDim.y, u / blockDim.x / blockDim.y};
    }
}

void start_block(uint64_t number)
{
    uint64_t b = number;
    if (E.order == DESCENDING)
        b = E.blocks - 1 - number;
    if (E.order == RANDOM)
        b = (uint64_t)((E.first_block + (unsigned __int128)number * E.block_stride) % E.blocks);
    blockIdx = uint3{(unsigned)(b % gridDim.x), (unsigned)(b / gridDim.x % gridDim.y),
                     (unsigned)(b / gridDim.x / gridDim.y)};
    E.runnable_warps = 0;
    for (int w = 0; w < E.warps; ++w) {
        const int n = E.threads - w * WARP;
        E.warp_[w].exists = n >= WARP ? ~0u : (1u << n) - 1;
        E.warp_[w].waiting = E.warp_[w].left = 0;
        E.warp_[w].runnable = 0;
        set_runnable(E.warp_[w], E.warp_[w].exists);
    }
    for (int t = 0; t < E.threads; ++t) {
        E.thread_[t].on = nullptr;
        E.thread_[t].at_barrier = false;
    }
    E.alive = E.threads;
    E.arrived = E.predicates = 0;
    if (E.shared_used > 0)
        ASAN_POISON_MEMORY_REGION(E.shared, E.shared_used);
    E.shared_used = E.shared_payload = 0;
    E.dynamic = nullptr;
    ++block_serial;
    if (observing)
        observing->block_starts();
}

uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        const uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Reads the order from the environment. */
void read_order()
{
    const char *text = getenv("CUDA_ON_CPU_ORDER");
    E.order = ASCENDING;
    if (!text || !*text || strcmp(text, "ascending") == 0)
        return;
    if (strcmp(text, "descending") == 0) {
        E.order = DESCENDING;
        return;
    }
    if (strncmp(text, "random", 6) != 0 || (text[6] && text[6] != ':'))
        report("CUDA_ON_CPU_ORDER is '%s', expected ascending, descending or random[:SEED]", text);
    E.order = RANDOM;
    E.random = (text[6] ? strtoull(text + 7, nullptr, 10) : 1) * 0x9e3779b97f4a7c15u + block_serial;
    draw(2);
}

/* Chooses the order of a grid's blocks. */
void choose_order()
{
    read_order();
    if (E.order != RANDOM)
        return;
    E.first_block = draw(E.blocks < UINT32_MAX ? (uint32_t)E.blocks : UINT32_MAX);
    do
        E.block_stride = 1 + draw(E.blocks < UINT32_MAX ? (uint32_t)E.blocks : UINT32_MAX);
    while (common_divisor(E.block_stride, E.blocks) != 1);
}

/* Returns whether the kernel's name begins with the text of a variable. */
bool is_named(const char *variable, const char *kernel)
{
    const char *text = getenv(variable);
    return text && *text && strncmp(kernel, text, strlen(text)) == 0;
}

/* Called when the current thread has returned. True: continue with E.current on the same fiber. */
bool next_on_this_fiber()
{
    fiber *self = E.running;
    E.warp_[E.current / WARP].left |= 1u << E.current % WARP;
    if (--E.alive == 0) {
        if (++E.block == E.blocks) {
            give_fiber(self);
            switch_to(&E.main);
            return false;
        }
        start_block(E.block);
    }
    const int t = choose_thread();
    if (t < 0)
        report_stuck();
    set_current(t);
    if (!E.thread_[t].on) {
        E.thread_[t].on = self;
        return true;
    }
    give_fiber(self);
    switch_to(E.thread_[t].on);
    return false;
}

extern "C" void cuda_on_cpu_fiber_main()
{
    finish_switch(E.running);
    for (;;) {
        do
            (*E.body)();
        while (next_on_this_fiber());
    }
}

} // namespace

/* ---- interface to the rest of the emulator --------------------------------------------------- */

void report(const char *format, ...)
{
    fflush(stdout);
    fprintf(stderr, "cuda_on_cpu: ");
    if (E.in_kernel)
        fprintf(stderr, "kernel %s, block (%u,%u,%u): ", E.kernel, blockIdx.x, blockIdx.y,
                blockIdx.z);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    abort();
}

bool in_kernel()
{
    return E.in_kernel;
}

void begin_choices()
{
    read_order();
}

size_t choose(size_t count)
{
    return E.order == ASCENDING ? 0 : E.order == DESCENDING ? count - 1 : draw((uint32_t)count);
}

void run_grid(const char *kernel, const shape &how, size_t shared_limit,
              const std::function<void()> &body)
{
    if (is_named("CUDA_ON_CPU_SKIP", kernel))
        return;
    while (is_named("CUDA_ON_CPU_HANG", kernel))
        pause();
    if (E.in_kernel)
        report("a kernel launches another kernel, which the emulator does not support");
    if (!E.shared) {
        E.shared = (char *)mmap(nullptr, SHARED, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (E.shared == MAP_FAILED)
            report("no memory");
        ASAN_POISON_MEMORY_REGION(E.shared, SHARED);
    }
    E.kernel = kernel;
    E.body = &body;
    gridDim = how.grid;
    blockDim = how.block;
    E.threads = (int)(how.block.x * how.block.y * how.block.z);
    E.warps = (E.threads + WARP - 1) / WARP;
    E.blocks = (uint64_t)how.grid.x * how.grid.y * how.grid.z;
    E.block = 0;
    E.dynamic_bytes = how.shared_bytes;
    E.shared_limit = shared_limit;
    choose_order();
    lay_out_threads();
    E.in_kernel = true;
    if (observing)
        observing->grid_starts(kernel);
    start_block(0);
    set_current(choose_thread());
    fiber *first = take_fiber();
    E.thread_[E.current].on = first;
    E.running = &E.main;
    observable = observing;
    switch_to(first);
    observable = false;
    if (observing)
        observing->grid_ends();
    E.in_kernel = false;
}

int lane()
{
    return E.current % WARP;
}

int current_thread()
{
    return E.current;
}

std::string name_of(int thread)
{
    return text_of(thread);
}

bool in_shared(const void *address, size_t *offset)
{
    *offset = (size_t)((const char *)address - E.shared);
    return (const char *)address >= E.shared && *offset < SHARED;
}

void shared_read(const void *address, size_t bytes, site where)
{
    if (observing)
        observing->accessed(address, bytes, access_kind::read, where);
}

void shared_write(const void *address, size_t bytes, site where)
{
    if (observing)
        observing->accessed(address, bytes, access_kind::write, where);
}

void shared_atomic(const void *address, size_t bytes, site where)
{
    if (observing)
        observing->accessed(address, bytes, access_kind::atomic, where);
}

void shared_arrival(const void *address, size_t bytes, site where)
{
    if (observing)
        observing->accessed(address, bytes, access_kind::arrival, where);
}

void *allocate_shared(size_t bytes, size_t align)
{
    if (!E.in_kernel)
        report("shared memory is used outside a kernel");
    const size_t space = 64; /* gap between two variables, for AddressSanitizer */
    if (align < 16)
        align = 16;
    E.shared_payload = (E.shared_payload + align - 1) / align * align + bytes;
    if (E.shared_payload > E.shared_limit)
        report("a block needs %zu bytes of shared memory, static and dynamic, and may use %zu",
               E.shared_payload, E.shared_limit);
    const size_t at = (E.shared_used + space + align - 1) / align * align;
    E.shared_used = at + bytes + space;
    if (E.shared_used > SHARED)
        report("more shared memory than a block can have");
    ASAN_UNPOISON_MEMORY_REGION(E.shared + at, bytes);
    memset(E.shared + at, 0xff, bytes);
    return E.shared + at;
}

void *dynamic_shared_memory(size_t align)
{
    if (!E.dynamic)
        E.dynamic = (char *)allocate_shared(E.dynamic_bytes, align > 128 ? align : 128);
    if ((uintptr_t)E.dynamic % align != 0)
        report("dynamic shared memory is declared twice, with alignments of which the later is "
               "larger");
    return E.dynamic;
}

int block_barrier(int predicate, int kind, site where)
{
    thread &self = E.thread_[E.current];
    for (int t = 0; E.arrived > 0 && t < E.threads; ++t)
        if (E.thread_[t].at_barrier) {
            const site other = E.thread_[t].where;
            if (!same_place(other, where))
                report("%s waits at the barrier at %s:%d, %s at the one at %s:%d", text_of(t),
                       other.file, other.line, text_of(E.current), where.file, where.line);
            break;
        }
    self.at_barrier = true;
    self.where = where;
    E.predicates += predicate != 0;
    if (++E.arrived == E.threads) {
        E.barrier_count = E.predicates;
        E.arrived = E.predicates = 0;
        for (int t = 0; t < E.threads; ++t)
            E.thread_[t].at_barrier = false;
        for (int w = 0; w < E.warps; ++w)
            set_runnable(E.warp_[w], E.warp_[w].exists);
        if (observing)
            observing->barrier_passed();
    }
    yield();
    if (kind == BARRIER_COUNT)
        return E.barrier_count;
    return kind == BARRIER_AND ? E.barrier_count == E.threads : E.barrier_count > 0;
}

namespace
{

uint64_t reduce(warp_operation operation, const warp &w, uint32_t mask)
{
    uint32_t result = 0;
    bool first = true;
    for (uint32_t left = mask; left; left &= left - 1) {
        const uint32_t v = (uint32_t)w.lanes[__builtin_ctz(left)].value;
        const uint32_t r = result;
        switch (operation) {
        case REDUCE_ADD:
            result = first ? v : r + v;
            break;
        case REDUCE_MIN_SIGNED:
            result = first || (int32_t)v < (int32_t)r ? v : r;
            break;
        case REDUCE_MAX_SIGNED:
            result = first || (int32_t)v > (int32_t)r ? v : r;
            break;
        case REDUCE_MIN:
            result = first || v < r ? v : r;
            break;
        case REDUCE_MAX:
            result = first || v > r ? v : r;
            break;
        case REDUCE_AND:
            result = first ? v : r & v;
            break;
        case REDUCE_OR:
            result = first ? v : r | v;
            break;
        default:
            result = first ? v : r ^ v;
            break;
        }
        first = false;
    }
    return result;
}

uint32_t equal_lanes(const warp &w, uint32_t mask, uint64_t value)
{
    uint32_t equal = 0;
    for (uint32_t left = mask; left; left &= left - 1)
        if (w.lanes[__builtin_ctz(left)].value == value)
            equal |= left & -left;
    return equal;
}

uint32_t lanes_with(const warp &w, uint32_t mask)
{
    return mask & ~equal_lanes(w, mask, 0);
}

/* All lanes of the mask are waiting: gives each its result. */
void complete(warp &w, const lane_request &last)
{
    const int first = (int)(&w - E.warp_) * WARP;
    const uint32_t mask = last.mask;
    for (uint32_t left = mask; left; left &= left - 1) {
        const int l = __builtin_ctz(left);
        const lane_request &r = w.lanes[l];
        if (r.mask != mask || r.operation != last.operation || !same_place(r.where, last.where))
            report("lanes of one warp meet in different collectives: %s at %s:%d (mask 0x%08x), %s "
                   "at %s:%d (mask 0x%08x)",
                   text_of(first + l), r.where.file, r.where.line, r.mask, text_of(E.current),
                   last.where.file, last.where.line, mask);
    }
    if (last.operation == MATRIX_PRODUCT) {
        const void *values[WARP];
        for (int l = 0; l < WARP; ++l)
            values[l] = (const void *)(uintptr_t)w.lanes[l].value;
        auto product = (void (*)(const void *const *))(uintptr_t)last.result;
        observable = false;
        product(values);
        observable = observing;
        return;
    }
    uint64_t common = 0;
    if (last.operation == BALLOT)
        common = lanes_with(w, mask);
    else if (last.operation >= REDUCE_ADD)
        common = reduce(last.operation, w, mask);
    for (uint32_t left = mask; left; left &= left - 1) {
        lane_request &r = w.lanes[__builtin_ctz(left)];
        if (last.operation == SHUFFLE) {
            if (!(mask >> r.source & 1))
                report("the shuffle at %s:%d reads lane %d, which its mask 0x%08x does not name",
                       r.where.file, r.where.line, r.source, mask);
            r.result = w.lanes[r.source].value;
        } else if (last.operation == MATCH_ANY) {
            r.result = equal_lanes(w, mask, r.value);
        } else {
            r.result = common;
        }
    }
}

uint64_t collective(const lane_request &request)
{
    warp &w = E.warp_[E.current / WARP];
    const int l = E.current % WARP;
    const uint32_t mask = request.mask;
    if (!(mask >> l & 1))
        report("%s at %s:%d is not in its own mask 0x%08x", text_of(E.current), request.where.file,
               request.where.line, mask);
    if (mask & ~w.exists)
        report("the mask 0x%08x at %s:%d names lanes that a block of %d threads does not have",
               mask, request.where.file, request.where.line, E.threads);
    if (mask & w.left)
        report("the mask 0x%08x at %s:%d names %s, which has left the kernel", mask,
               request.where.file, request.where.line,
               text_of(E.current - l + __builtin_ctz(mask & w.left)));
    w.lanes[l] = request;
    w.waiting |= 1u << l;
    if ((w.waiting & mask) == mask) {
        complete(w, request);
        if (observing)
            observing->warp_met((int)(&w - E.warp_), mask, mask == w.exists,
                                request.operation == SYNC_WARP);
        w.waiting &= ~mask;
        set_runnable(w, mask);
    }
    yield();
    return w.lanes[l].result;
}

} // namespace

uint64_t warp_collective(warp_operation operation, uint32_t mask, uint64_t value, int source,
                         site where)
{
    return collective(lane_request{operation, mask, source, value, 0, where});
}

void warp_together(const void *value, void (*product)(const void *const *lanes), site where)
{
    collective(lane_request{MATRIX_PRODUCT, ~0u, 0, (uint64_t)(uintptr_t)value,
                            (uint64_t)(uintptr_t)product, where});
}

} // namespace cuda_on_cpu
