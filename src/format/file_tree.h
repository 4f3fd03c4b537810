/* The files below a folder, their removal, and names for what is not finished yet. */
#ifndef LANCET_FILE_TREE_H
#define LANCET_FILE_TREE_H

#include "arena.h"
#include "fs.h"

struct file_tree {
    struct tree_entry {
        const char *path; /* relative to the root; a folder comes before what is in it */
        mode_t mode;      /* as stat gives it */
        uint64_t bytes;
    } * items;
    size_t n, capacity;
    uint64_t bytes; /* of all regular files */
    struct arena arena;
};

/* Appends what `wanted` (called with the root's own state and a name) wants; links to files are followed when
 * `follow` says so, links to folders never. Deeper than 32 folders: ERROR_UNSUPPORTED. */
struct tree_filter {
    bool (*wanted)(void *user, const char *name, bool at_root);
    void *user;
    bool follow;
};
bool file_tree_list(const struct fs *fs, const char *root, const struct tree_filter *filter,
                    struct file_tree *out, struct error *err);
void file_tree_release(struct file_tree *tree);

/* fs->list with a sentence: "PATH: cannot list the WHAT". */
bool file_tree_names(const struct fs *fs, const char *path, const char *what, char **out, struct error *err);

/* Removes a folder and all that is in it; a folder that is not there is fine. */
bool file_tree_remove(const struct fs *fs, const char *root, struct error *err);

/* A name beside `path` for what will take its place: DIRECTORY/.NAME.lancet-XXXXXXXX, random, malloc'ed. NULL
 * and err on failure. */
char *file_tree_temporary(const char *path, struct error *err);

#endif
