#include "server/rescores/archives.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/publish.h"

void ntk_archives_clear(struct ntk_archives *archives)
{
    for (size_t i = 0; i < archives->n; i++)
        free(archives->paths[i]);
    free(archives->paths);
    *archives = (struct ntk_archives){0};
}

/* ---- inside or outside ----------------------------------------------------------------------- */

static int is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

/* Of a path without symbolic links. */
static int is_allowed(const struct ntk_config *config, const char *path)
{
    char folder[sizeof config->archive_dirs];
    int found = 0;
    for (const char *at = config->archive_dirs;
         !found && ntk_config_next_folder(&at, folder, sizeof folder);) {
        char *real = realpath(folder, NULL);
        found = real && is_below(path, real);
        free(real);
    }
    return found;
}

/* As it is written, so that nothing outside is looked at. */
static int is_named_allowed(const struct ntk_config *config, const char *name)
{
    char folder[sizeof config->archive_dirs];
    for (const char *at = config->archive_dirs;
         ntk_config_next_folder(&at, folder, sizeof folder);) {
        char *real = realpath(folder, NULL);
        int found = is_below(name, folder) || (real && is_below(name, real));
        free(real);
        if (found)
            return 1;
    }
    return 0;
}

static int goes_up(const char *name)
{
    for (const char *at = name; (at = strstr(at, "..")); at += 2) {
        if ((at == name || at[-1] == '/') && (at[2] == '/' || !at[2]))
            return 1;
    }
    return 0;
}

static enum ntk_status refuse_outside(const struct ntk_config *config, const char *name,
                                      struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA,
                    "archive '%.200s' leads outside archive_dirs (%.200s), a path inside was "
                    "expected",
                    name, config->archive_dirs);
}

/* ---- one name -------------------------------------------------------------------------------- */

/* A name on its way to files. */
struct search {
    const struct ntk_config *config;
    const char *name; /* as the client wrote it */
    struct ntk_archives *found;
};

static enum ntk_status take_path(struct search *search, char *path, struct ntk_error *error)
{
    struct ntk_archives *found = search->found;
    if (found->n == NTK_ARCHIVES_MOST)
        return ntk_fail(error, NTK_BAD_DATA, "archives are more than %d files, with '%.200s'",
                        NTK_ARCHIVES_MOST, search->name);
    if ((found->n & (found->n - 1)) == 0) { /* full at every power of two */
        char **grown = realloc(found->paths, (found->n ? 2 * found->n : 1) * sizeof *grown);
        if (!grown)
            return ntk_fail_memory(error, "the archives", 2 * found->n * sizeof *grown);
        found->paths = grown;
    }
    found->paths[found->n++] = path;
    return NTK_OK;
}

/* A file that was found; what is neither file nor folder is passed over. */
static enum ntk_status take_file(struct search *search, const char *name, struct ntk_error *error)
{
    struct stat info;
    char *path = realpath(name, NULL);
    enum ntk_status status = NTK_OK;
    if (!path || stat(path, &info)) {
        free(path);
        return NTK_OK; /* gone meanwhile */
    }
    if (!is_allowed(search->config, path))
        status = refuse_outside(search->config, search->name, error);
    else if (strpbrk(path, "\r\n"))
        status = ntk_fail(error, NTK_BAD_DATA, "archive '%.200s' has a line break in its name",
                          search->name);
    else if (S_ISREG(info.st_mode) && !(status = take_path(search, path, error)))
        return NTK_OK;
    free(path);
    return status;
}

/* `text` with what glob() would take for more than itself quoted. */
static char *quote(const char *text)
{
    char *out = malloc(2 * strlen(text) + 1), *at = out;
    for (; out && *text; text++) {
        if (strchr("*?[]\\", *text))
            *at++ = '\\';
        *at++ = *text;
    }
    if (out)
        *at = 0;
    return out;
}

/* Whether a match was asked for by name, or is one of the files of a folder that was. */
enum among { OF_NAME, OF_FOLDER };

static enum ntk_status take_matches(struct search *search, const char *pattern, enum among among,
                                    struct ntk_error *error);

/* What ntkuq rescore makes is not what it reads, unless it is named. */
static int is_result(const char *name)
{
    static const char ending[] = ".intervals.nc";
    size_t length = strlen(name);
    return length >= sizeof ending && !strcmp(name + length - (sizeof ending - 1), ending);
}

/* All *.nc of a folder that was found. */
static enum ntk_status take_folder(struct search *search, const char *name, struct ntk_error *error)
{
    char *path = realpath(name, NULL), *quoted = NULL, *pattern = NULL;
    enum ntk_status status = NTK_OK;
    if (path && !is_allowed(search->config, path))
        status = refuse_outside(search->config, search->name, error);
    else if (path && (!(quoted = quote(path)) || asprintf(&pattern, "%s/*.nc", quoted) < 0))
        status = ntk_fail_memory(error, "a pattern", PATH_MAX);
    if (!status && pattern)
        status = take_matches(search, pattern, OF_FOLDER, error);
    free(path);
    free(quoted);
    free(pattern);
    return status;
}

static enum ntk_status take_found(struct search *search, const char *name, enum among among,
                                  struct ntk_error *error)
{
    struct stat info;
    if (goes_up(name) || stat(name, &info))
        return NTK_OK; /* ".*" matches ".." */
    if (among == OF_FOLDER && (S_ISDIR(info.st_mode) || is_result(name)))
        return NTK_OK;
    return S_ISDIR(info.st_mode) ? take_folder(search, name, error)
                                 : take_file(search, name, error);
}

