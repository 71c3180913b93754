#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/spectrum.h"
#include "io/body.h"
#include "io/numbers.h"
#include "tests/bench/bench.h"

/* A request, printed for the sizes that were asked for last. */
struct text {
    size_t d, digits, size;
    char *bytes;
    float *values;
};

static struct text *text_of(char **words)
{
    static struct text text;
    size_t d = ntk_bench_size(words[0]), digits = ntk_bench_size(words[1]);
    if (text.d == d && text.digits == digits)
        return &text;
    double *features = ntk_bench_normal(1, d, 4);
    free(text.bytes), free(text.values);
    text = (struct text){.d = d, .digits = digits};
    text.bytes = malloc(32 * d + 200);
    text.values = malloc(d * sizeof *text.values);
    if (!features || !text.bytes || !text.values)
        abort();
    text.size = ntk_bench_print_query(text.bytes, features, d, (int)digits);
    free(features);
    return &text;
}

static void read_ours(const struct text *text)
{
    struct ntk_numbers numbers;
    struct ntk_body_matrix matrix;
    json_t *json = ntk_numbers_load(text->bytes, text->size, &numbers);
    if (!json ||
        ntk_body_json(json_object_get(json, "features"), &numbers, "features", &matrix, NULL) ||
        matrix.columns != text->d)
        abort();
    ntk_body_clear(&matrix);
    ntk_numbers_clear(&numbers);
    json_decref(json);
}

static void read_jansson(const struct text *text)
{
    json_t *json = json_loadb(text->bytes, text->size, JSON_REJECT_DUPLICATES, NULL);
    json_t *row = json_array_get(json_object_get(json, "features"), 0);
    if (json_array_size(row) != text->d)
        abort();
    for (size_t j = 0; j < text->d; j++)
        text->values[j] = (float)json_number_value(json_array_get(row, j));
    json_decref(json);
}

static void timed(char **words, void (*read)(const struct text *))
{
    struct text *text = text_of(words);
    size_t calls = ntk_bench_size(words[2]);
    double start = ntk_bench_now();
    for (size_t i = 0; i < calls; i++)
        read(text);
    printf("%.12f\n", (ntk_bench_now() - start) / (double)calls);
}

static void json(char **words)
{
    timed(words, read_ours);
}

static void jansson(char **words)
{
    timed(words, read_jansson);
}

const struct ntk_bench_command ntk_bench_json = {"json", 3, json};
const struct ntk_bench_command ntk_bench_jansson = {"jansson", 3, jansson};
