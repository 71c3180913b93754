#include "server/display/table.h"

#include <string.h>

#include "server/ledger/when.h"

void ntk_table_begin(struct ntk_table *table, struct ntk_text *text, const char *const *columns,
                     int csv)
{
    *table = (struct ntk_table){.text = text, .columns = columns, .csv = csv};
    for (size_t i = 0; csv && columns[i]; i++) {
        ntk_text_append(text, i ? "," : "");
        ntk_text_append(text, columns[i]);
    }
    ntk_text_append(text, csv ? "\n" : "{\"rows\":[");
}

/* What stands before a cell. */
static void open_cell(struct ntk_table *table)
{
    struct ntk_text *text = table->text;
    if (table->csv) {
        ntk_text_append(text, table->cell ? "," : "");
        return;
    }
    ntk_text_append(text, table->cell ? "," : table->rows ? ",\n{" : "\n{");
    ntk_text_append_quoted(text, table->columns[table->cell]);
    ntk_text_append(text, ":");
}

static void close_cell(struct ntk_table *table)
{
    if (table->columns[++table->cell])
        return;
    ntk_text_append(table->text, table->csv ? "\n" : "}");
    table->cell = 0;
    table->rows++;
}

static void append_csv_string(struct ntk_text *text, const char *value)
{
    char letter[3] = "";
    if (!strpbrk(value, ",\"\r\n")) {
        ntk_text_append(text, value);
        return;
    }
    ntk_text_append(text, "\"");
    for (; *value; value++) {
        letter[0] = *value;
        letter[1] = *value == '"' ? '"' : 0;
        ntk_text_append(text, letter);
    }
    ntk_text_append(text, "\"");
}

void ntk_table_string(struct ntk_table *table, const char *value)
{
    open_cell(table);
    if (table->csv)
        append_csv_string(table->text, value ? value : "");
    else if (value)
        ntk_text_append_quoted(table->text, value);
    else
        ntk_text_append(table->text, "null");
    close_cell(table);
}

void ntk_table_real(struct ntk_table *table, double value)
{
    open_cell(table);
    ntk_text_append_real(table->text, value, table->csv ? "" : "null");
    close_cell(table);
}

void ntk_table_count(struct ntk_table *table, size_t value)
{
    open_cell(table);
    ntk_text_append_size(table->text, value);
    close_cell(table);
}

void ntk_table_flag(struct ntk_table *table, int value)
{
    open_cell(table);
    ntk_text_append(table->text, value ? "true" : "false");
    close_cell(table);
}

void ntk_table_time(struct ntk_table *table, int64_t value)
{
    char when[32];
    if (value == INT64_MIN) {
        ntk_table_string(table, NULL);
        return;
    }
    ntk_when_print(value, when, sizeof when);
    ntk_table_string(table, when);
}

void ntk_table_counts(struct ntk_table *table, const size_t *values, size_t n)
{
    open_cell(table);
    ntk_text_append(table->text, table->csv ? "" : "[");
    for (size_t i = 0; i < n; i++) {
        ntk_text_append(table->text, i == 0 ? "" : table->csv ? " " : ",");
        ntk_text_append_size(table->text, values[i]);
    }
    ntk_text_append(table->text, table->csv ? "" : "]");
    close_cell(table);
}

void ntk_table_end(struct ntk_table *table)
{
    ntk_text_append(table->text, table->csv ? "" : "\n]}\n");
}
