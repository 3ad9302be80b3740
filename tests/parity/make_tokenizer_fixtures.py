#!/usr/bin/env python3
"""Writes what Hugging Face `tokenizers` makes of our test texts, into tests/parity/fixtures/.

    python3 tests/parity/make_tokenizer_fixtures.py [shared folder] [gold FASTA]

Run from the project root, with `tokenizers` installed (the version is written into the files).

tiny_corpus.txt     sequences, drawn here from a fixed seed: a tokenizer is learnt from them
tiny_learned.json   what the library's trainer learns from them, in the layout of our writer: ours
                    must write these very bytes
tiny_*.json         tokenizers with the other features that we read
tokenizer_hostile.txt   a line "= text in hex", and below it a line a tokenizer: its file, then the
                    ids, or "#", their count and hash where there are many
tokenizer_gold.txt  a line a sequence of the 16S set: count and hash of the ids, raw and normalised,
                    by DNABERT-2's tokenizer, which is read from the shared folder
"""
import json
import os
import random
import re
import sys

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

OUT = "tests/parity/fixtures"
SPECIALS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
GOLD = "/usr/share/microbiomeutil-data/RESOURCES/rRNA16S.gold.fasta"


def make_corpus():
    """Sequences with repeated motifs, N, and one homopolymer, so that ties and overlaps occur."""
    rng = random.Random(16)
    motifs = ["".join(rng.choice("ACGT") for _ in range(rng.randint(4, 12))) for _ in range(12)]
    lines = []
    for _ in range(40):
        text = "".join(rng.choice(motifs) if rng.random() < 0.6 else rng.choice("ACGT")
                       for _ in range(40))
        lines.append(text)
    lines[3] = lines[3][:50] + "N" + lines[3][50:]
    lines.append("A" * 37)
    return lines


def layout(vocab, merges, pre_tokenizer="Whitespace", unk="[UNK]", fuse=False, affixes=True,
           specials=SPECIALS):
    """The file as DNABERT-2's is laid out."""
    def piece(kind, name, type_id):
        return {kind: {"id": name, "type_id": type_id}}

    single = [piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0),
              piece("SpecialToken", "[SEP]", 0)]
    pair = single + [piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": vocab[s], "content": s, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}
                         for s in specials],
        "normalizer": None,
        "pre_tokenizer": {"type": pre_tokenizer} if pre_tokenizer else None,
        "post_processor": {
            "type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": {s: {"id": s, "ids": [vocab[s]], "tokens": [s]}
                               for s in ("[CLS]", "[SEP]")}} if affixes else None,
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": unk,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": fuse, "vocab": vocab, "merges": [a + " " + b for a, b in merges]},
    }


def save(name, tree):
    with open(os.path.join(OUT, name), "w") as out:
        json.dump(tree, out, indent=2)


