#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "io/json_writer.h"
#include "report/page_files.h"
#include "report/predictions.h"
#include "report/run_files.h"

/* Of the steps, at most so many points of all runs together, and of one. */
#define MOST_POINTS 12000
#define MOST_POINTS_OF_RUN 1000

static dt_status put_document(dt_json *json, const dt_report_sources *sources)
{
    char now[32];
    const int64_t share = sources->runs > 0 ? MOST_POINTS / sources->runs : 0;
    dt_timestamp(now, sizeof now);
    now[strlen("2026-04-29T04:39:31")] = '\0';
    dt_json_object(json);
    dt_json_put_string(json, "version", sources->version);
    dt_json_put_string(json, "created", now);
    dt_json_key(json, "runs");
    dt_json_array(json);
    for (int32_t i = 0; i < sources->runs; ++i)
        DT_TRY(dt_report_run(json, sources->run[i],
                             share < MOST_POINTS_OF_RUN ? share : MOST_POINTS_OF_RUN));
    dt_json_end(json);
    dt_json_key(json, "predictions");
    if (sources->predictions)
        DT_TRY(dt_report_predictions(json, sources->predictions));
    else
        dt_json_null(json);
    dt_json_end(json);
    return DT_OK;
}

/* Writes a JSON text as the content of a script element: '<', which could begin its end tag or a
 * comment, and U+2028 and U+2029, which end a line in older JavaScript, as escapes. All are in
 * strings. */
static void put_escaped(dt_output *out, const char *text)
{
    for (;;) {
        const size_t plain = strcspn(text, "<\xE2");
        dt_output_bytes(out, text, plain);
        text += plain;
        if (!*text)
            return;
        const bool separator =
            text[0] != '<' && text[1] == '\x80' && (text[2] == '\xA8' || text[2] == '\xA9');
        if (text[0] == '<') {
            dt_output_text(out, "\\u003c");
        } else if (separator) {
            dt_output_text(out, text[2] == '\xA8' ? "\\u2028" : "\\u2029");
        } else {
            dt_output_char(out, *text);
        }
        text += separator ? 3 : 1;
    }
}

static void put_page(dt_output *out, const char *document)
{
    static const char *const scripts[] = {dt_chart_js, dt_runs_js, dt_composition_js,
                                          dt_predictions_js, dt_page_js};
    dt_output_text(out,
                   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                   "<link rel=\"icon\" href=\"data:,\">\n"
                   "<title>DeepTaxa report</title>\n<style>\n");
    dt_output_text(out, dt_page_css);
    dt_output_text(out, "</style>\n</head>\n<body>\n"
                        "<noscript>The charts of this report are drawn by JavaScript, which is "
                        "switched off here.</noscript>\n"
                        "<main id=\"report\"></main>\n"
                        "<script type=\"application/json\" id=\"data\">\n");
    put_escaped(out, document);
    dt_output_text(out, "</script>\n<script>\n'use strict';\n");
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; ++i)
        dt_output_text(out, scripts[i]);
    dt_output_text(out, "</script>\n</body>\n</html>\n");
}

/* Makes the document as text, which the caller frees. */
static dt_status make_document(char **document, const dt_report_sources *sources)
{
    size_t length;
    dt_output out;
    dt_json json;
    FILE *memory = open_memstream(document, &length);
    if (!memory)
        return dt_fail(DT_ERR_MEMORY, "not enough memory for a report");
    dt_status status = dt_output_attach(&out, memory, "the report");
    if (status == DT_OK) {
        dt_json_begin(&json, &out, 0, 0);
        status = put_document(&json, sources);
        const dt_status written = dt_output_detach(&out);
        status = status == DT_OK ? written : status;
    }
    if (fclose(memory) != 0 && status == DT_OK)
        status = dt_fail(DT_ERR_MEMORY, "not enough memory for a report");
    return status;
}

dt_status dt_report_write(const char *path, const dt_report_sources *sources)
{
    char *document = NULL;
    dt_output out;
    dt_status status = make_document(&document, sources);
    if (status == DT_OK)
        status = dt_output_begin(&out, path);
    if (status == DT_OK) {
        put_page(&out, document);
        status = dt_output_commit(&out);
    }
    free(document);
    return status;
}
