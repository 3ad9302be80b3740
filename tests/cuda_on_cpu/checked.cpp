/* Observes the kernels' accesses of memory: finds races in shared memory, and counts bank conflicts
 * and sectors.
 *
 * The sources of a checked module are compiled with -fsanitize=thread, so that the compiler calls
 * the functions __tsan_* for each load and store; those here take the place of the sanitizer's
 * library. -fno-tree-sra keeps the accesses as wide as they are written. Variables in registers or
 * on a thread's stack are in neither memory and are ignored.
 *
 * Races. Two accesses of a byte by different threads of a block, of which one is a write, are a
 * race unless they are ordered: by a barrier of the block, or within a warp by __syncwarp. Shuffles
 * and votes order nothing (CUDA C++ Programming Guide, "Warp Shuffle Functions"). Atomic operations
 * do not race with each other. A race that occurs in this run's accesses is found whatever the
 * order of the threads, also if the result is right; report() ends the program.
 *
 * Counts. Accesses of the lanes of a warp at the same place, the n-th of each lane since the lanes
 * last met, are one request. Shared memory has 32 banks of 4 bytes: a request of up to 4 bytes a
 * lane takes as many cycles as a bank has different words in it; 8 bytes are served by half warps,
 * 16 by quarter warps. Global memory is transferred in sectors of 32 bytes.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine.h"

namespace cuda_on_cpu
{
namespace
{

enum { WARP = 32, WARPS = 32, WORD = 4, SECTOR = 32, WIDEST = 16 };

/* Where an access is in the source: a return address, or a file with a line. */
struct place {
    const void *at;
    int line; /* 0: `at` is an address in the code */
    bool operator<(const place &other) const
    {
        return at != other.at ? at < other.at : line < other.line;
    }
};

std::string text_of(place where)
{
    if (where.line)
        return std::string((const char *)where.at) + ":" + std::to_string(where.line);
    Dl_info module;
    const char *address = (const char *)where.at - 1; /* in the call */
    if (!dladdr(address, &module) || !module.dli_fname)
        return "unknown code";
    char command[4096], line[512] = "";
    snprintf(command, sizeof command, "addr2line -e '%s' %#zx 2>/dev/null", module.dli_fname,
             (size_t)(address - (const char *)module.dli_fbase));
    if (FILE *out = popen(command, "r")) {
        if (!fgets(line, sizeof line, out))
            line[0] = '\0';
        pclose(out);
    }
    line[strcspn(line, " \n")] = '\0'; /* also before "(discriminator 3)" */
    if (!line[0] || line[0] == '?')
        return module.dli_fname;
    for (const char *from : {"rewritten/", "tests/cuda_on_cpu/", "cuda/"}) { /* as #line names it */
        const char *path = strstr(line, from);
        if (path)
            return path + (from[0] == 'r' ? strlen(from) : 0);
    }
    return line;
}

/* ---- races ---------------------------------------------------------------------------------- */

/* When lanes of a warp last met. `all` counts meetings of the whole warp, `some` those of a part,
 * and heard[a][b] is the last of these after which lane a has seen all earlier accesses of b. */
struct warp_clock {
    uint32_t all, some;
    uint32_t heard[WARP][WARP];
};

/* The accesses of a byte since the block's last barrier. */
struct byte_record {
    uint32_t written, read; /* the number of that barrier */
    int writer;
    bool atomic; /* the write */
    uint32_t write_all, write_some;
    uint32_t reading_warps;
    int reading_warp; /* the last one; what follows concerns its lanes */
    uint32_t reading_lanes, read_all, read_some;
    place write_place, read_place;
};

struct race_check {
    uint32_t barriers; /* counted over all blocks; a block starts with one */
    warp_clock clock[WARPS];
    std::vector<byte_record> bytes; /* of shared memory */
};

race_check Races;

/* Returns whether a lane of the warp has seen what another did at the given time. */
bool seen(const warp_clock &clock, int lane, int other, uint32_t all, uint32_t some)
{
    return all < clock.all || clock.heard[lane][other] > some;
}

[[noreturn]] void report_race(int thread, place here, const char *now, int other, place there,
                              const char *before)
{
    report("race in shared memory: %s %s at %s what %s %s at %s, and nothing orders the two",
           name_of(thread).c_str(), now, text_of(here).c_str(), name_of(other).c_str(), before,
           text_of(there).c_str());
}

