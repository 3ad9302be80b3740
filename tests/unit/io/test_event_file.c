/* Files for TensorBoard: the checksum is CRC-32C, and the bytes are those of the protocol. */
#include "test.h"

#include <dirent.h>
#include <unistd.h>

#include "core/file.h"
#include "io/event_file.h"

static char folder[] = "/tmp/deeptaxa-test-events-XXXXXX";

/* RFC 3720, B.4, and the check value of the algorithm's definition. */
static void checksums_are_those_of_the_standard(void **state)
{
    (void)state;
    const unsigned char zeros[32] = {0};
    const struct {
        const void *bytes;
        size_t length;
        uint32_t crc;
    } known[] = {{"123456789", 9, 0xE3069283u}, {zeros, 32, 0x8A9136AAu}, {"", 0, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        const uint32_t rotated = dt_event_crc(known[i].bytes, known[i].length) - 0xA282EAD8u;
        assert_int_equal(rotated << 15 | rotated >> 17, known[i].crc);
    }
}

/* Reads the only file in the folder, and removes both. */
static unsigned char *content(size_t *length)
{
    char path[512];
    char *bytes;
    DIR *list = opendir(folder);
    assert_non_null(list);
    path[0] = '\0';
    for (struct dirent *entry; (entry = readdir(list));)
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) == 0)
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    closedir(list);
    ASSERT_OK(dt_read_file(path, &bytes, length));
    unlink(path);
    rmdir(folder);
    return (unsigned char *)bytes;
}

/* The next record without its time, which is the first field of each event. */
static const unsigned char *next(unsigned char **at, const unsigned char *end, size_t *length)
{
    unsigned char *event = *at + 12;
    assert_true(*at + 16 <= end);
    *length = (*at)[0] | (size_t)(*at)[1] << 8;
    for (int i = 2; i < 8; ++i)
        assert_int_equal((*at)[i], 0);
    assert_true(event + *length + 4 <= end);
    *at = event + *length + 4;
    assert_int_equal(event[0], 0x09); /* field 1, 8 bytes */
    *length -= 9;
    return event + 9;
}

static void events_are_encoded_as_protobuf_does(void **state)
{
    (void)state;
    dt_event_file *file;
    size_t length;
    assert_non_null(mkdtemp(folder));
    ASSERT_OK(dt_event_file_create(&file, folder, 1));
    ASSERT_OK(dt_event_scalar(file, 300, "a", 1.5));
    ASSERT_OK(dt_event_scalar(file, 300, "b", NAN));
    ASSERT_OK(dt_event_text(file, 0, "t", "xy"));
    dt_event_file_close(file);
    unsigned char *bytes = content(&length);
    unsigned char *at = bytes;
    const unsigned char *end = bytes + length;
    const struct {
        const char *bytes;
        size_t length;
    } wanted[] = {
        {"\x10\x00\x1A\x0D"
         "brain.Event:2",
         17},
        {"\x10\x01\x3A\x02\x08\x01", 6},
        {"\x10\xAC\x02\x2A\x0A\x0A\x08\x0A\x01"
         "a\x15\x00\x00\xC0\x3F",
         15},
        {"\x10\x00\x2A\x1D\x0A\x1B\x0A\x01"
         "t\x4A\x08\x0A\x06\x0A\x04"
         "text\x42\x0C\x08\x07\x12\x04\x12\x02\x08\x01\x42\x02"
         "xy",
         33},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; ++i) {
        const unsigned char *event = next(&at, end, &length);
        assert_int_equal(length, wanted[i].length);
        assert_memory_equal(event, wanted[i].bytes, length);
    }
    assert_ptr_equal(at, end);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_those_of_the_standard),
        cmocka_unit_test(events_are_encoded_as_protobuf_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
