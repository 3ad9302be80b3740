#include "io/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/utf8.h"

/* Memory taken for texts and containers. */
typedef struct block {
    struct block *next;
    size_t used, size;
    max_align_t bytes[];
} block;

#define BLOCK_BYTES ((size_t)1 << 14)

struct dt_pickle {
    dt_pickle_options options;
    const unsigned char *bytes;
    size_t length, at;
    dt_pickle_value *stack; /* (depth) */
    size_t depth, stack_capacity;
    size_t *mark; /* (marks) depths of the stack */
    size_t marks, mark_capacity;
    dt_pickle_value *memo; /* (memo_count) DT_PICKLE_ABSENT: not put */
    size_t memo_count, memo_capacity;
    dt_pickle_items *items; /* all containers */
    block *blocks;
    int64_t taken; /* bytes */
};

/* ---- errors and memory ----------------------------------------------------------------------- */

dt_status dt_pickle_damaged(const dt_pickle *p, const char *what)
{
    return dt_fail(DT_ERR_INPUT, "%s: the file is damaged: its pickle at byte %zu: %s",
                   p->options.path, p->at, what);
}

/* The same with a status that compilers know, so that they see what is set after a success. */
static dt_status damaged(const dt_pickle *p, const char *what)
{
    (void)dt_pickle_damaged(p, what);
    return DT_ERR_INPUT;
}

void *dt_pickle_context(const dt_pickle *p)
{
    return p->options.context;
}

static dt_status count_memory(dt_pickle *p, size_t bytes)
{
    if (bytes > (size_t)(p->options.memory - p->taken))
        return damaged(p, "it would take more memory than a file of this size can need");
    p->taken += (int64_t)bytes;
    return DT_OK;
}

/* DT_GROW with the limit of memory. */
static dt_status grow(dt_pickle *p, void **items, size_t *capacity, size_t needed, size_t size)
{
    const size_t before = *capacity;
    if (needed <= before && *items)
        return DT_OK;
    DT_TRY(count_memory(p, (needed - before) * size));
    DT_TRY(dt_grow(items, capacity, needed, size, "a pickle"));
    return count_memory(p, (*capacity - needed) * size);
}

