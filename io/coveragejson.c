#include "io/coveragejson.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

size_t ntk_coverage_count(const struct ntk_coverage_member *member)
{
    return member->n_t * (member->n_quantiles ? member->n_quantiles : 1) * member->n_y *
           member->n_x;
}

int ntk_coverage_has(const struct ntk_coverage_member *member,
                     const struct ntk_coverage_parameter *parameter)
{
    return !parameter->has_quantiles == !member->n_quantiles;
}

void ntk_time_text(int64_t seconds, char out[NTK_TIME_TEXT_SIZE])
{
    struct tm utc = {0};
    time_t time = (time_t)seconds;
    gmtime_r(&time, &utc);
    strftime(out, NTK_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* ---- numbers and texts ---------------------------------------------------------------------- */

/* The shortest of 15 or 17 digits that reads back as the same double. */
static void put_real(FILE *out, double value, const char *missing)
{
    char digits[40];
    if (!isfinite(value)) {
        fputs(missing, out);
        return;
    }
    snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) != value)
        snprintf(digits, sizeof digits, "%.17g", value);
    fputs(digits, out);
}

static void put_quoted(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 32)
            fprintf(out, "\\u%04x", *c);
        else
            putc(*c, out);
    }
    putc('"', out);
}

/* "key": "text" with what stands before it. */
static void put_member(FILE *out, const char *before, const char *text)
{
    fputs(before, out);
    put_quoted(out, text);
}

/* ---- domains -------------------------------------------------------------------------------- */

static void put_axis(FILE *out, const char *before, const double *values, size_t n)
{
    fputs(before, out);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? "," : "", out);
        put_real(out, values[i], "null");
    }
    fputs("]}", out);
}

static void put_times(FILE *out, const int64_t *t, size_t n)
{
    char text[NTK_TIME_TEXT_SIZE];
    fputs("\"t\":{\"values\":[", out);
    for (size_t i = 0; i < n; i++) {
        ntk_time_text(t[i], text);
        fprintf(out, "%s\"%s\"", i ? "," : "", text);
    }
    fputs("]}", out);
}

/* Quantiles are numbers from 0 to 1, for which CoverageJSON has no reference system. */
static void put_referencing(FILE *out)
{
    fputs("\"referencing\":[{\"coordinates\":[\"x\",\"y\"],\"system\":{\"type\":\"GeographicCRS\","
          "\"id\":\"http://www.opengis.net/def/crs/OGC/1.3/CRS84\"}},{\"coordinates\":[\"t\"],"
          "\"system\":{\"type\":\"TemporalRS\",\"calendar\":\"Gregorian\"}}]",
          out);
}

static void put_domain(FILE *out, const struct ntk_coverage_document *document,
                       const struct ntk_coverage_member *member)
{
    fprintf(out, "\"domain\":{\"type\":\"Domain\",\"domainType\":\"%s\",\"axes\":{",
            document->is_series ? "PointSeries" : "Grid");
    put_times(out, member->t, member->n_t);
    if (member->n_quantiles)
        put_axis(out, ",\"quantile\":{\"values\":[", member->quantiles, member->n_quantiles);
    put_axis(out, ",\"y\":{\"values\":[", member->y, member->n_y);
    put_axis(out, ",\"x\":{\"values\":[", member->x, member->n_x);
    fputs("},", out);
    put_referencing(out);
    putc('}', out);
}

/* ---- parameters ----------------------------------------------------------------------------- */

static void put_parameter(FILE *out, const struct ntk_coverage_parameter *parameter)
{
    put_quoted(out, parameter->name);
    put_member(out, ":{\"type\":\"Parameter\",\"description\":{\"en\":", parameter->label);
    putc('}', out);
    if (*parameter->units) {
        put_member(out, ",\"unit\":{\"label\":{\"en\":", parameter->units);
        put_member(out, "},\"symbol\":", parameter->units);
        putc('}', out);
    }
    fputs(",\"observedProperty\":{", out);
    if (*parameter->standard_name)
        fprintf(out, "\"id\":\"http://vocab.nerc.ac.uk/standard_name/%s/\",",
                parameter->standard_name);
    put_member(out, "\"label\":{\"en\":", parameter->label);
    fputs("}}}", out);
}

