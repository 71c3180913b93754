#include "io/netcdf/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/netcdf/series.h"
#include "io/netcdf/source.h"

static char *compose(const struct ntk_archive *archive, const struct ntk_source *source,
                     const char *format, va_list arguments)
{
    char *text = NULL, *whole = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        return NULL;
    if (!source || archive->n_files < 2)
        return text;
    if (asprintf(&whole, "%s: %s", source->path, text) < 0)
        whole = NULL;
    free(text);
    return whole;
}

/* Takes `text`; NULL is remembered, for the scan to fail at its end. */
static void append(struct ntk_archive *archive, char ***list, size_t *n, char *text)
{
    if (!*list)
        *list = calloc(NTK_FINDINGS, sizeof **list);
    if (!*list || !text)
        archive->files->out_of_memory = 1;
    if (*list && text && *n < NTK_FINDINGS)
        (*list)[(*n)++] = text;
    else
        free(text);
}

void ntk_note(struct ntk_archive *archive, const struct ntk_source *source, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(archive, &archive->notes, &archive->n_notes,
           compose(archive, source, format, arguments));
    va_end(arguments);
}

void ntk_problem(struct ntk_archive *archive, const struct ntk_source *source, const char *format,
                 ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(archive, &archive->problems, &archive->n_problems,
           compose(archive, source, format, arguments));
    va_end(arguments);
}

enum ntk_status ntk_problem_if_bad(struct ntk_archive *archive, const struct ntk_source *source,
                                   enum ntk_status status, const struct ntk_error *error)
{
    if (status != NTK_BAD_DATA)
        return status;
    ntk_problem(archive, source, "%s", error->text);
    return NTK_OK;
}