void check_against_write(const byte_record &b, int thread, access_kind kind, place here)
{
    if (b.written != Races.barriers || b.writer == thread ||
        (b.atomic && kind == access_kind::atomic))
        return;
    const int warp = thread / WARP;
    if (b.writer / WARP == warp &&
        seen(Races.clock[warp], thread % WARP, b.writer % WARP, b.write_all, b.write_some))
        return;
    report_race(thread, here, kind == access_kind::read ? "reads" : "writes", b.writer,
                b.write_place, "wrote");
}

void check_against_reads(const byte_record &b, int thread, place here)
{
    if (b.read != Races.barriers)
        return;
    const int warp = thread / WARP;
    const uint32_t others = b.reading_warps & ~(1u << warp);
    if (others && b.reading_warp == warp)
        report_race(thread, here, "writes", __builtin_ctz(others) * WARP, b.read_place, "read");
    for (uint32_t left = b.reading_lanes; left; left &= left - 1) {
        const int other = b.reading_warp * WARP + __builtin_ctz(left);
        if (other != thread &&
            (b.reading_warp != warp ||
             !seen(Races.clock[warp], thread % WARP, other % WARP, b.read_all, b.read_some)))
            report_race(thread, here, "writes", other, b.read_place, "read");
    }
}

void add_read(byte_record *b, int thread, place here)
{
    const int warp = thread / WARP;
    const warp_clock &clock = Races.clock[warp];
    if (b->read != Races.barriers) {
        b->read = Races.barriers;
        b->reading_warps = b->reading_lanes = 0;
    }
    if (b->reading_warp != warp || b->read_all != clock.all)
        b->reading_lanes = 0;
    b->reading_warp = warp;
    b->reading_warps |= 1u << warp;
    b->reading_lanes |= 1u << thread % WARP;
    b->read_all = clock.all;
    b->read_some = clock.some;
    b->read_place = here;
}

void add_write(byte_record *b, int thread, access_kind kind, place here)
{
    const warp_clock &clock = Races.clock[thread / WARP];
    b->written = Races.barriers;
    b->writer = thread;
    b->atomic = kind == access_kind::atomic;
    b->write_all = clock.all;
    b->write_some = clock.some;
    b->write_place = here;
}

void check_races(size_t at, size_t bytes, access_kind kind, place here)
{
    const int thread = current_thread();
    if (Races.bytes.size() < at + bytes)
        Races.bytes.resize(at + bytes);
    for (size_t i = at; i < at + bytes; ++i) {
        byte_record &b = Races.bytes[i];
        check_against_write(b, thread, kind, here);
        if (kind == access_kind::read) {
            add_read(&b, thread, here);
        } else {
            check_against_reads(b, thread, here);
            add_write(&b, thread, kind, here);
        }
    }
}

void lanes_met(warp_clock &clock, uint32_t lanes, bool whole)
{
    if (whole) {
        clock.all++;
        return;
    }
    const uint32_t now = ++clock.some;
    uint32_t heard[WARP] = {};
    for (uint32_t left = lanes; left; left &= left - 1)
        for (int l = 0; l < WARP; ++l)
            heard[l] = std::max(heard[l], clock.heard[__builtin_ctz(left)][l]);
    for (uint32_t left = lanes; left; left &= left - 1)
        heard[__builtin_ctz(left)] = now;
    for (uint32_t left = lanes; left; left &= left - 1)
        memcpy(clock.heard[__builtin_ctz(left)], heard, sizeof heard);
}

/* ---- counts --------------------------------------------------------------------------------- */

struct lane_access {
    place where;
    uintptr_t address; /* from the start of shared memory */
    uint32_t bytes;
    bool shared;
};

/* What one place, or a whole kernel, has requested. */
struct counts {
    int64_t requests, cost, ideal; /* cycles, or sectors */
    void add(const counts &other)
    {
        requests += other.requests;
        cost += other.cost;
        ideal += other.ideal;
    }
};

struct kernel_counts {
    int64_t launches;
    std::map<place, counts> shared, global;
};

struct counting {
    bool on; /* CUDA_ON_CPU_COUNTS */
    std::map<std::string, kernel_counts> kernels;
    kernel_counts *kernel;
    std::vector<lane_access> lane[WARPS][WARP]; /* since the lanes met */
};

counting &C()
{
    static counting *c = new counting(); /* never destroyed */
    return *c;
}

