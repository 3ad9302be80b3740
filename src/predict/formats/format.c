#include "predict/formats/format.h"

#include <stddef.h>

const dt_format dt_formats[DT_FORMATS] = {
    [DT_FORMAT_QIIME2] = {.suffix = "qiime2.tsv", .reader = "QIIME 2", .write = dt_write_qiime2},
    [DT_FORMAT_QZA] = {.suffix = "qza", .reader = "QIIME 2", .write = dt_write_qza},
    [DT_FORMAT_DADA2] = {.suffix = "dada2.csv",
                         .numbers = true,
                         .sequences = true,
                         .write = dt_write_dada2},
    [DT_FORMAT_SINTAX] = {.suffix = "sintax.tsv", .write = dt_write_sintax},
    [DT_FORMAT_BIOM] = {.suffix = "biom",
                        .reader = "BIOM",
                        .numbers = true,
                        .write = dt_write_biom},
    [DT_FORMAT_KRAKEN] = {.suffix = "kraken.txt", .write = dt_write_kraken},
};
