#include <ctype.h>
#include <string.h>

#include "config/options.h"

static const char *shown_default(const struct ntk_option *option)
{
    return option->shown ? option->shown : option->fallback;
}

static void variable_name(const struct ntk_option *option, char *out, size_t size)
{
    int used = snprintf(out, size, "NTKUQD_%s", option->name);
    for (int i = 0; i < used && i < (int)size; i++)
        out[i] = (char)toupper((unsigned char)out[i]);
}

void ntk_config_help(FILE *stream)
{
    fputs("ntkuqd " NTK_VERSION ": prediction intervals for AI weather forecasts, over HTTP\n\n"
          "usage: ntkuqd [--option VALUE]...\n\n"
          "  --help                 this text\n"
          "  --version              the version\n"
          "  --check-config         say everything that is wrong with the configuration, and end\n"
          "  --print-config-table   the options as Markdown\n\n"
          "Options are also read from the environment, as NTKUQD_<NAME>, and from the JSON file\n"
          "that --config names; flags win over the environment, and that over the file.\n\n",
          stream);
    for (size_t i = 0; i < ntk_options_count; i++) {
        const struct ntk_option *option = &ntk_options[i];
        char expected[200];
        ntk_option_expected(option, expected, sizeof expected);
        fprintf(stream, "  --%s\n      %s\n      %s; default: %s\n", option->name, option->meaning,
                expected, shown_default(option));
    }
    fputs(
        "\nexit codes: 0 stopped when asked to, 64 usage, 70 a bug, 73 the state folder cannot be\n"
        "written, 75 try again (port or state folder in use), 78 configuration\n",
        stream);
}

/* `|` would end a table's cell. */
static void print_cell(FILE *stream, const char *text)
{
    fputs(" ", stream);
    for (; *text; text++)
        fprintf(stream, *text == '|' ? "\\%c" : "%c", *text);
    fputs(" |", stream);
}

void ntk_config_print_table(FILE *stream)
{
    fputs("| option | environment | value | default | SIGHUP | meaning "
          "|\n|---|---|---|---|---|---|\n",
          stream);
    for (size_t i = 0; i < ntk_options_count; i++) {
        char expected[200], variable[80];
        ntk_option_expected(&ntk_options[i], expected, sizeof expected);
        variable_name(&ntk_options[i], variable, sizeof variable);
        fprintf(stream, "| `%s` | `%s` |", ntk_options[i].name, variable);
        print_cell(stream, expected);
        print_cell(stream, shown_default(&ntk_options[i]));
        print_cell(stream, ntk_options[i].change == NTK_OPTION_LIVE ? "taken" : "kept");
        print_cell(stream, ntk_options[i].meaning);
        fputs("\n", stream);
    }
}
