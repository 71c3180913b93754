/* The table of options and how a value of each type is read. Private to config/. */
#ifndef NTK_CONFIG_OPTIONS_H
#define NTK_CONFIG_OPTIONS_H

#include "config/config.h"
#include "core/status.h"

enum ntk_option_type {
    NTK_OPTION_PATH,
    NTK_OPTION_ADDRESS,
    NTK_OPTION_INTEGER,
    NTK_OPTION_SECONDS,
    NTK_OPTION_BYTES,
    NTK_OPTION_CHOICE,
    NTK_OPTION_TEXT,
};

/* Whether a running daemon takes a new value on SIGHUP. */
enum ntk_option_change { NTK_OPTION_FIXED, NTK_OPTION_LIVE };

struct ntk_option {
    const char *name;
    enum ntk_option_type type;
    size_t offset, size;  /* of its field in struct ntk_config */
    uint64_t least, most; /* of numbers */
    const char *choices;  /* "off|on": the value is the position */
    const char *fallback; /* the built-in value, as text */
    const char *shown;    /* instead of `fallback` in help, or NULL */
    const char *meaning;
    enum ntk_option_change change;
};

extern const struct ntk_option ntk_options[];
extern const size_t ntk_options_count;

/* The option of that name (length bytes; '-' counts as '_'), or NULL. */
const struct ntk_option *ntk_option_find(const char *name, size_t length);

/* "a whole number from 0 to 65535": what a value must be. */
void ntk_option_expected(const struct ntk_option *option, char *out, size_t size);

/* Writes the field. NTK_USAGE: a sentence that begins with the value. */
enum ntk_status ntk_option_set(const struct ntk_option *option, const char *value,
                               struct ntk_config *config, struct ntk_error *error);

#endif