typedef std::vector<std::pair<int, lane_access>> request; /* lane, access */

counts cycles_of(const request &r)
{
    uint32_t bytes = WORD;
    for (const auto &a : r)
        bytes = std::max(bytes, a.second.bytes);
    const int together = WARP * WORD / (int)bytes; /* lanes that are served in one pass */
    counts out{1, 0, 0};
    for (int first = 0; first < WARP; first += together) {
        std::vector<uintptr_t> bank[WARP];
        size_t most = 0;
        for (const auto &a : r) {
            if (a.first < first || a.first >= first + together)
                continue;
            const uintptr_t end = a.second.address + a.second.bytes;
            for (uintptr_t word = a.second.address / WORD; word * WORD < end; ++word) {
                std::vector<uintptr_t> &words = bank[word % WARP];
                if (std::find(words.begin(), words.end(), word) == words.end())
                    words.push_back(word);
                most = std::max(most, words.size());
            }
        }
        out.cost += (int64_t)most;
        out.ideal += most > 0;
    }
    return out;
}

counts sectors_of(const request &r)
{
    std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
    std::vector<uintptr_t> sectors;
    uintptr_t bytes = 0, end = 0; /* different ones; where the last range ended */
    for (const auto &a : r)
        ranges.push_back({a.second.address, a.second.address + a.second.bytes});
    std::sort(ranges.begin(), ranges.end());
    for (const auto &range : ranges) {
        for (uintptr_t s = range.first / SECTOR; s * SECTOR < range.second; ++s)
            sectors.push_back(s);
        bytes += range.second > end ? range.second - std::max(range.first, end) : 0;
        end = std::max(end, range.second);
    }
    const auto different = std::unique(sectors.begin(), sectors.end()) - sectors.begin();
    return counts{1, (int64_t)different, (int64_t)((bytes + SECTOR - 1) / SECTOR)};
}

/* The lanes of a warp have met, or have left the kernel: counts their accesses until then. */
void count_requests(int warp)
{
    std::map<std::pair<place, uint32_t>, request> requests; /* by place and occurrence */
    std::map<place, uint32_t> occurrence;
    for (int l = 0; l < WARP; ++l) {
        occurrence.clear();
        for (const lane_access &a : C().lane[warp][l])
            requests[{a.where, occurrence[a.where]++}].push_back({l, a});
        C().lane[warp][l].clear();
    }
    for (const auto &r : requests) {
        const place where = r.first.first;
        if (r.second[0].second.shared)
            C().kernel->shared[where].add(cycles_of(r.second));
        else
            C().kernel->global[where].add(sectors_of(r.second));
    }
}

void count_access(const void *address, size_t bytes, bool shared, place where)
{
    const int thread = current_thread();
    for (size_t done = 0; done < bytes; done += WIDEST)
        C().lane[thread / WARP][thread % WARP].push_back(
            {where, (uintptr_t)address + done, (uint32_t)std::min<size_t>(bytes - done, WIDEST),
             shared});
}

counts sum_of(const std::map<place, counts> &places)
{
    counts sum{0, 0, 0};
    for (const auto &p : places)
        sum.add(p.second);
    return sum;
}

double per(int64_t what, int64_t of)
{
    return of > 0 ? (double)what / (double)of : 0.0;
}

/* Returns the place that costs most more than it must. */
std::string worst_of(const std::map<place, counts> &places)
{
    const place *worst = nullptr;
    int64_t most = 0;
    for (const auto &p : places)
        if (p.second.cost - p.second.ideal > most) {
            most = p.second.cost - p.second.ideal;
            worst = &p.first;
        }
    return worst ? text_of(*worst) : "-";
}

void print_counts(FILE *out)
{
    fprintf(out, "# cycles: of shared memory, for one that is needed; sectors: of global memory, a "
                 "request;\n# needed: the least that its bytes fill; worst: the place with most "
                 "cycles or sectors too many\n");
    fprintf(out, "launches\tshared\tcycles\tworst\tglobal\tsectors\tneeded\tworst\tkernel\n");
    for (const auto &k : C().kernels) {
        const counts s = sum_of(k.second.shared);
        const counts g = sum_of(k.second.global);
        fprintf(out, "%lld\t%lld\t%.2f\t%s\t%lld\t%.2f\t%.2f\t%s\t%s\n",
                (long long)k.second.launches, (long long)s.requests, per(s.cost, s.ideal),
                worst_of(k.second.shared).c_str(), (long long)g.requests, per(g.cost, g.requests),
                per(g.ideal, g.requests), worst_of(k.second.global).c_str(), k.first.c_str());
    }
}

