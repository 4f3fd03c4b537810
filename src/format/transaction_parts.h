/* What the parts of a transaction share: transaction.c walks its states, transaction_plan.c says what is
 * going to change, transaction_write.c saves what transaction_overwrite.c then overwrites, transaction_old.c
 * reads what was, transaction_resume.c takes over what an earlier run left. */
#ifndef LANCET_TRANSACTION_PARTS_H
#define LANCET_TRANSACTION_PARTS_H

#include <pthread.h>

#include "buffer.h"
#include "guard.h"
#include "record.h"
#include "store.h"
#include "transaction.h"

enum transaction_state {
    TRANSACTION_NEW,
    TRANSACTION_RECORDED,
    TRANSACTION_GUARDED,
    TRANSACTION_WRITTEN,
    TRANSACTION_VALID,
    TRANSACTION_SEALED,
    TRANSACTION_COMMITTED,
    TRANSACTION_PROVEN
};

enum { TRANSACTION_CACHED = 2 };

struct writing { /* one listed tensor */
    const struct tensor *tensor;
    uint64_t position;           /* bytes up to here are whole in the file, or were passed over */
    struct digest_stream *after; /* over them, until all are there */
    bool finished;               /* all are, and the record has the after-digest */
    struct digest_stream *again; /* over what came so far of the chunk at `position` that is written again */
};

struct cached_chunk { /* old bytes for transaction_old */
    bool loaded;
    size_t chunk;
    uint64_t used; /* when it was last asked for */
    struct buffer bytes;
};

struct behind { /* the chunk that is in the record, and not yet known to be there */
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows up to `err`; the rest changes only while it is not busy */
    pthread_cond_t changed;
    bool started, busy, quit, failed, unsynced;
    struct error err;
    size_t tensor;
    struct record_chunk chunk;
    struct buffer bytes; /* the new ones */
};

struct transaction {
    const struct context *context;
    const struct fs *fs;
    struct checkpoint *checkpoint;
    enum transaction_state state;
    bool unsynced; /* a sync failed: nothing more is written, and nothing is rolled back in this process */
    bool keep;     /* taking over an open record: should that fail, the record stays */
    bool no_history, force;
    enum record_packing packing;
    struct store store;
    char *open_path, *final_path;
    int fd;               /* of the record; -1: none yet */
    struct record record; /* `end` is where the next chunk goes */
    struct guarded *files;
    size_t *record_files;    /* [checkpoint.n_files] index in the record; its n_files: not there */
    struct writing *tensors; /* as in the record */
    uint64_t reserved, chunk_bytes, done, total;
    struct buffer held, packed; /* a chunk's old pages; its head and stream */

    bool *differs; /* [n_adopted] chunks of the earlier run that are not whole in the file */
    size_t n_adopted;

    /* Whoever reads old bytes may be another thread than the one that writes. `index` guards record.chunks,
     * record.by_place and differs, which the writer alone changes; `cache` what follows. */
    pthread_mutex_t index, cache;
    struct cached_chunk cached[TRANSACTION_CACHED];
    struct buffer unpacking;
    uint64_t clock;

    struct behind behind;
};

/* ---- transaction_plan.c ---- */

uint64_t transaction_chunk_bytes(const struct transaction_options *options);
bool transaction_describe(struct transaction *t, const struct transaction_options *options,
                          struct error *err);
bool transaction_list(struct transaction *t, const struct tensor *const *tensors, size_t n,
                      struct error *err);
/* One that was listed, in order of place. */
void transaction_sort(const struct tensor **tensors, size_t n);
/* Bytes that chunks and trailer of this record have at most. */
uint64_t transaction_bound(const struct transaction *t);
/* Index of a listed tensor, or n_tensors. */
size_t transaction_index(const struct transaction *t, const struct tensor *tensor);

/* ---- transaction_write.c ---- */

bool transaction_reserve(struct transaction *t, uint64_t end, struct error *err);
/* A sync that fails ends it. */
bool transaction_sync_record(struct transaction *t, struct error *err);
bool transaction_sync_files(struct transaction *t, struct error *err);
/* Saves the pages that the chunk holds, syncs the record, lists the chunk: for first pages. */
bool transaction_save(struct transaction *t, struct record_chunk *chunk, struct error *err);
/* Reads what is left of every tensor; the record then has all after-digests. */
bool transaction_finish(struct transaction *t, struct error *err);
/* The tensor's after-digest takes the bytes up to `until` from the file. */
bool transaction_pass_over(struct transaction *t, size_t tensor, uint64_t until, struct error *err);

/* ---- transaction_overwrite.c ---- */

/* Writes new bytes at `at` of the tensor's file and reads them back. */
bool transaction_overwrite(const struct transaction *t, size_t tensor, uint64_t at, const uint8_t *bytes,
                           size_t n, struct error *err);
/* Syncs the record, and lists a chunk that was appended to it. */
bool transaction_make_known(struct transaction *t, const struct record_chunk *chunk, bool *unsynced,
                            struct error *err);
/* A chunk that was appended to the record becomes known and its bytes are overwritten: now or, with threads,
 * until transaction_catch_up returns, which tells whether it went well. */
bool transaction_hand_over(struct transaction *t, size_t tensor, const struct record_chunk *chunk,
                           const uint8_t *bytes, struct error *err);
bool transaction_catch_up(struct transaction *t, struct error *err);
/* The chunk that was handed over and is not done yet; from any thread. */
bool transaction_handed_over(struct transaction *t, struct record_chunk *out);
void transaction_stop_behind(struct transaction *t);

/* ---- transaction_resume.c ---- */

/* Takes the checkpoint's open record over: afterwards the state is RECORDED. */
bool transaction_adopt(struct transaction *t, const struct transaction_options *options,
                       const struct tensor *const *tensors, size_t n, struct error *err);
/* Once the files are guarded: what torn pages spoilt beside the overwritten bytes is put back, and each chunk
 * compared with what it was meant to become. */
bool transaction_read_back(struct transaction *t, struct error *err);

#endif
