#include "npz.h"

#include <string.h>
#include <zlib.h>

#include "memory.h"
#include "npy.h"
#include "str.h"

enum {
    LOCAL_HEADER = 0x04034b50,
    DESCRIPTOR = 0x08074b50,
    DIRECTORY = 0x02014b50,
    END_64 = 0x06064b50,
    LOCATOR_64 = 0x07064b50,
    END = 0x06054b50,
    VERSION = 45, /* of the format, with 64 bits */
    BY_UNIX = 3 << 8,
    FLAGS = 1 << 3 | 1 << 11, /* a descriptor follows; names are UTF-8 */
    NEW_YEAR_1980 = 1 << 5 | 1,
    MODE = 0100644,
    EXTRA_64 = 1
};
#define IN_64 0xffffffffu /* the number stands in a 64-bit field */

struct member {
    char *name; /* with .npy */
    uint32_t checksum;
    uint64_t offset, bytes;
};

struct npz_writer {
    struct out_file *out;
    struct member *members;
    size_t n, capacity;
    uint64_t start; /* of the bytes of the last member */
    struct str record;
};

/* ---- records: little-endian fields behind one another ---- */

static void put_number(struct str *record, uint64_t value, size_t bytes)
{
    unsigned char text[8];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (unsigned char)(value >> 8 * i);
    str_append_bytes(record, text, bytes);
}

static void put_u16(struct str *record, uint64_t value)
{
    put_number(record, value, 2);
}

static void put_u32(struct str *record, uint64_t value)
{
    put_number(record, value, 4);
}

static void put_u64(struct str *record, uint64_t value)
{
    put_number(record, value, 8);
}

/* What local header and directory have in common: version to name length. */
static void put_facts(struct str *record, const struct member *m, uint32_t checksum)
{
    put_u16(record, VERSION);
    put_u16(record, FLAGS);
    put_u16(record, 0); /* stored */
    put_u16(record, 0); /* midnight */
    put_u16(record, NEW_YEAR_1980);
    put_u32(record, checksum);
    put_u32(record, IN_64);
    put_u32(record, IN_64);
    put_u16(record, strlen(m->name));
}

static bool send(struct npz_writer *npz, struct error *err)
{
    struct str *record = &npz->record;
    bool ok = !record->failed || error_memory(err, "writing a NumPy archive");
    ok = ok && out_file_put(npz->out, record->data, record->length, err);
    str_clear(record);
    return ok;
}

/* ---- members ---- */

bool npz_new(struct out_file *out, struct npz_writer **npz, struct error *err)
{
    struct npz_writer *made = memory_zeroed(1, sizeof *made);
    if (!made)
        return error_memory(err, "writing a NumPy archive");
    made->out = out;
    *npz = made;
    return true;
}

static struct member *add_member(struct npz_writer *npz, const char *name, struct error *err)
{
    struct str full = {0};
    if (npz->n == npz->capacity) {
        size_t wanted = npz->capacity ? 2 * npz->capacity : 32;
        struct member *members = memory_resize(npz->members, wanted, sizeof *members);
        if (!members) {
            error_memory(err, "writing a NumPy archive");
            return NULL;
        }
        npz->members = members;
        npz->capacity = wanted;
    }
    str_printf(&full, "%s.npy", name);
    struct member *m = &npz->members[npz->n];
    *m = (struct member){.name = str_take(&full), .offset = out_file_bytes(npz->out)};
    if (!m->name) {
        error_memory(err, "writing a NumPy archive");
        return NULL;
    }
    npz->n++;
    return m;
}

