#include "io/netcdf/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/limits.h"

static const struct {
    unsigned char bytes[8];
    size_t length;
    enum ntk_format format;
} magics[] = {
    {"CDF\001", 4, NTK_FORMAT_CDF1},
    {"CDF\002", 4, NTK_FORMAT_CDF2},
    {"CDF\005", 4, NTK_FORMAT_CDF5},
    {"\211HDF\r\n\032\n", 8, NTK_FORMAT_HDF5},
};

static enum ntk_status check_file(const char *path, uint64_t *size, struct ntk_error *error)
{
    struct stat status;
    if (strstr(path, "://"))
        return ntk_fail(error, NTK_BAD_DATA, "%s is a URL; only files are read", path);
    if (stat(path, &status) != 0)
        return ntk_fail(error, NTK_NO_INPUT, "%s cannot be opened: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return ntk_fail(error, NTK_BAD_DATA, "%s is a directory; Zarr stores are not read", path);
    if (!S_ISREG(status.st_mode))
        return ntk_fail(error, NTK_BAD_DATA, "%s is not a regular file", path);
    if ((uint64_t)status.st_size > ntk_limits.archive_bytes)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %llu bytes; the limit is %zu", path,
                        (unsigned long long)status.st_size, ntk_limits.archive_bytes);
    *size = (uint64_t)status.st_size;
    return NTK_OK;
}

/* "43 44 46 07 'CDF.'" */
static void describe_bytes(const unsigned char *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        out += sprintf(out, "%02x ", bytes[i]);
    *out++ = '\'';
    for (size_t i = 0; i < n; i++)
        *out++ = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    strcpy(out, "'");
}

static enum ntk_status match_magic(const char *path, const unsigned char *start, size_t n,
                                   enum ntk_format *format, struct ntk_error *error)
{
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        if (n >= magics[i].length && memcmp(start, magics[i].bytes, magics[i].length) == 0) {
            *format = magics[i].format;
            return NTK_OK;
        }
    }
    char text[8 * 4 + 3];
    if (n == 0)
        return ntk_fail(error, NTK_BAD_DATA, "%s is empty; NetCDF was expected", path);
    describe_bytes(start, n, text);
    return ntk_fail(
        error, NTK_BAD_DATA,
        "%s is not NetCDF: it starts with %s; expected 'CDF' with version 1, 2 or 5, or "
        "an HDF5 signature",
        path, text);
}

enum ntk_status ntk_format_detect(const char *path, enum ntk_format *format, uint64_t *size,
                                  struct ntk_error *error)
{
    unsigned char start[8];
    uint64_t bytes = 0;
    enum ntk_status status = check_file(path, &bytes, error);
    if (status)
        return status;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return ntk_fail(error, NTK_NO_INPUT, "%s cannot be opened: %s", path, strerror(errno));
    size_t got = fread(start, 1, sizeof start, file);
    int failed = ferror(file), reason = errno;
    fclose(file);
    if (failed)
        return ntk_fail(error, NTK_NO_INPUT, "%s cannot be read: %s", path, strerror(reason));
    status = match_magic(path, start, got, format, error);
    if (!status)
        *size = bytes;
    return status;
}

/* Bytes of the UTF-8 character at `text`, or 0 when it is none or a control character. */
static size_t character_length(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead;
        unsigned least;
    } forms[] = {
        {0x80, 0x00, 0x20}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t form = 0; form < 4; form++) {
        if ((text[0] & forms[form].mask) != forms[form].lead)
            continue;
        unsigned code = text[0] & (unsigned char)~forms[form].mask;
        for (size_t i = 1; i <= form; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text[i] & 0x3f);
        }
        int control = code == 0x7f || (code >= 0x80 && code < 0xa0);
        int surrogate = code >= 0xd800 && code < 0xe000;
        return code < forms[form].least || code > 0x10ffff || control || surrogate ? 0 : form + 1;
    }
    return 0;
}

int ntk_format_is_text(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t length = character_length(at);
        if (length == 0)
            return 0;
        at += length;
    }
    return 1;
}
