#include "report/predictions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "io/json_scan.h"
#include "report/prediction_counts.h"

#define SUFFIX "_deeptaxa_predictions.json"

/* What the JSON file says of one sequence at one rank. */
typedef struct {
    dt_span label, truth; /* truth.data NULL: as predicted */
    double confidence;
    bool reaches, compared, agrees, known;
} cell;

/* ---- the file ------------------------------------------------------------------------------- */

static dt_status not_predictions(const dt_prediction_counts *p, const char *at, const char *what)
{
    const long long byte = at - p->bytes + 1;
    return dt_fail(DT_ERR_INPUT,
                   "%s: %s at byte %lld: not a file of `deeptaxa predict`, or damaged", p->path,
                   what, byte);
}

/* Sets p->path to the only prediction in a folder. */
static dt_status find_file(dt_prediction_counts *p, const char *folder)
{
    int found = 0;
    DIR *list = opendir(folder);
    if (!list)
        return dt_fail(DT_ERR_IO, "%s: cannot read the folder: %s", folder, strerror(errno));
    for (struct dirent *entry; found < 2 && (entry = readdir(list));) {
        const size_t length = strlen(entry->d_name);
        if (length <= strlen(SUFFIX) ||
            strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) != 0 || entry->d_name[0] == '.')
            continue;
        found++;
        if (dt_path(p->path, sizeof p->path, "%s/%s", folder, entry->d_name) != DT_OK)
            found = 0;
    }
    closedir(list);
    if (found == 1)
        return DT_OK;
    return dt_fail(DT_ERR_INPUT,
                   found ? "%s: contains several predictions: name one, DIR/NAME" SUFFIX
                         : "%s: contains no prediction (NAME" SUFFIX "): name the --output-dir of "
                           "`deeptaxa predict`",
                   folder);
}

static dt_status map_file(dt_prediction_counts *p)
{
    struct stat info;
    const int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        const int error = errno;
        if (fd >= 0)
            close(fd);
        return dt_fail(DT_ERR_IO, "%s: cannot read: %s", p->path, strerror(error));
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        close(fd);
        return dt_fail(DT_ERR_INPUT, "%s: not a file of `deeptaxa predict`, or empty", p->path);
    }
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return dt_fail(DT_ERR_IO, "%s: cannot read: %s", p->path, strerror(error));
    p->bytes = bytes;
    p->length = (size_t)info.st_size;
    return DT_OK;
}

static bool is(dt_span text, const char *name)
{
    return text.length == strlen(name) && memcmp(text.data, name, text.length) == 0;
}

/* ---- counting ------------------------------------------------------------------------------- */

/* Sets *number to that of a label of the rank. */
static dt_status label_number(dt_prediction_counts *p, dt_report_rank *rank, dt_span label,
                              int32_t *number)
{
    int added;
    if (dt_span_has(label, '\\')) {
        DT_TRY(dt_json_scan_text(label, &p->text));
        label = (dt_span){p->text.data, p->text.length};
    }
    DT_TRY(dt_strmap_add(rank->number, label.data, label.length, rank->labels, number, &added));
    if (!added)
        return DT_OK;
    DT_TRY(DT_GROW(rank->label, rank->label_capacity, (size_t)rank->labels + 1));
    DT_TRY(DT_GROW(rank->predicted, rank->predicted_capacity, (size_t)rank->labels + 1));
    DT_TRY(dt_calloc((void **)&rank->label[rank->labels], label.length + 1, 1, "label"));
    memcpy(rank->label[rank->labels], label.data, label.length);
    rank->predicted[rank->labels++] = false;
    return DT_OK;
}

static dt_status add_rank(dt_prediction_counts *p, dt_span name)
{
    if (p->tax_ranks == DT_MAX_TAX_RANKS)
        return not_predictions(p, name.data, "too many ranks");
    dt_report_rank *rank = &p->rank[p->tax_ranks];
    DT_TRY(dt_json_scan_text(name, &p->text));
    DT_TRY(dt_copy_text(&rank->name, p->text.data));
    DT_TRY(dt_strmap_create(&rank->number));
    DT_TRY(dt_strmap_create(&rank->pair_index));
    p->tax_ranks++;
    return label_number(p, rank, dt_span_of(DT_UNCLASSIFIED), &rank->unclassified);
}

static void read_mismatch(dt_json_scan *scan, cell *out)
{
    dt_span key;
    dt_json_scan_open(scan, '{');
    while (dt_json_scan_key(scan, &key)) {
        if (is(key, "true"))
            out->truth = dt_json_scan_string(scan);
        else if (is(key, "known"))
            out->known = dt_json_scan_bool(scan);
        else
            dt_json_scan_skip(scan);
    }
}