static void put_parameters(FILE *out, const struct ntk_coverage_document *document)
{
    const char *before = "";
    fputs("\"parameters\":{", out);
    for (size_t p = 0; p < document->n_parameters; p++) {
        fputs(before, out);
        put_parameter(out, &document->parameters[p]);
        before = ",";
    }
    putc('}', out);
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* A series has no dimension for its one place. */
static void put_shape(FILE *out, const struct ntk_coverage_document *document,
                      const struct ntk_coverage_member *member)
{
    const char *quantile = member->n_quantiles ? ",\"quantile\"" : "";
    fprintf(out, "\"axisNames\":[\"t\"%s%s],\"shape\":[%zu", quantile,
            document->is_series ? "" : ",\"y\",\"x\"", member->n_t);
    if (member->n_quantiles)
        fprintf(out, ",%zu", member->n_quantiles);
    if (!document->is_series)
        fprintf(out, ",%zu,%zu", member->n_y, member->n_x);
    putc(']', out);
}

static void put_range(FILE *out, const struct ntk_coverage_document *document,
                      const struct ntk_coverage_member *member, size_t p)
{
    size_t n = ntk_coverage_count(member);
    put_quoted(out, document->parameters[p].name);
    fputs(":{\"type\":\"NdArray\",\"dataType\":\"float\",", out);
    put_shape(out, document, member);
    fputs(",\"values\":[", out);
    for (size_t i = 0; i < n; i++) {
        if (i)
            putc(',', out);
        put_real(out, member->values[p][i], "null");
    }
    fputs("]}", out);
}

static void put_ranges(FILE *out, const struct ntk_coverage_document *document,
                       const struct ntk_coverage_member *member)
{
    const char *before = "";
    fputs("\"ranges\":{", out);
    for (size_t p = 0; p < document->n_parameters; p++) {
        if (!ntk_coverage_has(member, &document->parameters[p]))
            continue;
        fputs(before, out);
        put_range(out, document, member, p);
        before = ",";
    }
    putc('}', out);
}

/* ---- documents ------------------------------------------------------------------------------ */

static void put_collection(const struct ntk_coverage_document *document, FILE *out)
{
    fprintf(out, "{\"type\":\"CoverageCollection\",\"domainType\":\"%s\",",
            document->is_series ? "PointSeries" : "Grid");
    put_parameters(out, document);
    putc(',', out);
    put_referencing(out);
    fputs(",\"coverages\":[", out);
    for (size_t m = 0; m < document->n_members; m++) {
        fputs(m ? ",{\"type\":\"Coverage\"," : "{\"type\":\"Coverage\",", out);
        put_domain(out, document, &document->members[m]);
        putc(',', out);
        put_ranges(out, document, &document->members[m]);
        putc('}', out);
    }
    fputs("]}\n", out);
}

void ntk_coveragejson_write(const struct ntk_coverage_document *document, FILE *out)
{
    if (document->is_collection) {
        put_collection(document, out);
        return;
    }
    assert(document->n_members == 1);
    fputs("{\"type\":\"Coverage\",", out);
    put_domain(out, document, document->members);
    putc(',', out);
    put_parameters(out, document);
    putc(',', out);
    put_ranges(out, document, document->members);
    fputs("}\n", out);
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* As a field of CSV: in quotes where it has what would end it. */
static void put_field(FILE *out, const char *text)
{
    if (!text[strcspn(text, "\",\r\n")]) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++)
        fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    putc('"', out);
}

static void put_row(FILE *out, const struct ntk_coverage_member *member,
                    const struct ntk_coverage_parameter *parameter, size_t i, double value)
{
    char time[NTK_TIME_TEXT_SIZE];
    size_t n_quantiles = member->n_quantiles ? member->n_quantiles : 1;
    size_t x = i % member->n_x, y = i / member->n_x % member->n_y;
    size_t step = i / member->n_x / member->n_y;
    ntk_time_text(member->t[step / n_quantiles], time);
    put_field(out, parameter->name);
    putc(',', out);
    put_field(out, parameter->units);
    fprintf(out, ",%s,", time);
    if (member->n_quantiles)
        put_real(out, member->quantiles[step % n_quantiles], "");
    putc(',', out);
    put_real(out, member->y[y], "");
    putc(',', out);
    put_real(out, member->x[x], "");
    putc(',', out);
    put_real(out, value, "");
    putc('\n', out);
}

void ntk_coverage_write_csv(const struct ntk_coverage_document *document, FILE *out)
{
    fputs("parameter,units,time,quantile,latitude,longitude,value\n", out);
    for (size_t m = 0; m < document->n_members; m++) {
        const struct ntk_coverage_member *member = &document->members[m];
        size_t n = ntk_coverage_count(member);
        for (size_t p = 0; p < document->n_parameters; p++) {
            for (size_t i = 0; i < n && ntk_coverage_has(member, &document->parameters[p]); i++)
                put_row(out, member, &document->parameters[p], i, member->values[p][i]);
        }
    }
}