dt_status dt_pickle_take(dt_pickle *p, size_t bytes, void **out)
{
    const size_t size =
        (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    DT_TRY(count_memory(p, size));
    if (!p->blocks || size > p->blocks->size - p->blocks->used) {
        block *fresh;
        const size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        DT_TRY(dt_calloc((void **)&fresh, 1, sizeof *fresh + room, "a pickle"));
        fresh->next = p->blocks;
        fresh->size = room;
        p->blocks = fresh;
    }
    *out = (char *)p->blocks->bytes + p->blocks->used;
    p->blocks->used += size;
    return DT_OK;
}

static dt_status make_items(dt_pickle *p, dt_pickle_kind kind, dt_pickle_value *out)
{
    void *items;
    DT_TRY(dt_pickle_take(p, sizeof(dt_pickle_items), &items));
    *out = (dt_pickle_value){.kind = kind, .items = items};
    out->items->next = p->items;
    p->items = out->items;
    return DT_OK;
}

static dt_status add_items(dt_pickle *p, dt_pickle_items *to, const dt_pickle_value *values,
                           size_t count)
{
    size_t capacity = (size_t)to->capacity;
    const size_t needed = (size_t)to->count + count;
    const dt_status status = grow(p, (void **)&to->value, &capacity, needed, sizeof *to->value);
    to->capacity = (int64_t)capacity; /* also after a failure, which may have come later */
    DT_TRY(status);
    if (values && count)
        memcpy(to->value + to->count, values, count * sizeof *values);
    to->count = (int64_t)needed;
    return DT_OK;
}

/* ---- bytes of the pickle --------------------------------------------------------------------- */

static dt_status next_bytes(dt_pickle *p, size_t count, const unsigned char **out)
{
    if (count > p->length - p->at)
        return damaged(p, "it ends too early");
    *out = p->bytes + p->at;
    p->at += count;
    return DT_OK;
}

/* An unsigned little-endian number of up to 4 bytes. */
static dt_status next_number(dt_pickle *p, size_t count, uint32_t *out)
{
    const unsigned char *bytes;
    DT_TRY(next_bytes(p, count, &bytes));
    *out = 0;
    for (size_t i = count; i-- > 0;)
        *out = *out << 8 | bytes[i];
    return DT_OK;
}

/* A line, as in GLOBAL, without its end. */
static dt_status next_line(dt_pickle *p, const unsigned char **line, size_t *length)
{
    const unsigned char *end = memchr(p->bytes + p->at, '\n', p->length - p->at);
    if (!end)
        return damaged(p, "it ends within a name");
    *length = (size_t)(end - (p->bytes + p->at));
    return next_bytes(p, *length + 1, line);
}

/* ---- the stack ------------------------------------------------------------------------------- */

static dt_status push(dt_pickle *p, dt_pickle_value value)
{
    DT_TRY(grow(p, (void **)&p->stack, &p->stack_capacity, p->depth + 1, sizeof *p->stack));
    p->stack[p->depth++] = value;
    return DT_OK;
}

/* Returns the depth of the stack at the last MARK, below which nothing may be taken. */
static size_t bottom(const dt_pickle *p)
{
    return p->marks ? p->mark[p->marks - 1] : 0;
}

/* Takes the `count` topmost values; *out points to the lowest of them, until the next push. */
static dt_status pop(dt_pickle *p, size_t count, dt_pickle_value **out)
{
    if (p->depth - bottom(p) < count)
        return damaged(p, "a value is missing");
    p->depth -= count;
    *out = p->stack + p->depth;
    return DT_OK;
}

/* The same for the values above the last MARK, which it removes. */
static dt_status pop_mark(dt_pickle *p, dt_pickle_value **out, size_t *count)
{
    if (p->marks == 0)
        return damaged(p, "a mark is missing");
    *count = p->depth - bottom(p);
    DT_TRY(pop(p, *count, out));
    p->marks--;
    return DT_OK;
}

/* ---- numbers and texts ----------------------------------------------------------------------- */

static dt_status push_int(dt_pickle *p, dt_pickle_kind kind, int64_t value)
{
    return push(p, (dt_pickle_value){.kind = kind, .integer = value});
}

static dt_status push_none(dt_pickle *p, int argument)
{
    (void)argument;
    return push_int(p, DT_PICKLE_NONE, 0);
}

static dt_status push_bool(dt_pickle *p, int truth)
{
    return push_int(p, DT_PICKLE_BOOL, truth);
}

static dt_status read_int(dt_pickle *p, int bytes)
{
    uint32_t number;
    DT_TRY(next_number(p, (size_t)bytes, &number));
    return push_int(p, DT_PICKLE_INT, bytes == 4 ? (int32_t)number : (int64_t)number);
}

/* A signed little-endian number of any length, of which up to 8 bytes are understood. */
static dt_status read_long(dt_pickle *p, int argument)
{
    (void)argument;
    uint32_t length;
    const unsigned char *bytes;
    DT_TRY(next_number(p, 1, &length));
    DT_TRY(next_bytes(p, length, &bytes));
    if (length > 8)
        return damaged(p, "an integer has more than 64 bits");
    uint64_t value = length && bytes[length - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = length; i-- > 0;)
        value = value << 8 | bytes[i];
    return push_int(p, DT_PICKLE_INT, (int64_t)value);
}

static dt_status read_float(dt_pickle *p, int argument)
{
    (void)argument;
    const unsigned char *bytes;
    uint64_t bits = 0;
    dt_pickle_value value = {.kind = DT_PICKLE_FLOAT};
    DT_TRY(next_bytes(p, 8, &bytes));
    for (int i = 0; i < 8; ++i)
        bits = bits << 8 | bytes[i]; /* the only big-endian number */
    memcpy(&value.number, &bits, sizeof bits);
    return push(p, value);
}

static dt_status read_text(dt_pickle *p, int argument)
{
    (void)argument;
    uint32_t length;
    const unsigned char *bytes;
    void *text;
    DT_TRY(next_number(p, 4, &length));
    DT_TRY(next_bytes(p, length, &bytes));
    if (dt_utf8_valid((const char *)bytes, length) != length)
        return damaged(p, "a text is not UTF-8");
    DT_TRY(dt_pickle_take(p, (size_t)length + 1, &text));
    memcpy(text, bytes, length);
    return push(p, (dt_pickle_value){.kind = DT_PICKLE_TEXT, .length = length, .text = text});
}

/* ---- containers ------------------------------------------------------------------------------ */

static dt_status push_empty(dt_pickle *p, int kind)
{
    dt_pickle_value value;
    DT_TRY(make_items(p, (dt_pickle_kind)kind, &value));
    return push(p, value);
}

/* Replaces `count` values by a tuple of them. */
static dt_status push_tuple(dt_pickle *p, const dt_pickle_value *values, size_t count)
{
    dt_pickle_value tuple;
    void *copy;
    DT_TRY(make_items(p, DT_PICKLE_TUPLE, &tuple));
    DT_TRY(dt_pickle_take(p, count * sizeof *values, &copy));
    if (values && count)
        memcpy(copy, values, count * sizeof *values);
    tuple.items->value = copy;
    tuple.items->count = (int64_t)count;
    return push(p, tuple);
}

static dt_status make_tuple(dt_pickle *p, int count)
{
    dt_pickle_value *values;
    DT_TRY(pop(p, (size_t)count, &values));
    return push_tuple(p, values, (size_t)count);
}

static dt_status make_marked_tuple(dt_pickle *p, int argument)
{
    (void)argument;
    dt_pickle_value *values;
    size_t count;
    DT_TRY(pop_mark(p, &values, &count));
    return push_tuple(p, values, count);
}

/* Adds values that were taken from the stack to the container below them. */
static dt_status fill(dt_pickle *p, int kind, const dt_pickle_value *values, size_t count)
{
    if (p->depth == bottom(p) || (int)p->stack[p->depth - 1].kind != kind)
        return damaged(p, "elements of something that is no list or dict");
    if (kind == DT_PICKLE_DICT && count % 2)
        return damaged(p, "a key has no value");
    return add_items(p, p->stack[p->depth - 1].items, values, count);
}

/* One element of a list, or a key and a value. */
static dt_status add_one(dt_pickle *p, int kind)
{
    const size_t count = kind == DT_PICKLE_DICT ? 2 : 1;
    dt_pickle_value *values;
    DT_TRY(pop(p, count, &values));
    return fill(p, kind, values, count);
}

static dt_status add_marked(dt_pickle *p, int kind)
{
    dt_pickle_value *values;
    size_t count;
    DT_TRY(pop_mark(p, &values, &count));
    return fill(p, kind, values, count);
}

static dt_status push_mark(dt_pickle *p, int argument)
{
    (void)argument;
    DT_TRY(grow(p, (void **)&p->mark, &p->mark_capacity, p->marks + 1, sizeof *p->mark));
    p->mark[p->marks++] = p->depth;
    return DT_OK;
}

/* ---- the memo -------------------------------------------------------------------------------- */

static dt_status put(dt_pickle *p, int bytes)
{
    uint32_t index;
    DT_TRY(next_number(p, (size_t)bytes, &index));
    if (index >= p->length)
        return damaged(p, "a memo has an impossible number");
    if (p->depth == bottom(p))
        return damaged(p, "a value is missing");
    const size_t needed = (size_t)index + 1;
    DT_TRY(grow(p, (void **)&p->memo, &p->memo_capacity, needed, sizeof *p->memo));
    while (p->memo_count < needed)
        p->memo[p->memo_count++].kind = DT_PICKLE_ABSENT;
    p->memo[index] = p->stack[p->depth - 1];
    return DT_OK;
}

static dt_status get(dt_pickle *p, int bytes)
{
    uint32_t index;
    DT_TRY(next_number(p, (size_t)bytes, &index));
    if (index >= p->memo_count || p->memo[index].kind == DT_PICKLE_ABSENT)
        return damaged(p, "an unknown memo is used");
    return push(p, p->memo[index]);
}

/* ---- globals, calls and persistent ids ------------------------------------------------------- */

static bool has_name(const dt_pickle_global *global, const unsigned char *module, size_t m,
                     const unsigned char *name, size_t n)
{
    return strlen(global->name) == m + 1 + n && memcmp(global->name, module, m) == 0 &&
           global->name[m] == ' ' && memcmp(global->name + m + 1, name, n) == 0;
}

static dt_status read_global(dt_pickle *p, int argument)
{
    (void)argument;
    const unsigned char *module;
    const unsigned char *name;
    size_t m;
    size_t n;
    char excerpt[2][DT_EXCERPT_SIZE];
    DT_TRY(next_line(p, &module, &m));
    DT_TRY(next_line(p, &name, &n));
    for (const dt_pickle_global *global = p->options.allowed; global->name; ++global)
        if (has_name(global, module, m, name, n))
            return push(p, (dt_pickle_value){.kind = DT_PICKLE_GLOBAL, .global = global});
    return dt_fail(
        DT_ERR_INPUT,
        "%s: refused: the file refers to the Python object %s.%s, which a DeepTaxa model "
        "does not need",
        p->options.path, dt_excerpt(excerpt[0], (const char *)module, m),
        dt_excerpt(excerpt[1], (const char *)name, n));
}

static dt_status call(dt_pickle *p, int argument)
{
    (void)argument;
    dt_pickle_value *values;
    dt_pickle_value made = {0};
    DT_TRY(pop(p, 2, &values));
    if (values[0].kind != DT_PICKLE_GLOBAL || values[1].kind != DT_PICKLE_TUPLE ||
        !values[0].global->call)
        return damaged(p, "a call of something that cannot be called");
    DT_TRY(values[0].global->call(p, values[0].global, values[1].items, &made));
    return push(p, made);
}

/* An object gets its state, a dict, where that is its content. */
static dt_status build(dt_pickle *p, int argument)
{
    (void)argument;
    dt_pickle_value *values;
    DT_TRY(pop(p, 2, &values));
    const dt_pickle_value object = values[0];
    const dt_pickle_value state = values[1];
    if (object.kind == DT_PICKLE_DICT && object.items->maker && object.items->maker->takes_state) {
        if (state.kind != DT_PICKLE_DICT || state.items == object.items)
            return damaged(p, "a value is of the wrong kind");
        DT_TRY(add_items(p, object.items, state.items->value, (size_t)state.items->count));
    }
    return push(p, object);
}

static dt_status read_persistent(dt_pickle *p, int argument)
{
    (void)argument;
    dt_pickle_value *id;
    dt_pickle_value made = {0};
    DT_TRY(pop(p, 1, &id));
    DT_TRY(p->options.persistent(p, id, &made));
    return push(p, made);
}

dt_status dt_pickle_make_dict(dt_pickle *p, const dt_pickle_global *global,
                              const dt_pickle_items *arguments, dt_pickle_value *out)
{
    (void)arguments;
    DT_TRY(make_items(p, DT_PICKLE_DICT, out));
    out->items->maker = global;
    return DT_OK;
}

dt_status dt_pickle_make_opaque(dt_pickle *p, const dt_pickle_global *global,
                                const dt_pickle_items *arguments, dt_pickle_value *out)
{
    (void)p;
    (void)global;
    (void)arguments;
    *out = (dt_pickle_value){.kind = DT_PICKLE_OPAQUE};
    return DT_OK;
}

/* ---- the machine ----------------------------------------------------------------------------- */

static dt_status read_protocol(dt_pickle *p, int argument)
{
    (void)argument;
    uint32_t version;
    DT_TRY(next_number(p, 1, &version));
    return version == 2 ? DT_OK : damaged(p, "it is not of protocol 2");
}

/* The opcodes that are read, with their names in pickletools.py. */
static const struct {
    dt_status (*step)(dt_pickle *p, int argument);
    int argument;
} opcodes[256] = {
    [0x80] = {read_protocol, 0},           /* PROTO */
    ['N'] = {push_none, 0},                /* NONE */
    [0x88] = {push_bool, 1},               /* NEWTRUE */
    [0x89] = {push_bool, 0},               /* NEWFALSE */
    ['K'] = {read_int, 1},                 /* BININT1 */
    ['M'] = {read_int, 2},                 /* BININT2 */
    ['J'] = {read_int, 4},                 /* BININT */
    [0x8a] = {read_long, 0},               /* LONG1 */
    ['G'] = {read_float, 0},               /* BINFLOAT */
    ['X'] = {read_text, 0},                /* BINUNICODE */
    [']'] = {push_empty, DT_PICKLE_LIST},  /* EMPTY_LIST */
    ['}'] = {push_empty, DT_PICKLE_DICT},  /* EMPTY_DICT */
    [')'] = {push_empty, DT_PICKLE_TUPLE}, /* EMPTY_TUPLE */
    [0x85] = {make_tuple, 1},              /* TUPLE1 */
    [0x86] = {make_tuple, 2},              /* TUPLE2 */
    [0x87] = {make_tuple, 3},              /* TUPLE3 */
    ['('] = {push_mark, 0},                /* MARK */
    ['t'] = {make_marked_tuple, 0},        /* TUPLE */
    ['a'] = {add_one, DT_PICKLE_LIST},     /* APPEND */
    ['e'] = {add_marked, DT_PICKLE_LIST},  /* APPENDS */
    ['s'] = {add_one, DT_PICKLE_DICT},     /* SETITEM */
    ['u'] = {add_marked, DT_PICKLE_DICT},  /* SETITEMS */
    ['q'] = {put, 1},                      /* BINPUT */
    ['r'] = {put, 4},                      /* LONG_BINPUT */
    ['h'] = {get, 1},                      /* BINGET */
    ['j'] = {get, 4},                      /* LONG_BINGET */
    ['c'] = {read_global, 0},              /* GLOBAL */
    ['R'] = {call, 0},                     /* REDUCE */
    [0x81] = {call, 0},                    /* NEWOBJ */
    ['b'] = {build, 0},                    /* BUILD */
    ['Q'] = {read_persistent, 0},          /* BINPERSID */
};

static dt_status run(dt_pickle *p, dt_pickle_value *root)
{
    for (;;) {
        const unsigned char *opcode;
        DT_TRY(next_bytes(p, 1, &opcode));
        if (*opcode == '.') /* STOP */
            break;
        if (!opcodes[*opcode].step)
            return damaged(p, "an opcode that torch.save does not write");
        DT_TRY(opcodes[*opcode].step(p, opcodes[*opcode].argument));
    }
    if (p->marks || p->depth != 1 || p->at != p->length)
        return damaged(p, "it does not end with one object");
    *root = p->stack[0];
    return DT_OK;
}

enum { UNSEEN, OPEN, CLOSED };

static bool is_container(const dt_pickle_value *value)
{
    return value->kind == DT_PICKLE_LIST || value->kind == DT_PICKLE_TUPLE ||
           value->kind == DT_PICKLE_DICT;
}

/* Visits each container once. */
static dt_status check_nesting(const dt_pickle *p, const dt_pickle_value *value, int depth)
{
    if (!is_container(value) || value->items->state == CLOSED)
        return DT_OK;
    if (value->items->state == OPEN)
        return damaged(p, "an object contains itself");
    if (depth >= DT_PICKLE_DEPTH)
        return damaged(p, "its objects are nested too deeply");
    value->items->state = OPEN;
    for (int64_t i = 0; i < value->items->count; ++i)
        DT_TRY(check_nesting(p, &value->items->value[i], depth + 1));
    value->items->state = CLOSED;
    return DT_OK;
}

dt_status dt_pickle_read(dt_pickle **out, const char *bytes, size_t length,
                         const dt_pickle_options *options, dt_pickle_value *root)
{
    dt_pickle *p;
    DT_TRY(DT_NEW(p, 1));
    p->options = *options;
    p->bytes = (const unsigned char *)bytes;
    p->length = length;
    dt_status status = run(p, root);
    if (status == DT_OK)
        status = check_nesting(p, root, 0);
    if (status != DT_OK) {
        dt_pickle_free(p);
        return status;
    }
    *out = p;
    return DT_OK;
}

void dt_pickle_free(dt_pickle *p)
{
    if (!p)
        return;
    for (dt_pickle_items *items = p->items; items; items = items->next)
        if (items->capacity > 0)
            free(items->value);
    while (p->blocks) {
        block *next = p->blocks->next;
        free(p->blocks);
        p->blocks = next;
    }
    free(p->stack);
    free(p->mark);
    free(p->memo);
    free(p);
}
