#include "io/pickle_writer.h"

#include <stdio.h>
#include <string.h>

/* The opcodes, as Python's pickletools calls them. */
enum {
    MARK = '(',
    STOP = '.',
    BINFLOAT = 'G',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    NONE = 'N',
    BINPERSID = 'Q',
    REDUCE = 'R',
    BINUNICODE = 'X',
    EMPTY_LIST = ']',
    BUILD = 'b',
    GLOBAL = 'c',
    APPENDS = 'e',
    TUPLE = 't',
    SETITEMS = 'u',
    EMPTY_DICT = '}',
    PROTO = 0x80,
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    LONG1 = 0x8a,
};

static void put(dt_pickle_writer *pickle, const void *bytes, size_t length)
{
    if (pickle->status == DT_OK)
        pickle->status = dt_text_add(&pickle->text, bytes, length);
}

static void put_opcode(dt_pickle_writer *pickle, int opcode)
{
    const char byte = (char)opcode;
    put(pickle, &byte, 1);
}

/* A byte, usually an opcode, and the lower `bytes` bytes of a number, the lowest first. */
static void put_number(dt_pickle_writer *pickle, int first, int64_t number, int bytes)
{
    char text[9] = {(char)first};
    for (int i = 0; i < bytes; ++i)
        text[i + 1] = (char)((uint64_t)number >> 8 * i);
    put(pickle, text, (size_t)bytes + 1);
}

void dt_pickle_writer_start(dt_pickle_writer *pickle)
{
    put_number(pickle, PROTO, 2, 1);
}

dt_status dt_pickle_writer_finish(dt_pickle_writer *pickle)
{
    put_opcode(pickle, STOP);
    return pickle->status;
}

void dt_pickle_put_none(dt_pickle_writer *pickle)
{
    put_opcode(pickle, NONE);
}

void dt_pickle_put_bool(dt_pickle_writer *pickle, bool value)
{
    put_opcode(pickle, value ? NEWTRUE : NEWFALSE);
}

void dt_pickle_put_int(dt_pickle_writer *pickle, int64_t value)
{
    if (value >= 0 && value <= UINT8_MAX)
        put_number(pickle, BININT1, value, 1);
    else if (value >= 0 && value <= UINT16_MAX)
        put_number(pickle, BININT2, value, 2);
    else if (value >= INT32_MIN && value <= INT32_MAX)
        put_number(pickle, BININT, value, 4);
    else {
        put_opcode(pickle, LONG1);
        put_number(pickle, sizeof value, value, sizeof value);
    }
}

void dt_pickle_put_double(dt_pickle_writer *pickle, double value)
{
    uint64_t bits;
    char text[9] = {BINFLOAT};
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; ++i) /* the highest byte first */
        text[i + 1] = (char)(bits >> (56 - 8 * i));
    put(pickle, text, sizeof text);
}

void dt_pickle_put_text(dt_pickle_writer *pickle, const char *text)
{
    const size_t length = strlen(text);
    put_number(pickle, BINUNICODE, (int64_t)length, 4);
    put(pickle, text, length);
}

void dt_pickle_begin_dict(dt_pickle_writer *pickle)
{
    put_opcode(pickle, EMPTY_DICT);
    dt_pickle_begin_items(pickle);
}

void dt_pickle_begin_items(dt_pickle_writer *pickle)
{
    put_opcode(pickle, MARK);
}

void dt_pickle_end_dict(dt_pickle_writer *pickle)
{
    put_opcode(pickle, SETITEMS);
}

void dt_pickle_begin_list(dt_pickle_writer *pickle)
{
    put(pickle, (const char[2]){EMPTY_LIST, MARK}, 2);
}

void dt_pickle_end_list(dt_pickle_writer *pickle)
{
    put_opcode(pickle, APPENDS);
}

void dt_pickle_begin_tuple(dt_pickle_writer *pickle)
{
    put_opcode(pickle, MARK);
}

void dt_pickle_end_tuple(dt_pickle_writer *pickle)
{
    put_opcode(pickle, TUPLE);
}

void dt_pickle_put_global(dt_pickle_writer *pickle, const char *module, const char *name)
{
    put_opcode(pickle, GLOBAL);
    put(pickle, module, strlen(module));
    put_opcode(pickle, '\n');
    put(pickle, name, strlen(name));
    put_opcode(pickle, '\n');
}

void dt_pickle_put_call(dt_pickle_writer *pickle)
{
    put_opcode(pickle, REDUCE);
}

void dt_pickle_put_state(dt_pickle_writer *pickle)
{
    put_opcode(pickle, BUILD);
}

void dt_pickle_put_persistent(dt_pickle_writer *pickle)
{
    put_opcode(pickle, BINPERSID);
}
