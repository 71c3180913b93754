/* Query parameters of Environmental Data Retrieval: the first byte says which, the rest is its
 * text. What is taken keeps its promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/edr/edr_text.h"

static void try_coords(const char *text)
{
    struct ntk_error error;
    struct ntk_edr_points points;
    if (ntk_edr_parse_coords(text, &points, &error))
        return;
    assert(points.n >= 1 && points.n <= NTK_EDR_POINTS_MOST);
    for (size_t i = 0; i < points.n; i++)
        assert(points.at[i].latitude >= -90 && points.at[i].latitude <= 90 &&
               points.at[i].longitude >= -180 && points.at[i].longitude <= 360);
    ntk_edr_points_clear(&points);
}

static void try_box(const char *text)
{
    struct ntk_error error;
    struct ntk_edr_box box;
    if (!ntk_edr_parse_box(text, &box, &error))
        assert(box.south <= box.north && box.west <= box.east && box.east - box.west <= 360);
}

static void try_times(const char *text)
{
    struct ntk_error error;
    int64_t from, to;
    char id[NTK_EDR_ID_SIZE];
    if (!ntk_edr_parse_datetime(text, &from, &to, &error))
        assert(from <= to);
    if (ntk_edr_instance_parse(text, &from)) {
        ntk_edr_instance_id(from, id);
        assert(ntk_edr_instance_parse(id, &to) && to == from);
    }
}

static void try_quantiles(const char *text)
{
    struct ntk_error error;
    struct ntk_edr_quantiles wanted;
    if (ntk_edr_parse_quantiles(text, &wanted, &error))
        return;
    assert(wanted.n >= 1);
    for (size_t i = 0; i < wanted.n; i++)
        assert(wanted.ranges[i].low >= 0 && wanted.ranges[i].high <= 1 &&
               ntk_edr_wants_quantile(&wanted, wanted.ranges[i].high));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const char *) = {try_coords, try_box, try_times, try_quantiles};
    if (size == 0)
        return 0;
    char *text = malloc(size);
    assert(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    tries[*data % 4](text);
    free(text);
    return 0;
}