bool npz_begin(struct npz_writer *npz, const char *name, const char *type, const size_t *shape, unsigned rank,
               struct error *err)
{
    char header[NPY_HEADER];
    struct member *m = add_member(npz, name, err);
    if (!m)
        return false;
    put_u32(&npz->record, LOCAL_HEADER);
    put_facts(&npz->record, m, 0);
    put_u16(&npz->record, 20); /* of what follows the name */
    str_append(&npz->record, m->name);
    put_u16(&npz->record, EXTRA_64);
    put_u16(&npz->record, 16);
    put_u64(&npz->record, 0);
    put_u64(&npz->record, 0);
    if (!send(npz, err))
        return false;
    npz->start = out_file_bytes(npz->out);
    return npz_put(npz, header, npy_header(type, shape, rank, header), err);
}

bool npz_put(struct npz_writer *npz, const void *bytes, size_t n, struct error *err)
{
    struct member *m = &npz->members[npz->n - 1];
    m->checksum = (uint32_t)crc32_z(m->checksum, bytes, n);
    return out_file_put(npz->out, bytes, n, err);
}

bool npz_end(struct npz_writer *npz, struct error *err)
{
    struct member *m = &npz->members[npz->n - 1];
    m->bytes = out_file_bytes(npz->out) - npz->start;
    put_u32(&npz->record, DESCRIPTOR);
    put_u32(&npz->record, m->checksum);
    put_u64(&npz->record, m->bytes);
    put_u64(&npz->record, m->bytes);
    return send(npz, err);
}

bool npz_array(struct npz_writer *npz, const char *name, const char *type, const size_t *shape, unsigned rank,
               const void *bytes, size_t n, struct error *err)
{
    return npz_begin(npz, name, type, shape, rank, err) && npz_put(npz, bytes, n, err) && npz_end(npz, err);
}

/* ---- the directory ---- */

static bool put_entry(struct npz_writer *npz, const struct member *m, struct error *err)
{
    put_u32(&npz->record, DIRECTORY);
    put_u16(&npz->record, BY_UNIX | VERSION);
    put_facts(&npz->record, m, m->checksum);
    put_u16(&npz->record, 28); /* of what follows the name */
    put_u16(&npz->record, 0);  /* no comment */
    put_u16(&npz->record, 0);  /* disk */
    put_u16(&npz->record, 0);
    put_u32(&npz->record, (uint64_t)MODE << 16);
    put_u32(&npz->record, IN_64);
    str_append(&npz->record, m->name);
    put_u16(&npz->record, EXTRA_64);
    put_u16(&npz->record, 24);
    put_u64(&npz->record, m->bytes);
    put_u64(&npz->record, m->bytes);
    put_u64(&npz->record, m->offset);
    return send(npz, err);
}

bool npz_finish(struct npz_writer *npz, struct error *err)
{
    uint64_t start = out_file_bytes(npz->out);
    for (size_t i = 0; i < npz->n; i++)
        if (!put_entry(npz, &npz->members[i], err))
            return false;
    uint64_t end = out_file_bytes(npz->out);
    put_u32(&npz->record, END_64);
    put_u64(&npz->record, 44); /* of what follows */
    put_u16(&npz->record, BY_UNIX | VERSION);
    put_u16(&npz->record, VERSION);
    put_u32(&npz->record, 0); /* disks */
    put_u32(&npz->record, 0);
    put_u64(&npz->record, npz->n);
    put_u64(&npz->record, npz->n);
    put_u64(&npz->record, end - start);
    put_u64(&npz->record, start);
    put_u32(&npz->record, LOCATOR_64);
    put_u32(&npz->record, 0);
    put_u64(&npz->record, end);
    put_u32(&npz->record, 1);
    put_u32(&npz->record, END);
    put_u32(&npz->record, 0);     /* disks */
    put_u32(&npz->record, IN_64); /* both counts of entries */
    put_u32(&npz->record, IN_64);
    put_u32(&npz->record, IN_64);
    put_u16(&npz->record, 0); /* no comment */
    return send(npz, err);
}

void npz_free(struct npz_writer *npz)
{
    if (!npz)
        return;
    for (size_t i = 0; i < npz->n; i++)
        free(npz->members[i].name);
    free(npz->members);
    str_release(&npz->record);
    free(npz);
}
