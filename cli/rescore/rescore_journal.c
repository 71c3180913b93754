#include "cli/rescore/rescore_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- writing -------------------------------------------------------------------------------- */

static enum ntk_status cannot_write(const struct ntk_journal *journal, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", journal->path,
                    strerror(errno));
}

/* A line that was being written when everything ended has no end. */
static enum ntk_status cut_last_line(const struct ntk_journal *journal, struct ntk_error *error)
{
    off_t end = lseek(journal->descriptor, 0, SEEK_END), cut = end;
    char byte = '\n';
    while (cut > 0 && pread(journal->descriptor, &byte, 1, cut - 1) == 1 && byte != '\n')
        cut--;
    if (end < 0 || (cut < end && ftruncate(journal->descriptor, cut)))
        return cannot_write(journal, error);
    return NTK_OK;
}

enum ntk_status ntk_journal_open(struct ntk_journal *journal, const char *folder, size_t number,
                                 struct ntk_error *error)
{
    snprintf(journal->path, sizeof journal->path, "%s/journal.%zu", folder, number);
    journal->descriptor = open(journal->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (journal->descriptor < 0)
        return cannot_write(journal, error);
    if (flock(journal->descriptor, LOCK_EX | LOCK_NB))
        return ntk_fail(error, NTK_CONFLICT,
                        "another ntkuq rescore writes %s; its end was expected", journal->path);
    return cut_last_line(journal, error);
}

void ntk_journal_close(struct ntk_journal *journal)
{
    if (journal->descriptor >= 0)
        close(journal->descriptor);
    journal->descriptor = -1;
}

enum ntk_status ntk_journal_put(struct ntk_journal *journal, json_t *line, struct ntk_error *error)
{
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text)
        return ntk_fail_memory(error, "a line of the journal", 100);
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of the end; the length is known */
    ssize_t put = write(journal->descriptor, text, length + 1);
    free(text);
    if (put >= 0 && put <= (ssize_t)length)
        errno = ENOSPC; /* which the rest would have met */
    return put == (ssize_t)length + 1 ? NTK_OK : cannot_write(journal, error);
}

enum ntk_status ntk_journal_flush(struct ntk_journal *journal, struct ntk_error *error)
{
    return fdatasync(journal->descriptor) ? cannot_write(journal, error) : NTK_OK;
}

/* ---- lines ---------------------------------------------------------------------------------- */

json_t *ntk_journal_archive(const struct ntk_rescore_file *file)
{
    return json_pack("{s:I, s:s, s:I, s:I, s:s}", "archive", (json_int_t)file->number, "path",
                     file->input->path, "bytes", (json_int_t)file->input->bytes, "changed_ns",
                     (json_int_t)file->input->changed_ns, "output", file->output);
}

/* Of this start of the machine; "" where it is not known, which is like no other. */
static void boot_id(char out[64])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file || !fgets(out, 64, file))
        *out = 0;
    out[strcspn(out, "\n")] = 0;
    if (file)
        fclose(file);
}

json_t *ntk_journal_boot(void)
{
    char id[64];
    boot_id(id);
    return json_pack("{s:s}", "boot", id);
}

json_t *ntk_journal_chunk(size_t number, size_t first, size_t end)
{
    return json_pack("{s:[I, I, I]}", "chunk", (json_int_t)number, (json_int_t)first,
                     (json_int_t)end);
}

json_t *ntk_journal_word(const char *word, size_t number)
{
    return json_pack("{s:I}", word, (json_int_t)number);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct chunk {
    size_t file, first, end; /* file: index */
};

/* One journal as far as it was read: chunks since the last start of a machine may still be lost. */
struct reading {
    const char *folder; /* .../.rescore */
    const json_t *job;
    struct ntk_rescore_file *files;
    size_t n, next;
    size_t n_numbers, *numbers; /* index + 1 of the file that has a number; 0: another's */
    char boot[64], last_boot[64];
    size_t n_chunks, room;
    size_t *begun,
        *kept; /* chunks of each file that a flush began with, and that are on the disk */
    struct chunk *chunks;
    struct ntk_error *error;
};

/* A value of the job as it is asked for, owned; journals have numbers for `missing`. */
static char *print_value(const char *key, const json_t *value)
{
    static const char *const names[] = {
        [NTK_MISSING_REJECT] = "reject", [NTK_MISSING_MASK_POINT] = "mask_point"};
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (!strcmp(key, "missing") && number >= 0 && number <= NTK_MISSING_MASK_POINT && names[number])
        return strdup(names[number]);
    return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15))
                 : NULL;
}