static enum ntk_status take_matches(struct search *search, const char *pattern, enum among among,
                                    struct ntk_error *error)
{
    glob_t matches = {0};
    enum ntk_status status = NTK_OK;
    int failed = glob(pattern, 0, NULL, &matches); /* sorted by name */
    if (failed == GLOB_NOSPACE)
        status = ntk_fail_memory(error, "the archives", 0);
    for (size_t i = 0; !failed && !status && i < matches.gl_pathc; i++)
        status = take_found(search, matches.gl_pathv[i], among, error);
    globfree(&matches);
    return status;
}

/* A name in one folder ("" for an absolute one): as it stands, or as a pattern. */
static enum ntk_status search_folder(struct search *search, const char *folder,
                                     struct ntk_error *error)
{
    char *literal = NULL, *quoted = quote(folder), *pattern = NULL;
    const char *slash = *folder ? "/" : "";
    struct stat info;
    enum ntk_status status;
    if (!quoted || asprintf(&literal, "%s%s%s", folder, slash, search->name) < 0 ||
        asprintf(&pattern, "%s%s%s", quoted, slash, search->name) < 0)
        status = ntk_fail_memory(error, "a pattern", PATH_MAX);
    else if (!stat(literal, &info))
        status = take_found(search, literal, OF_NAME, error);
    else
        status = take_matches(search, pattern, OF_NAME, error);
    free(quoted);
    free(literal);
    free(pattern);
    return status;
}

static enum ntk_status search_name(struct search *search, struct ntk_error *error)
{
    char folder[sizeof search->config->archive_dirs];
    enum ntk_status status = NTK_OK;
    size_t before = search->found->n;
    if (goes_up(search->name) ||
        (*search->name == '/' && !is_named_allowed(search->config, search->name)))
        return refuse_outside(search->config, search->name, error);
    if (*search->name == '/')
        status = search_folder(search, "", error);
    for (const char *at = search->config->archive_dirs;
         !status && *search->name != '/' && ntk_config_next_folder(&at, folder, sizeof folder);)
        status = search_folder(search, folder, error);
    if (!status && search->found->n == before)
        status = ntk_fail(error, NTK_NO_INPUT,
                          "archive '%.200s' stands for no file in archive_dirs (%.200s)",
                          search->name, search->config->archive_dirs);
    return status;
}

/* ---- all names ------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    char *const *left = *(char **const *)a, *const *right = *(char **const *)b;
    int order = strcmp(*left, *right);
    return order ? order : left < right ? -1 : left > right;
}

/* Keeps the first of each; their order stays. */
static enum ntk_status drop_repeated(struct ntk_archives *archives, struct ntk_error *error)
{
    char ***places = calloc(archives->n + 1, sizeof *places);
    size_t kept = 0;
    if (!places)
        return ntk_fail_memory(error, "the archives", archives->n * sizeof *places);
    for (size_t i = 0; i < archives->n; i++)
        places[i] = &archives->paths[i];
    qsort(places, archives->n, sizeof *places, compare_places);
    for (size_t i = archives->n; i-- > 1;) {
        if (!strcmp(*places[i], *places[i - 1])) {
            free(*places[i]);
            *places[i] = NULL;
        }
    }
    free(places);
    for (size_t i = 0; i < archives->n; i++) {
        if (archives->paths[i])
            archives->paths[kept++] = archives->paths[i];
    }
    archives->n = kept;
    return NTK_OK;
}

static void count_bytes(struct ntk_archives *archives)
{
    struct stat info;
    for (size_t i = 0; i < archives->n; i++)
        archives->bytes += stat(archives->paths[i], &info) ? 0 : (uint64_t)info.st_size;
}

enum ntk_status ntk_archives_find(const struct ntk_config *config, const char *const *names,
                                  size_t n, struct ntk_archives *out, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    *out = (struct ntk_archives){0};
    if (!*config->archive_dirs)
        return ntk_fail(
            error, NTK_BAD_DATA,
            "archive_dirs is not set, so that no archive may be re-scored; folders were "
            "expected there");
    for (size_t i = 0; i < n && !status; i++) {
        struct search search = {config, names[i], out};
        status = search_name(&search, error);
    }
    if (!status)
        status = drop_repeated(out, error);
    if (!status)
        count_bytes(out);
    return status;
}

/* ---- as a list ------------------------------------------------------------------------------- */

enum ntk_status ntk_archives_write(const struct ntk_archives *archives, const char *path,
                                   struct ntk_error *error)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    for (size_t i = 0; stream && i < archives->n; i++)
        fprintf(stream, "%s\n", archives->paths[i]);
    if (!stream || fclose(stream)) {
        free(text);
        return ntk_fail_memory(error, "the list of archives", size);
    }
    enum ntk_status status = ntk_publish_bytes(path, text, size, 0444, 0, error);
    free(text);
    return status;
}

static enum ntk_status check_line(const struct ntk_config *config, const char *line,
                                  struct ntk_error *error)
{
    char *real = realpath(line, NULL);
    int leads_elsewhere = real && (strcmp(real, line) || !is_allowed(config, real));
    free(real);
    return leads_elsewhere ? refuse_outside(config, line, error) : NTK_OK;
}

enum ntk_status ntk_archives_check_list(const struct ntk_config *config, const char *path,
                                        struct ntk_error *error)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    enum ntk_status status = NTK_OK;
    FILE *list = fopen(path, "r");
    if (!list)
        return ntk_fail(error, NTK_NO_INPUT, "cannot read the list of archives %s: %s", path,
                        strerror(errno));
    while (!status && (length = getline(&line, &size, list)) > 0) {
        line[length - 1] = 0; /* its line break */
        status = check_line(config, line, error);
    }
    free(line);
    fclose(list);
    return status;
}
