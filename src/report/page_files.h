/* The style sheet and the scripts of a report: files of this folder, compiled in by
 * cmake/Embed.cmake. page.js is the last one: it draws the document with the functions of the
 * others. */
#ifndef DT_REPORT_PAGE_FILES_H
#define DT_REPORT_PAGE_FILES_H

extern const char dt_page_css[];
extern const char dt_chart_js[];
extern const char dt_runs_js[];
extern const char dt_composition_js[];
extern const char dt_predictions_js[];
extern const char dt_page_js[];

#endif
