#include "predict/read_lengths.h"

#include "core/log.h"

#define WARN_ABOVE 10 /* one sequence in ten */

/* Indices of dt_length_percent. */
enum { ONE_PER_CENT = 1, NINETY_NINE_PER_CENT = DT_LENGTH_QUANTILES - 2 };

dt_read_lengths dt_read_lengths_of(const dt_run *run)
{
    return (dt_read_lengths){.trained = &run->lengths,
                             .factor = run->primers.forward[0] ? 1.25 : 2.0};
}

void dt_read_lengths_add(dt_read_lengths *lengths, const dt_predicted *predicted, int32_t i)
{
    const bool doubtful = predicted->judged && predicted->judged[i].doubt != DT_DOUBT_NONE;
    const int64_t bases = (int64_t)predicted->record[i].sequence.length;
    if (!lengths->trained || !lengths->trained->known || doubtful)
        return;
    const double factor = lengths->factor;
    const bool shorter = factor * (double)bases < (double)lengths->trained->bases[ONE_PER_CENT];
    const bool longer =
        (double)bases > factor * (double)lengths->trained->bases[NINETY_NINE_PER_CENT];
    lengths->sequences++;
    lengths->shorter += shorter;
    lengths->longer += longer;
    lengths->bases += shorter || longer ? (double)bases : 0.0;
}

void dt_read_lengths_report(const dt_read_lengths *lengths, const char *file)
{
    const int64_t far = lengths->shorter + lengths->longer;
    if (far * WARN_ABOVE <= lengths->sequences)
        return;
    dt_warn(
        "%s: %lld of %lld sequences are far %s than the training sequences: %.0f bases on "
        "average, where 98 %% of the training sequences have %lld to %lld; train a model on the "
        "region that the reads cover, or expect wrong labels",
        file, (long long)far, (long long)lengths->sequences,
        lengths->longer == 0    ? "shorter"
        : lengths->shorter == 0 ? "longer"
                                : "shorter or longer",
        lengths->bases / (double)far, (long long)lengths->trained->bases[ONE_PER_CENT],
        (long long)lengths->trained->bases[NINETY_NINE_PER_CENT]);
}