const char *counts_file()
{
    const char *file = getenv("CUDA_ON_CPU_COUNTS");
    return file && *file ? file : nullptr;
}

/* ---- events of a grid ----------------------------------------------------------------------- */

void count_all()
{
    for (int w = 0; C().on && w < WARPS; ++w)
        count_requests(w);
}

void grid_starts(const char *kernel)
{
    C().on = counts_file() != nullptr;
    if (!C().on)
        return;
    C().kernel = &C().kernels[kernel];
    C().kernel->launches++;
}

void block_starts()
{
    count_all();
    ++Races.barriers;
    memset(Races.clock, 0, sizeof Races.clock);
}

void barrier_passed()
{
    count_all();
    ++Races.barriers;
}

void warp_met(int warp, uint32_t lanes, bool whole, bool orders_memory)
{
    if (orders_memory)
        lanes_met(Races.clock[warp], lanes, whole);
    if (C().on && whole)
        count_requests(warp);
}

void accessed(const void *address, size_t bytes, access_kind kind, place here)
{
    size_t at = 0;
    const bool shared = in_shared(address, &at);
    if (!shared && !in_device_memory(address))
        return;
    if (shared)
        check_races(at, bytes, kind, here);
    if (C().on && kind != access_kind::arrival)
        count_access(shared ? (const void *)at : address, bytes, shared, here);
}

void accessed_by(const void *address, size_t bytes, access_kind kind, site where)
{
    accessed(address, bytes, kind, place{where.file, where.line});
}

const observer checks = {grid_starts, block_starts, barrier_passed,
                         warp_met,    count_all,    accessed_by};

/* Observes from the load of the module to its unload. */
struct observation {
    observation()
    {
        observing = &checks;
    }
    ~observation()
    {
        observing = nullptr;
        if (counts_file() && !C().kernels.empty())
            cuda_on_cpu_write_counts();
    }
};

observation whole_life;

} // namespace
} // namespace cuda_on_cpu

using namespace cuda_on_cpu;

void cuda_on_cpu_write_counts()
{
    const char *file = counts_file();
    FILE *out = strcmp(file, "1") == 0 ? stderr : fopen(file, "w");
    if (!out)
        report("CUDA_ON_CPU_COUNTS: %s cannot be written", file);
    print_counts(out);
    if (out != stderr)
        fclose(out);
    C().kernels.clear();
}

/* ---- what the compiler calls ---------------------------------------------------------------- */

#define HERE                                                                                       \
    place                                                                                          \
    {                                                                                              \
        __builtin_return_address(0), 0                                                             \
    }
#define ACCESSES(size)                                                                             \
    extern "C" void __tsan_read##size(void *address)                                               \
    {                                                                                              \
        if (observable)                                                                            \
            accessed(address, size, access_kind::read, HERE);                                      \
    }                                                                                              \
    extern "C" void __tsan_unaligned_read##size(void *address)                                     \
    {                                                                                              \
        if (observable)                                                                            \
            accessed(address, size, access_kind::read, HERE);                                      \
    }                                                                                              \
    extern "C" void __tsan_write##size(void *address)                                              \
    {                                                                                              \
        if (observable)                                                                            \
            accessed(address, size, access_kind::write, HERE);                                     \
    }                                                                                              \
    extern "C" void __tsan_unaligned_write##size(void *address)                                    \
    {                                                                                              \
        if (observable)                                                                            \
            accessed(address, size, access_kind::write, HERE);                                     \
    }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

extern "C" void __tsan_read_range(void *address, size_t bytes)
{
    if (observable)
        accessed(address, bytes, access_kind::read, HERE);
}

extern "C" void __tsan_write_range(void *address, size_t bytes)
{
    if (observable)
        accessed(address, bytes, access_kind::write, HERE);
}

extern "C" void __tsan_init()
{
}

extern "C" void __tsan_func_entry(void *)
{
}

extern "C" void __tsan_func_exit()
{
}

extern "C" void __tsan_vptr_read(void **)
{
}

extern "C" void __tsan_vptr_update(void **, void *)
{
}