static cell read_cell(dt_json_scan *scan)
{
    cell out = {.confidence = (double)NAN, .reaches = true, .known = true};
    dt_span key;
    dt_json_scan_open(scan, '{');
    while (dt_json_scan_key(scan, &key)) {
        if (is(key, "label"))
            out.label = dt_json_scan_string(scan);
        else if (is(key, "raw_score")) /* a float, whose bin depends on its last digit */
            out.confidence = (double)(float)dt_json_scan_number(scan);
        else if (is(key, "confidence_threshold_flag"))
            out.reaches = dt_json_scan_bool(scan);
        else if (is(key, "agreement"))
            out.compared = true, out.agrees = dt_json_scan_bool(scan);
        else if (is(key, "mismatch_detail"))
            read_mismatch(scan, &out);
        else
            dt_json_scan_skip(scan);
    }
    return out;
}

static dt_status count_error(dt_prediction_counts *p, dt_report_rank *rank, const cell *c,
                             int32_t label)
{
    int32_t key[2] = {0, label};
    int32_t at;
    int added;
    DT_TRY(label_number(p, rank, c->truth, &key[0]));
    DT_TRY(
        dt_strmap_add(rank->pair_index, (const char *)key, sizeof key, rank->pairs, &at, &added));
    if (added) {
        DT_TRY(DT_GROW(rank->pair, rank->pair_capacity, (size_t)rank->pairs + 1));
        rank->pair[rank->pairs++] =
            (dt_report_confusion){.truth = key[0], .label = label, .known = c->known};
    }
    rank->pair[at].count++;
    return DT_OK;
}

static dt_status count_cell(dt_prediction_counts *p, dt_report_rank *rank, const cell *c,
                            int32_t *label)
{
    DT_TRY(label_number(p, rank, c->label, label));
    const int bin = (int)(c->confidence * DT_REPORT_BINS);
    const int in = bin < DT_REPORT_BINS ? bin : DT_REPORT_BINS - 1;
    rank->predicted[*label] = true;
    rank->unanswered += !c->reaches || *label == rank->unclassified;
    rank->bins[in]++;
    if (!c->compared)
        return DT_OK;
    rank->compared++;
    rank->right_count += c->agrees;
    rank->right[in] += c->agrees;
    if (c->known)
        dt_calibration_add(&rank->calibration, c->confidence, c->agrees);
    return c->agrees || !c->truth.data ? DT_OK : count_error(p, rank, c, *label);
}

static dt_status note_unanswered(dt_prediction_counts *p, dt_span id, double length, int32_t label,
                                 double confidence)
{
    if (p->unanswered_count == DT_MOST_UNANSWERED)
        return DT_OK;
    dt_unanswered_read *read = &p->unanswered[p->unanswered_count];
    *read = (dt_unanswered_read){.length = length, .label = label, .confidence = confidence};
    DT_TRY(dt_json_scan_text(id, &p->text));
    DT_TRY(dt_copy_text(&read->id, p->text.data));
    p->unanswered_count++;
    return DT_OK;
}

/* Reads the prediction of one sequence. The first one names the ranks, and all have them in its
 * order. */
static dt_status count_row(dt_prediction_counts *p, dt_json_scan *scan, dt_span id)
{
    int32_t label[DT_MAX_TAX_RANKS];
    double confidence[DT_MAX_TAX_RANKS];
    double length = (double)NAN;
    int32_t r = 0;
    int32_t answers = 0;
    dt_span key;
    dt_json_scan_open(scan, '{');
    while (dt_json_scan_key(scan, &key)) {
        if (dt_json_scan_peek(scan) != '{') {
            const bool is_length = is(key, "sequence_length");
            const dt_span other = is_length ? (dt_span){0} : dt_json_scan_skip(scan);
            length = is_length ? dt_json_scan_number(scan) : length;
            (void)other;
            continue;
        }
        if (p->sequences == 0)
            DT_TRY(add_rank(p, key));
        if (r == p->tax_ranks || !is(key, p->rank[r].name))
            return not_predictions(p, key.data, "another rank than in the first prediction");
        const cell c = read_cell(scan);
        if (scan->bad)
            break;
        if (!c.label.data || !(c.confidence >= 0.0 && c.confidence <= 1.0))
            return not_predictions(p, key.data, "no label, or no raw_score from 0 to 1");
        DT_TRY(count_cell(p, &p->rank[r], &c, &label[r]));
        confidence[r] = c.confidence;
        answers += answers == r && c.reaches && label[r] != p->rank[r].unclassified;
        r++;
    }
    if (scan->bad)
        return DT_OK; /* reported by the caller */
    if (r == 0 || r < p->tax_ranks)
        return not_predictions(p, scan->at, "a prediction without all ranks");
    p->depth[answers]++;
    p->sequences++;
    if (answers == 0)
        DT_TRY(note_unanswered(p, id, length, label[0], confidence[0]));
    return dt_composition_add(&p->composition, label, confidence, p->tax_ranks, answers);
}

