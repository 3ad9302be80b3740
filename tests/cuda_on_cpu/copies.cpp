/* Asynchronous copies to shared memory (cuda/ptx.cuh). A copy takes place when its group is waited
 * for. */
#include <string.h>

#include <vector>

#include "cuda/ptx.cuh"
#include "engine.h"

namespace cuda_on_cpu
{

namespace
{

struct copy {
    void *to;
    const void *from; /* NULL: zeros */
    int group;
    site where;
};

/* The copies of a thread that have not arrived. */
struct thread_copies {
    uint64_t block; /* block_serial; copies of earlier blocks are void */
    int groups;     /* complete ones */
    std::vector<copy> waiting;
};

thread_copies &own_copies()
{
    static thread_copies all[1024];
    thread_copies &own = all[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
    if (own.block != block_serial) {
        own.block = block_serial;
        own.groups = 0;
        own.waiting.clear();
    }
    return own;
}

} // namespace

void copy_start(void *to, const void *from, bool real, site where)
{
    if ((uintptr_t)to % 16 != 0 || (real && (uintptr_t)from % 16 != 0))
        report("the copy at %s:%d has an address that is not a multiple of 16 bytes", where.file,
               where.line);
    thread_copies &own = own_copies();
    shared_write(to, 16, where);
    memset(to, 0xff, 16);
    own.waiting.push_back({to, real ? from : nullptr, own.groups, where});
}

void copy_group()
{
    own_copies().groups++;
}

void copy_wait(int newest)
{
    thread_copies &own = own_copies();
    size_t left = 0;
    for (const copy &c : own.waiting) {
        if (c.group >= own.groups - newest) {
            own.waiting[left++] = c;
            continue;
        }
        shared_arrival(c.to, 16, c.where);
        if (c.from)
            shared_read(c.from, 16, c.where);
        if (c.from)
            memcpy(c.to, c.from, 16);
        else
            memset(c.to, 0, 16);
    }
    own.waiting.resize(left);
}

} // namespace cuda_on_cpu
