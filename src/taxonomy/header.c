#include "taxonomy/header.h"

#include <string.h>

#include "io/span.h"
#include "taxonomy/lineage.h"
#include "taxonomy/spelling.h"
#include "taxonomy/taxonomy.h"

#define TAX_KEY ";tax="
#define RDP_KEY "Lineage="

enum { LEVELS = DT_USUAL_RANKS - 1 }; /* without kingdom */

static dt_span span_of(const dt_text *text)
{
    return (dt_span){text->data, text->length};
}

/* Returns what follows `key` in the text; data NULL: it is not there. */
static dt_span after(const dt_text *text, const char *key)
{
    const char *at = text->length ? strstr(text->data, key) : NULL;
    if (!at)
        return (dt_span){0};
    at += strlen(key);
    return (dt_span){at, text->length - (size_t)(at - text->data)};
}

/* Returns what follows the last '|' of the id, if that begins with a rank's prefix. */
static dt_span after_bars(const dt_text *id)
{
    const char *bar = strrchr(id->data, '|');
    if (!bar)
        return (dt_span){0};
    const dt_span rest = {bar + 1, id->length - (size_t)(bar + 1 - id->data)};
    return rest.length && dt_label_prefix(rest.data, rest.length) ? rest : (dt_span){0};
}

/* Returns the description without annotations such as `[location=1..1500]` at its end. */
static dt_span plain_description(const dt_fasta_record *record)
{
    const dt_span all = span_of(&record->description);
    for (size_t i = 0; i + 1 < all.length; ++i) {
        const dt_span rest = {all.data + i, all.length - i};
        if (rest.data[0] == '[' && i > 0 && rest.data[-1] == ' ' && dt_span_has(rest, '='))
            return dt_trim((dt_span){all.data, i});
    }
    return all;
}

/* accession.first.last */
static bool is_silva_id(const dt_text *id)
{
    int numbers = 0;
    size_t end = id->length;
    while (numbers < 2) {
        size_t begin = end;
        while (begin > 0 && id->data[begin - 1] >= '0' && id->data[begin - 1] <= '9')
            begin--;
        if (begin == end || begin < 2 || id->data[begin - 1] != '.')
            return false;
        end = begin - 1;
        numbers++;
    }
    return true;
}

static bool begins_lineage(dt_span text)
{
    static const char *const words[] = {"Bacteria", "Archaea", "Eukaryota", "Eukarya",
                                        "Fungi",    "Viruses", "Root"};
    dt_span first = {0};
    if (!dt_span_has(text, ';') || !dt_next_part(&text, ';', &first))
        return false;
    first = dt_trim(first);
    if (first.length && dt_label_prefix(first.data, first.length) > 0)
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i)
        if (first.length && dt_labels_alike(first.data, first.length, words[i], strlen(words[i])))
            return true;
    return false;
}

static bool is_annotation(dt_span part)
{
    size_t i = 0;
    while (i < part.length && part.data[i] != '=' && part.data[i] != ' ')
        ++i;
    return part.length == 0 || (i > 0 && i < part.length && part.data[i] == '=');
}

static bool are_annotations(dt_span rest)
{
    dt_span part;
    while (dt_next_part(&rest, ';', &part))
        if (!is_annotation(part))
            return false;
    return true;
}

size_t dt_bare_id_length(const char *id, size_t length)
{
    for (size_t i = 1; i < length; ++i)
        if (id[i] == ';' && are_annotations((dt_span){id + i + 1, length - i - 1}))
            return i;
    return length;
}

/* At least three parts, which are no annotations. */
static bool is_dada2(const dt_fasta_record *record)
{
    const dt_span bare = {record->id.data, dt_bare_id_length(record->id.data, record->id.length)};
    const char *first = strchr(record->id.data, ';');
    const bool second =
        first && (strchr(first + 1, ';') || dt_span_has(span_of(&record->description), ';'));
    return second && first > record->id.data && dt_span_has(bare, ';');
}

const char *dt_header_form_name(dt_header_form form)
{
    static const char *const names[] = {[DT_HEADER_NONE] = "none",
                                        [DT_HEADER_SINTAX] = "SINTAX",
                                        [DT_HEADER_RDP] = "RDP",
                                        [DT_HEADER_UNITE] = "UNITE",
                                        [DT_HEADER_DADA2] = "DADA2",
                                        [DT_HEADER_SILVA] = "SILVA",
                                        [DT_HEADER_LINEAGE] = "id and lineage"};
    return names[form];
}

dt_header_form dt_header_form_of(const dt_fasta_record *record)
{
    if (after(&record->id, TAX_KEY).length)
        return DT_HEADER_SINTAX;
    if (after(&record->description, RDP_KEY).length)
        return DT_HEADER_RDP;
    if (after_bars(&record->id).length)
        return DT_HEADER_UNITE;
    if (is_dada2(record))
        return DT_HEADER_DADA2;
    const dt_span description = plain_description(record);
    const bool prefix =
        description.length && dt_label_prefix(description.data, description.length) > 0;
    if (description.length && !prefix && is_silva_id(&record->id))
        return DT_HEADER_SILVA;
    return begins_lineage(description) ? DT_HEADER_LINEAGE : DT_HEADER_NONE;
}

/* ---- lineages -------------------------------------------------------------------------------- */