/* Counts the elements of the array of predictions that is next in `rows`. */
static dt_status count_rows(dt_prediction_counts *p, dt_json_scan *rows)
{
    dt_json_scan ids = dt_json_scan_of(p->ids.data, p->ids.length);
    bool more_ids = true;
    dt_json_scan_open(&ids, '[');
    dt_json_scan_open(rows, '[');
    while (dt_json_scan_element(rows)) {
        more_ids = dt_json_scan_element(&ids);
        if (!more_ids)
            break;
        const dt_span id = dt_json_scan_string(&ids);
        DT_TRY(count_row(p, rows, id));
    }
    if (rows->bad || ids.bad)
        return not_predictions(p, rows->bad ? rows->bad : ids.bad, "something unexpected");
    if (!more_ids || dt_json_scan_element(&ids))
        return dt_fail(DT_ERR_INPUT, "%s: not as many sequence_ids as predictions", p->path);
    return DT_OK;
}

/* Counts the predictions, and finds the summary. */
static dt_status read_members(dt_prediction_counts *p, dt_span *summary)
{
    dt_span key;
    bool counted = false;
    dt_json_scan scan = dt_json_scan_of(p->bytes, p->length);
    dt_json_scan_open(&scan, '{');
    while (dt_json_scan_key(&scan, &key)) {
        if (is(key, "predictions") && p->ids.data && !counted) {
            DT_TRY(count_rows(p, &scan));
            counted = true;
            continue;
        }
        const dt_span value = dt_json_scan_skip(&scan);
        if (is(key, "sequence_ids"))
            p->ids = value;
        else if (is(key, "summary"))
            *summary = value;
    }
    if (scan.bad || dt_json_scan_peek(&scan) != '\0')
        return not_predictions(p, scan.bad ? scan.bad : scan.at, "no valid JSON");
    if (!counted)
        return dt_fail(DT_ERR_INPUT,
                       "%s: has no \"sequence_ids\" followed by \"predictions\": not a file of "
                       "`deeptaxa predict`",
                       p->path);
    return DT_OK;
}

/* ---- all ------------------------------------------------------------------------------------ */

static void free_rank(dt_report_rank *rank)
{
    for (int32_t i = 0; i < rank->labels; ++i)
        free(rank->label[i]);
    free(rank->label);
    free(rank->predicted);
    free(rank->pair);
    free(rank->name);
    dt_strmap_destroy(rank->number);
    dt_strmap_destroy(rank->pair_index);
}

static void free_prediction(dt_prediction_counts *p)
{
    for (int32_t r = 0; p->rank && r < DT_MAX_TAX_RANKS; ++r)
        free_rank(&p->rank[r]);
    for (int32_t i = 0; i < p->unanswered_count; ++i)
        free(p->unanswered[i].id);
    dt_composition_free(&p->composition);
    dt_text_free(&p->text);
    if (p->bytes)
        munmap(p->bytes, p->length);
    free(p->rank);
    free(p);
}

static dt_status read_and_put(dt_json *json, dt_prediction_counts *p, const char *path)
{
    struct stat info;
    dt_span text = {0}; /* of the summary */
    if (stat(path, &info) != 0)
        return dt_fail(DT_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    DT_TRY(S_ISDIR(info.st_mode) ? find_file(p, path)
                                 : dt_path(p->path, sizeof p->path, "%s", path));
    DT_TRY(DT_NEW(p->rank, DT_MAX_TAX_RANKS));
    DT_TRY(map_file(p));
    DT_TRY(read_members(p, &text));
    json_t *summary = text.data ? json_loadb(text.data, text.length, 0, NULL) : NULL;
    if (text.data && !summary)
        return not_predictions(p, text.data, "no valid summary");
    const dt_status status = dt_put_predictions(json, p, summary);
    json_decref(summary);
    return status;
}

dt_status dt_report_predictions(dt_json *json, const char *path)
{
    dt_prediction_counts *p;
    DT_TRY(DT_NEW(p, 1));
    const dt_status status = read_and_put(json, p, path);
    free_prediction(p);
    return status;
}
