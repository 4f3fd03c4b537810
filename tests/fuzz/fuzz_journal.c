/* One byte of flags, then a record of the model of sim_model.h. Flags: 1: checksums are put right first, so
 * that what they protect is reached; 2: the files carry the record's guard, as when a change was cut; 4: the
 * record is committed; 8: it is gone on with. */
#include "fuzz.h"

#include <string.h>

#include "record.h"
#include "sim_model.h"

enum { REPAIR = 1, GUARDED = 2, COMMITTED = 4, RESUMED = 8 };

static void digest_into(uint8_t *at, const void *bytes, size_t n)
{
    struct digest digest;
    struct error err;
    FUZZ_HOLDS(digest_of(bytes, n, &digest, &err));
    memcpy(at, digest.bytes, sizeof digest.bytes);
}

static void repair_text(uint8_t *at, size_t left)
{
    uint64_t extent = record_head_extent(at);
    if (extent == 0 || extent > left)
        return;
    size_t n = (size_t)extent - RECORD_HEAD;
    uint8_t *all = malloc(32 + n);
    FUZZ_HOLDS(all);
    memcpy(all, at, 32);
    memcpy(all + 32, at + RECORD_HEAD, n);
    digest_into(at + 32, all, 32 + n);
    free(all);
}

static void repair_chunk(uint8_t *at, size_t left)
{
    uint64_t packed;
    memcpy(&packed, at + 48, sizeof packed);
    if (packed <= left - RECORD_CHUNK_HEAD)
        digest_into(at + 136, at + RECORD_CHUNK_HEAD, (size_t)packed);
    digest_into(at + 224, at, 224);
}

static void repair(uint8_t *bytes, size_t n)
{
    for (size_t at = 0; n - at >= RECORD_CHUNK_HEAD; at += RECORD_PAGE) {
        if (memcmp(bytes + at, "LNCTCHNK", 8) == 0)
            repair_chunk(bytes + at, n - at);
        else if (memcmp(bytes + at, "LNCT", 4) == 0)
            repair_text(bytes + at, n - at);
        if (n - at < RECORD_PAGE)
            break;
    }
}

static void guard_files(struct simfs *sim, const uint8_t *bytes, size_t n)
{
    struct record record = {0};
    struct error err;
    bool torn = true;
    if (record_header_decode("record", 1, bytes, n, &record, &torn, &err) && !torn)
        for (size_t i = 0; i < SIM_FILES; i++) {
            size_t size;
            uint8_t copy[32768];
            const uint8_t *file = simfs_get(sim, sim_paths[i], &size);
            FUZZ_HOLDS(size <= sizeof copy);
            memcpy(copy, file, size);
            memcpy(copy, record.files[0].guard, record.files[0].guard_bytes);
            simfs_put(sim, sim_paths[i], copy, size);
        }
    record_release(&record);
}

static void settle(struct simfs *sim)
{
    struct sim_model model;
    struct error err;
    struct simfs *before = simfs_clone(sim);
    if (sim_model_settle(&model, sim, CHECKPOINT_CHANGE, true, &err)) {
        sim_model_close(&model);
        FUZZ_HOLDS(!simfs_get(sim, "/m/.lancet/0001.open", NULL));
    } else {
        FUZZ_HOLDS(err.kind == ERROR_FORMAT || err.kind == ERROR_MISMATCH);
        FUZZ_HOLDS(simfs_same(before, sim));
    }
    FUZZ_HOLDS(simfs_open_count(sim) == 0);
    simfs_free(before);
}

/* Opening only looks. What comes of going on, the next writer can deal with. */
static void resume(struct simfs *sim)
{
    struct sim_model model;
    struct error err;
    uint32_t number;
    struct simfs *before = simfs_clone(sim);
    bool opened = sim_model_resume(&model, sim, true, &err);
    FUZZ_HOLDS(simfs_same(before, sim));
    if (opened) {
        sim_model_merge(&model, false, &number, &err);
        sim_model_close(&model);
    }
    FUZZ_HOLDS(simfs_open_count(sim) == 0);
    simfs_free(before);
    settle(sim);
}

/* log, verify and undo of a committed record. */
static void use(struct simfs *sim)
{
    struct sim_model model;
    struct history_undone done;
    struct error err;
    if (sim_model_open(&model, sim, CHECKPOINT_CHANGE, true, &err)) {
        history_undo(&model.context, &model.checkpoint, &(struct history_undo_options){.to_given = true},
                     &done, &err);
        sim_model_close(&model);
    }
    FUZZ_HOLDS(simfs_open_count(sim) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct simfs *base;
    if (size == 0 || size > 1 << 20)
        return 0;
    if (!base) {
        base = sim_model_new();
        simfs_make_directory(base, "/m/.lancet");
    }
    struct simfs *sim = simfs_clone(base);
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + 1);
    FUZZ_HOLDS(bytes);
    memcpy(bytes, data + 1, n);
    if (data[0] & REPAIR)
        repair(bytes, n);
    if (data[0] & GUARDED)
        guard_files(sim, bytes, n);
    simfs_put(sim, data[0] & COMMITTED ? "/m/.lancet/0001" : "/m/.lancet/0001.open", bytes, n);
    if (data[0] & COMMITTED)
        use(sim);
    else if (data[0] & RESUMED)
        resume(sim);
    else
        settle(sim);
    free(bytes);
    simfs_free(sim);
    return 0;
}