def train(corpus, size):
    """What is not A, C, G, T parts the words, as in our learner."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, special_tokens=SPECIALS,
                                  initial_alphabet=list("ACGT"), show_progress=False)
    tokenizer.train_from_iterator([re.sub("[^ACGT]", " ", s) for s in corpus], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    return vocab, [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]


def numbered(tokens):
    return {token: i for i, token in enumerate(tokens)}


def make_tiny():
    corpus = make_corpus()
    with open(os.path.join(OUT, "tiny_corpus.txt"), "w") as out:
        out.write("\n".join(corpus) + "\n")
    save("tiny_learned.json", layout(*train(corpus, 120)))
    # merges that only the priority queue can apply: ABC in two ways, a part that is made later
    save("tiny_tangled.json", layout(
        numbered(SPECIALS + list("ACGT") + ["ACG", "CG", "AC", "GT", "ACGT", "TT", "AA", "AAA"]),
        [("A", "CG"), ("A", "C"), ("C", "G"), ("AC", "G"), ("G", "T"), ("AC", "GT"), ("A", "A"),
         ("A", "AA"), ("AA", "A"), ("T", "T")]))
    # letters and signs beyond ASCII, runs of unknown characters in one, words at blanks only
    save("tiny_unicode.json", layout(
        numbered(SPECIALS + list("ACGTacgt09_-.é☃漢") + ["\u0301", "AC", "é☃", "a漢", "09", "--",
                                                        "é\u0301", "_-"]),
        [("A", "C"), ("é", "☃"), ("a", "漢"), ("0", "9"), ("-", "-"), ("é", "\u0301"), ("_", "-")],
        pre_tokenizer="WhitespaceSplit", fuse=True))
    # the same words cut by class, so that \w decides what merges
    save("tiny_classes.json", layout(
        numbered(SPECIALS + list("ACé☃漢") + ["\u0301", "\u200d", "AC", "é☃", "A漢", "A\u0301",
                                             "A\u200d", "☃\u0301"]),
        [("A", "C"), ("é", "☃"), ("A", "漢"), ("A", "\u0301"), ("A", "\u200d"), ("☃", "\u0301")]))
    # unknown characters dropped, no pre-tokenizer, nothing round the sequence
    save("tiny_dropping.json", layout(
        numbered(SPECIALS + list("ACGT ") + ["AC", "GT", "TT"]),
        [("A", "C"), ("G", "T"), ("T", "T")], pre_tokenizer=None, unk=None, affixes=False))
    # N is the unknown token, a letter, and takes part in merges
    save("tiny_n.json", layout(
        numbered(["N", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"] + list("ACGT")
                 + ["NN", "AN", "NNNN"]),
        [("N", "N"), ("A", "N"), ("NN", "NN")], unk="N"))


def hostile_texts():
    rng = random.Random(5)
    texts = [
        "", " ", "\t\n\r \x0b\x0c", "A", "N", "a", "ACGT", "acgt", "ACGTacgtACGT", "ACGUACGU",
        "ACGT ACGT", " ACGT ", "ACGT\tACGT\nACGT\r\nACGT", "AC-GT", "AC.GT", "--ACGT..", "AC_GT",
        "AC__GT", "ACGT1234", "0123456789", "A,C;G:T!", ">id description", "ACGT\x00ACGT", "\x00",
        "\x7f\x01\x1f", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "[CLS]ACGT[SEP]",
        "ACG[PAD]TACG", "[PAD][PAD] [PAD]", "[CLS", "CLS]", "[[CLS]]", "[cls]", "[MASK][MASK",
        "AC[UNK]GT[MASK]A[SEP]", "é", "Aé", "ACéGT", "A\u0301C", "e\u0301A", "☃", "A☃C", "é☃A漢",
        "漢字ACGT", "a漢a漢", "\u200d", "A\u200dC", "\u00a0ACGT\u00a0", "AC\u3000GT", "AC\u2028GT",
        "AC\u0085GT", "AC\u200bGT", "\ufeffACGT", "\ufffd", "\U0001f9ecACGT\U0001f9ec", "𝔸ℂ", "ÀÇĞŤ",
        "ACGTÄACGT", "٣AC٣", "A‿C", "A·C", "é☃é\u0301☃\u0301", "--_-09_-é☃", "ΑΒΓ АВС",
        "N" * 50, "ACGT" + "N" * 37 + "ACGT", "ANNCNNNGNNNNT", "RYSWKMBDHVN", "nnnACGTnnn",
        "A" * 5, "A" * 17, "A" * 100, "A" * 3001, "T" * 1024, "C" * 333, "G" * 255, "AC" * 700,
        "ACG" * 500, "AAC" * 333, "ACGTT" * 300, "AAACGT" * 50, "GATTACA" * 20,
    ]
    for length in (7, 50, 200, 1500):
        texts.append("".join(rng.choice("ACGT") for _ in range(length)))
        texts.append("".join(rng.choice("ACGTN") for _ in range(length)))
        texts.append("".join(rng.choice("ACGTacgtN-. \t[]") for _ in range(length)))
        texts.append("".join(rng.choice("AC☃é漢\u0301\u200d_ -0N") for _ in range(length // 5)))
    return texts


def digest(ids):
    """FNV-1a, 32 bits, over the ids as two bytes each, the lower one first."""
    value = 0x811C9DC5
    for token in ids:
        for byte in (token & 255, token >> 8):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def write_hostile(shared):
    files = [(n, os.path.join(OUT, n)) for n in sorted(os.listdir(OUT)) if n.endswith(".json")]
    files.append(("dnabert2", os.path.join(shared, "data", "dnabert2-tokenizer.json")))
    loaded = [(name, Tokenizer.from_file(path)) for name, path in files]
    with open(os.path.join(OUT, "tokenizer_hostile.txt"), "w") as out:
        out.write("# tokenizers %s\n" % tokenizers.__version__)
        for text in hostile_texts():
            out.write("= %s\n" % text.encode().hex())
            for name, tokenizer in loaded:
                ids = tokenizer.encode(text).ids
                shown = "".join(" %d" % i for i in ids)
                if len(ids) > 20:
                    shown = " # %d %08x" % (len(ids), digest(ids))
                out.write(name + shown + "\n")


def read_fasta(path):
    sequences = []
    with open(path, encoding="ascii") as fasta:
        for line in fasta:
            line = line.rstrip("\r\n")
            if line.startswith(">"):
                sequences.append("")
            else:
                sequences[-1] += line
    return sequences


def normalize(sequence):
    return re.sub("[-.]", "", sequence.upper().replace("U", "T"))


def write_gold(shared, gold):
    tokenizer = Tokenizer.from_file(os.path.join(shared, "data", "dnabert2-tokenizer.json"))
    with open(os.path.join(OUT, "tokenizer_gold.txt"), "w") as out:
        out.write("# tokenizers %s: count and hash of the ids, raw, then normalised\n"
                  % tokenizers.__version__)
        for sequence in read_fasta(gold):
            both = (tokenizer.encode(sequence).ids, tokenizer.encode(normalize(sequence)).ids)
            out.write(" ".join("%d %08x" % (len(ids), digest(ids)) for ids in both) + "\n")


def main():
    shared = sys.argv[1] if len(sys.argv) > 1 else "../shared"
    gold = sys.argv[2] if len(sys.argv) > 2 else GOLD
    os.makedirs(OUT, exist_ok=True)
    make_tiny()
    write_hostile(shared)
    write_gold(shared, gold)


if __name__ == "__main__":
    main()