/* The key of the job that is not as it was. */
static enum ntk_status compare_jobs(const struct reading *reading, const json_t *line)
{
    const int length = (int)strlen(reading->folder) - (int)strlen("/.rescore");
    const char *key;
    json_t *now;
    json_object_foreach((json_t *)reading->job, key, now)
    {
        json_t *then = json_object_get(line, key);
        if (then && json_equal(now, then))
            continue;
        char *was = print_value(key, then), *is = print_value(key, now);
        enum ntk_status status =
            ntk_fail(reading->error, NTK_CONFLICT,
                     "%.*s holds a rescoring with %s %s, %s was asked for; the same, or another "
                     "folder, was expected",
                     length < 250 ? length : 250, reading->folder, key, was ? was : "unknown",
                     is ? is : "another");
        free(was);
        free(is);
        return status;
    }
    return NTK_OK;
}

static struct ntk_rescore_file *find_file(const struct reading *reading, const char *path)
{
    for (size_t i = 0; i < reading->n; i++)
        if (!strcmp(reading->files[i].input->path, path))
            return &reading->files[i];
    return NULL;
}

static enum ntk_status keep_number(struct reading *reading, size_t number, size_t index_1)
{
    if (number >= reading->n_numbers) {
        size_t n = 2 * number + 16;
        size_t *grown =
            number < (size_t)1 << 32 ? realloc(reading->numbers, n * sizeof *grown) : NULL;
        if (!grown)
            return ntk_fail_memory(reading->error, "the archives of a journal", number);
        memset(grown + reading->n_numbers, 0, (n - reading->n_numbers) * sizeof *grown);
        reading->numbers = grown;
        reading->n_numbers = n;
    }
    reading->numbers[number] = index_1;
    reading->next = number + 1 > reading->next ? number + 1 : reading->next;
    return NTK_OK;
}

static enum ntk_status read_archive(struct reading *reading, const json_t *line)
{
    json_int_t number, bytes, changed;
    const char *path, *output;
    if (json_unpack((json_t *)line, "{s:I, s:s, s:I, s:I, s:s}", "archive", &number, "path", &path,
                    "bytes", &bytes, "changed_ns", &changed, "output", &output) ||
        number < 0 || strlen(output) > NAME_MAX || strchr(output, '/'))
        return NTK_OK;
    struct ntk_rescore_file *file = find_file(reading, path);
    if (file && ((uint64_t)bytes != file->input->bytes || changed != file->input->changed_ns))
        return ntk_fail(reading->error, NTK_CONFLICT,
                        "%s has %llu bytes and was changed since the folder's rescoring began with "
                        "%lld of them; the same archive, or another folder, was expected",
                        path, (unsigned long long)file->input->bytes, (long long)bytes);
    if (file) {
        strcpy(file->output, output);
        file->number = (size_t)number;
    }
    return keep_number(reading, (size_t)number, file ? (size_t)(file - reading->files) + 1 : 0);
}

/* The file of a number in a line, or NULL: not among those asked for. */
static struct ntk_rescore_file *numbered(const struct reading *reading, const json_t *number)
{
    json_int_t at = json_is_integer(number) ? json_integer_value(number) : -1;
    if (at < 0 || (size_t)at >= reading->n_numbers || !reading->numbers[at])
        return NULL;
    return &reading->files[reading->numbers[at] - 1];
}

static enum ntk_status read_chunk(struct reading *reading, const json_t *list)
{
    const struct ntk_rescore_file *file = numbered(reading, json_array_get(list, 0));
    if (!file || json_array_size(list) != 3)
        return NTK_OK;
    if (reading->n_chunks == reading->room) {
        size_t room = 2 * reading->room + 64;
        struct chunk *grown = realloc(reading->chunks, room * sizeof *grown);
        if (!grown)
            return ntk_fail_memory(reading->error, "the chunks of a journal", room * sizeof *grown);
        reading->chunks = grown;
        reading->room = room;
    }
    struct chunk *chunk = &reading->chunks[reading->n_chunks++];
    chunk->file = (size_t)(file - reading->files);
    chunk->first = (size_t)json_integer_value(json_array_get(list, 1));
    chunk->end = (size_t)json_integer_value(json_array_get(list, 2));
    return NTK_OK;
}

/* The first `kept` chunks of each file stay, the others are forgotten. */
static void forget_unflushed(struct reading *reading)
{
    size_t *seen = calloc(reading->n + 1, sizeof *seen), left = 0;
    for (size_t i = 0; i < reading->n_chunks && seen; i++) {
        struct chunk *chunk = &reading->chunks[i];
        if (seen[chunk->file]++ < reading->kept[chunk->file])
            reading->chunks[left++] = *chunk;
    }
    reading->n_chunks = left; /* none without memory */
    free(seen);
}

static void read_boot(struct reading *reading, const char *id)
{
    if (!*id || strcmp(reading->last_boot, id))
        forget_unflushed(reading);
    snprintf(reading->last_boot, sizeof reading->last_boot, "%s", id);
}

static enum ntk_status read_survey(struct reading *reading, const json_t *line)
{
    struct ntk_rescore_file *file = numbered(reading, json_object_get(line, "survey"));
    if (!file || file->survey)
        return NTK_OK;
    file->survey = json_dumps(json_object_get(line, "layout"), JSON_COMPACT);
    return file->survey ? NTK_OK : ntk_fail_memory(reading->error, "a line of the journal", 100);
}