static dt_status add(dt_text *lineage, dt_span text)
{
    return dt_text_add(lineage, text.data, text.length);
}

/* "d:Bacteria,p:Bacillota;": a part that does not begin so belongs to the name before it. A strain
 * (t:) is no rank. */
static dt_status sintax_lineage(const dt_fasta_record *record, dt_text *lineage)
{
    dt_text header = {0};
    dt_span part = {0};
    dt_status status =
        dt_text_addf(&header, "%s%s%s", record->id.data, record->description.length ? " " : "",
                     record->description.length ? record->description.data : "");
    dt_span rest = status == DT_OK ? after(&header, TAX_KEY) : (dt_span){0};
    dt_next_part(&rest, ';', &part);
    rest = part;
    while (status == DT_OK && dt_next_part(&rest, ',', &part)) {
        const bool named = part.length >= 2 && part.data[1] == ':';
        if (named && part.data[0] == 't')
            break;
        if (named)
            status = dt_text_addf(lineage, "%s%c__", lineage->length ? ";" : "", part.data[0]);
        else
            status = dt_text_add(lineage, ",", 1);
        if (status == DT_OK)
            status = add(lineage, named ? (dt_span){part.data + 2, part.length - 2} : part);
    }
    dt_text_free(&header);
    return status;
}

/* "Root;rootrank;Bacteria;domain;"Firmicutes";phylum": names of ranks between the usual ones are
 * left out. */
static dt_status rdp_lineage(const dt_fasta_record *record, dt_text *lineage)
{
    dt_span rest = after(&record->description, RDP_KEY);
    dt_span name = {0};
    dt_span rank = {0};
    while (dt_next_part(&rest, ';', &name) && dt_next_part(&rest, ';', &rank)) {
        const int32_t place = dt_usual_place(rank.data, rank.length);
        if (place < 0)
            continue;
        if (name.length > 2 && name.data[0] == '"' && name.data[name.length - 1] == '"')
            name = (dt_span){name.data + 1, name.length - 2};
        DT_TRY(dt_text_addf(lineage, "%s%c__%.*s", lineage->length ? ";" : "",
                            dt_usual_rank[place][0], (int)name.length, name.data));
    }
    return DT_OK;
}

/* Fills the ranks that the lineage lacks before its last name, which is the species. */
static dt_status silva_lineage(const dt_fasta_record *record, dt_text *lineage, bool *shortened)
{
    dt_span rest = span_of(&record->description);
    dt_span part = {0};
    dt_span last = {0};
    int32_t levels = 1;
    while (rest.length && rest.data[rest.length - 1] == ';')
        rest.length--;
    for (size_t i = 0; i < rest.length; ++i)
        levels += rest.data[i] == ';';
    *shortened = levels > LEVELS;
    dt_next_part(&rest, ';', &last);
    DT_TRY(add(lineage, last));
    for (int32_t level = 1; dt_next_part(&rest, ';', &part); ++level) {
        last = part;
        if (rest.data && !*shortened)
            DT_TRY(dt_text_addf(lineage, ";%.*s", (int)part.length, part.data));
    }
    for (int32_t level = *shortened ? 2 : levels; levels > 1 && level < LEVELS; ++level)
        DT_TRY(dt_text_add(lineage, ";", 1));
    return levels > 1 ? dt_text_addf(lineage, ";%.*s", (int)last.length, last.data) : DT_OK;
}

static dt_status dada2_lineage(const dt_fasta_record *record, dt_text *lineage)
{
    DT_TRY(add(lineage, span_of(&record->id)));
    if (record->description.length)
        DT_TRY(dt_text_addf(lineage, " %s", record->description.data));
    return DT_OK;
}

dt_status dt_header_lineage(dt_header_form form, const dt_fasta_record *record, dt_text *lineage,
                            bool *shortened)
{
    dt_text_clear(lineage);
    *shortened = false;
    switch (form) {
    case DT_HEADER_SINTAX:
        return sintax_lineage(record, lineage);
    case DT_HEADER_RDP:
        return rdp_lineage(record, lineage);
    case DT_HEADER_UNITE:
        return add(lineage, after_bars(&record->id));
    case DT_HEADER_DADA2:
        return dada2_lineage(record, lineage);
    case DT_HEADER_SILVA:
        return silva_lineage(record, lineage, shortened);
    case DT_HEADER_LINEAGE:
        return add(lineage, plain_description(record));
    case DT_HEADER_NONE:
    default:
        return DT_OK;
    }
}

dt_status dt_header_set_id(dt_header_form form, dt_fasta_record *record, int64_t number)
{
    size_t length = record->id.length;
    if (form == DT_HEADER_DADA2) {
        dt_text_clear(&record->id);
        DT_TRY(dt_text_addf(&record->id, "%lld", (long long)number));
        length = record->id.length;
    }
    if (form == DT_HEADER_SINTAX)
        length -= after(&record->id, TAX_KEY).length + strlen(TAX_KEY);
    if (form == DT_HEADER_UNITE)
        length -= after_bars(&record->id).length + 1;
    record->id.data[length] = '\0';
    record->id.length = length;
    if (form == DT_HEADER_DADA2 || form == DT_HEADER_SINTAX)
        dt_text_clear(&record->description);
    return DT_OK;
}
