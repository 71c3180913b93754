#include "cli/inputs.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum ntk_status ntk_input_resolve(const char *name, char **out, struct ntk_error *error)
{
    struct stat info;
    if (strstr(name, "://"))
        return ntk_fail(error, NTK_NO_INPUT, "%s looks like a URL, the name of a file was expected",
                        name);
    char *path = realpath(name, NULL);
    if (!path || stat(path, &info)) {
        int reason = errno;
        free(path);
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", name, strerror(reason));
    }
    if (!S_ISREG(info.st_mode)) {
        free(path);
        return ntk_fail(error, NTK_NO_INPUT, "%s is %s, a regular file was expected", name,
                        S_ISDIR(info.st_mode) ? "a directory (Zarr stores are not read)"
                                              : "a device, pipe or socket");
    }
    *out = path;
    return NTK_OK;
}

struct inputs {
    struct ntk_input *items;
    size_t n, room;
};

static enum ntk_status expand(struct inputs *inputs, const char *argument, int depth,
                              struct ntk_error *error);

static enum ntk_status make_room(struct inputs *inputs, struct ntk_error *error)
{
    if (inputs->n < inputs->room)
        return NTK_OK;
    size_t room = 2 * inputs->room + 16;
    struct ntk_input *grown = realloc(inputs->items, room * sizeof *grown);
    if (!grown)
        return ntk_fail_memory(error, "the file names", room * sizeof *grown);
    inputs->items = grown;
    inputs->room = room;
    return NTK_OK;
}

static enum ntk_status add_file(struct inputs *inputs, const char *name, struct ntk_error *error)
{
    struct stat info;
    struct ntk_input made = {0};
    enum ntk_status status = make_room(inputs, error);
    if (!status)
        status = ntk_input_resolve(name, &made.path, error);
    if (status)
        return status;
    if (stat(made.path, &info)) {
        status = ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", name, strerror(errno));
        free(made.path);
        return status;
    }
    made.bytes = (uint64_t)info.st_size;
    made.changed_ns = info.st_mtim.tv_sec * INT64_C(1000000000) + info.st_mtim.tv_nsec;
    made.device = info.st_dev;
    made.inode = info.st_ino;
    if (!(made.given = strdup(name))) {
        free(made.path);
        return ntk_fail_memory(error, "a file name", strlen(name));
    }
    inputs->items[inputs->n++] = made;
    return NTK_OK;
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), of_end = strlen(end);
    return length >= of_end && !strcmp(text + length - of_end, end);
}

/* What a pattern matches, sorted by glob. Of a folder, results of an earlier run are not input. */
static enum ntk_status add_matches(struct inputs *inputs, const char *pattern, const char *argument,
                                   int in_folder, struct ntk_error *error)
{
    glob_t found;
    int result = glob(pattern, GLOB_ERR, NULL, &found);
    size_t before = inputs->n;
    enum ntk_status status = NTK_OK;
    if (result == GLOB_NOSPACE)
        return ntk_fail_memory(error, "the file names", strlen(pattern));
    for (size_t i = 0; result == 0 && i < found.gl_pathc && !status; i++) {
        struct stat info;
        const char *name = found.gl_pathv[i];
        if ((in_folder && ends_with(name, ".intervals.nc")) ||
            (!stat(name, &info) && S_ISDIR(info.st_mode)))
            continue;
        status = add_file(inputs, name, error);
    }
    globfree(&found);
    if (!status && inputs->n == before)
        status =
            ntk_fail(error, NTK_NO_INPUT,
                     in_folder ? "there is no *.nc in %s" : "cannot open %s: there is no such file",
                     argument);
    return status;
}

/* The folder's name is no pattern, whatever letters it has. */
static enum ntk_status add_folder(struct inputs *inputs, const char *folder,
                                  struct ntk_error *error)
{
    char pattern[2 * PATH_MAX + 8], *to = pattern;
    for (const char *from = folder; *from && to < pattern + 2 * PATH_MAX; from++) {
        if (strchr("*?[\\", *from))
            *to++ = '\\';
        *to++ = *from;
    }
    strcpy(to, "/*.nc");
    return add_matches(inputs, pattern, folder, 1, error);
}

static enum ntk_status add_list(struct inputs *inputs, const char *path, int depth,
                                struct ntk_error *error)
{
    char *line = NULL;
    size_t room = 0;
    enum ntk_status status = NTK_OK;
    if (depth > 0)
        return ntk_fail(error, NTK_USAGE, "@%s is in a list; lists of files were expected there",
                        path);
    FILE *file = fopen(path, "re");
    if (!file)
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    while (!status && getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line && *line != '#')
            status = expand(inputs, line, depth + 1, error);
    }
    if (!status && ferror(file))
        status = ntk_fail(error, NTK_NO_INPUT, "cannot read %s: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return status;
}

static enum ntk_status expand(struct inputs *inputs, const char *argument, int depth,
                              struct ntk_error *error)
{
    struct stat info;
    if (strstr(argument, "://"))
        return add_file(inputs, argument, error);
    if (!stat(argument, &info))
        return S_ISDIR(info.st_mode) ? add_folder(inputs, argument, error)
                                     : add_file(inputs, argument, error);
    if (*argument == '@')
        return add_list(inputs, argument + 1, depth, error);
    return strpbrk(argument, "*?[") ? add_matches(inputs, argument, argument, 0, error)
                                    : add_file(inputs, argument, error);
}

/* ---- each once ------------------------------------------------------------------------------ */

static int by_identity(const void *a, const void *b)
{
    const struct ntk_input *x = *(struct ntk_input *const *)a, *y = *(struct ntk_input *const *)b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return (x > y) - (x < y);
}

static void clear_input(struct ntk_input *input)
{
    free(input->given);
    free(input->path);
    *input = (struct ntk_input){0};
}

static enum ntk_status remove_repeated(struct inputs *inputs, struct ntk_error *error)
{
    struct ntk_input **order = calloc(inputs->n + 1, sizeof *order);
    size_t kept = 0;
    if (!order)
        return ntk_fail_memory(error, "the file names", inputs->n * sizeof *order);
    for (size_t i = 0; i < inputs->n; i++)
        order[i] = &inputs->items[i];
    qsort(order, inputs->n, sizeof *order, by_identity);
    for (size_t i = inputs->n; i-- > 1;) /* from behind: the neighbour before is still whole */
        if (order[i]->device == order[i - 1]->device && order[i]->inode == order[i - 1]->inode)
            clear_input(order[i]);
    for (size_t i = 0; i < inputs->n; i++)
        if (inputs->items[i].path)
            inputs->items[kept++] = inputs->items[i];
    inputs->n = kept;
    free(order);
    return NTK_OK;
}

enum ntk_status ntk_inputs_expand(const char *const *arguments, size_t n, struct ntk_input **out,
                                  size_t *n_out, struct ntk_error *error)
{
    struct inputs inputs = {0};
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = expand(&inputs, arguments[i], 0, error);
    if (!status)
        status = remove_repeated(&inputs, error);
    if (status) {
        ntk_inputs_free(inputs.items, inputs.n);
        return status;
    }
    *out = inputs.items;
    *n_out = inputs.n;
    return NTK_OK;
}

void ntk_inputs_free(struct ntk_input *inputs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        clear_input(&inputs[i]);
    free(inputs);
}