/* A flush that began is over: what it began with is on the disk. */
static void read_flush(struct reading *reading, const json_t *number, int over)
{
    const struct ntk_rescore_file *file = numbered(reading, number);
    size_t f = file ? (size_t)(file - reading->files) : 0, n = 0;
    if (!file)
        return;
    for (size_t i = 0; i < reading->n_chunks && !over; i++)
        n += reading->chunks[i].file == f;
    if (over)
        reading->kept[f] = reading->begun[f];
    else
        reading->begun[f] = n;
}

static void read_done(struct reading *reading, const json_t *number)
{
    struct ntk_rescore_file *file = numbered(reading, number);
    if (file)
        file->state = NTK_FILE_DONE;
}

/* What the numbers of all other lines mean: they may be those of another journal. */
static enum ntk_status read_name(struct reading *reading, const json_t *line)
{
    if (json_object_get(line, "rescore"))
        return compare_jobs(reading, line);
    return json_object_get(line, "archive") ? read_archive(reading, line) : NTK_OK;
}

static enum ntk_status read_line(struct reading *reading, const json_t *line)
{
    if (json_object_get(line, "survey"))
        return read_survey(reading, line);
    if (json_object_get(line, "chunk"))
        return read_chunk(reading, json_object_get(line, "chunk"));
    if (json_object_get(line, "boot"))
        read_boot(reading, json_string_value(json_object_get(line, "boot")));
    if (json_object_get(line, "flush"))
        read_flush(reading, json_object_get(line, "flush"), 0);
    if (json_object_get(line, "flushed"))
        read_flush(reading, json_object_get(line, "flushed"), 1);
    if (json_object_get(line, "done"))
        read_done(reading, json_object_get(line, "done"));
    return NTK_OK;
}

/* Chunks of this journal into the files'. */
static enum ntk_status keep_chunks(struct reading *reading)
{
    enum ntk_status status = NTK_OK;
    if (!*reading->boot || strcmp(reading->last_boot, reading->boot))
        forget_unflushed(reading);
    for (size_t i = 0; i < reading->n_chunks && !status; i++) {
        const struct chunk *chunk = &reading->chunks[i];
        struct ntk_rescore_file *file = &reading->files[chunk->file];
        status = ntk_ranges_add(&file->done, chunk->first, chunk->end, reading->error);
    }
    return status;
}

static enum ntk_status read_journal(struct reading *reading, const char *path,
                                    enum ntk_status (*read)(struct reading *reading,
                                                            const json_t *line))
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    FILE *file = fopen(path, "re");
    enum ntk_status status = NTK_OK;
    if (!file)
        return ntk_fail(reading->error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    reading->n_chunks = 0;
    *reading->last_boot = 0;
    memset(reading->kept, 0, reading->n * sizeof *reading->kept);
    memset(reading->begun, 0, reading->n * sizeof *reading->begun);
    while (!status && (length = getline(&text, &room, file)) > 0 && text[length - 1] == '\n') {
        json_t *line = json_loadb(text, (size_t)length, 0, NULL);
        if (!json_is_object(line))
            status = ntk_fail(reading->error, NTK_BAD_DATA,
                              "%s has a line that is no JSON; another folder was expected", path);
        else
            status = read(reading, line);
        json_decref(line);
    }
    free(text);
    fclose(file);
    return status ? status : keep_chunks(reading);
}

enum ntk_status ntk_journal_load(const char *folder, const json_t *job,
                                 struct ntk_rescore_file *files, size_t n, size_t *next,
                                 struct ntk_error *error)
{
    char path[PATH_MAX + 16];
    glob_t found = {0};
    struct reading reading = {.folder = folder, .job = job, .files = files, .n = n, .error = error};
    reading.kept = calloc(n + 1, sizeof *reading.kept);
    reading.begun = calloc(n + 1, sizeof *reading.begun);
    if (!reading.kept || !reading.begun) {
        free(reading.kept);
        return ntk_fail_memory(error, "a journal", 2 * n * sizeof *reading.kept);
    }
    boot_id(reading.boot);
    snprintf(path, sizeof path, "%s/journal.*", folder);
    int result = glob(path, GLOB_NOESCAPE, NULL, &found);
    enum ntk_status status =
        result == GLOB_NOSPACE ? ntk_fail_memory(error, "the journals", PATH_MAX) : NTK_OK;
    for (size_t i = 0; result == 0 && i < found.gl_pathc && !status; i++)
        status = read_journal(&reading, found.gl_pathv[i], read_name);
    for (size_t i = 0; result == 0 && i < found.gl_pathc && !status; i++)
        status = read_journal(&reading, found.gl_pathv[i], read_line);
    globfree(&found);
    free(reading.kept);
    free(reading.begun);
    free(reading.numbers);
    free(reading.chunks);
    if (!status)
        *next = reading.next;
    return status;
}
