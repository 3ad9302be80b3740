"""Compares what our files contain with what DeepTaxa's do, and writes the result as a table.

    python3 compare_files.py FOLDER TOOLS [--write]

FOLDER holds what tests/cli/test_notebooks.sh made (file_contents.py); TOOLS is the folder of print_hdf5 and print_pt.
DeepTaxa's side is ../fixtures/deeptaxa_files.json. Every difference must be declared, with its reason, in
declared_differences.txt, and every declaration must apply. The table is in docs/differences.md, between two comments,
and must be up to date; --write writes it. Exit status 0 when all is right.
"""

import collections
import json
import os
import re
import sys

import file_contents

HERE = os.path.dirname(os.path.abspath(__file__))
DECLARED = os.path.join(HERE, "declared_differences.txt")
DOCUMENT = os.path.join(HERE, "../../docs/differences.md")
TABLE = re.compile(r"(?s)(<!-- the table begins -->\n).*(<!-- the table ends -->\n)")
WORDS = {"same": "same", "there": "only DeepTaxa", "here": "only here", "type": "other type", "value": "other value"}


def load_declared():
    """[kind, pattern of files, pattern of keys, reason]"""
    declared = []
    with open(DECLARED, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                kind, files, keys, reason = (part.strip() for part in line.split(" | ", 3))
                patterns = [re.compile(".*".join(map(re.escape, text.split("*")))) for text in (files, keys)]
                declared.append((kind, *patterns, reason))
    return declared


def outcomes(there, here):
    """Yields (file, key, kind, detail) for every key of every file; a file that only one has is one key."""
    for file in sorted({*there, *here}):
        if file not in there or file not in here:
            yield file, "the file", "there" if file in there else "here", ""
            continue
        theirs, ours = there[file], here[file]
        for key in sorted({*theirs["types"], *ours["types"]}):
            types = [side["types"].get(key) for side in (theirs, ours)]
            values = [side["values"].get(key) for side in (theirs, ours)]
            if None in types:
                yield file, key, "here" if types[0] is None else "there", ""
            elif types[0] != types[1]:
                yield file, key, "type", f"{types[0]} there, {types[1]} here"
            elif values[0] != values[1]:
                yield file, key, "value", f"{str(values[0])[:200]} there, {str(values[1])[:200]} here"
            else:
                yield file, key, "same", ""


def explain(found, declared):
    """Adds the reason to each; returns the rows {(file, kind, reason): keys} and the complaints."""
    rows, complaints, used = collections.OrderedDict(), [], set()
    for file, key, kind, detail in found:
        reason = ""
        if kind != "same":
            matches = [i for i, (k, files, keys, _) in enumerate(declared)
                       if k == kind and files.fullmatch(file) and keys.fullmatch(key)]
            used.update(matches[:1])
            reason = declared[matches[0]][3] if matches else "?"
            if not matches:
                complaints.append(f"not declared: {kind} | {file} | {key} {detail}".rstrip())
        if (kind, key) != ("same", "number of files"):
            rows.setdefault((file, kind, reason), []).append(key)
    for i, (kind, files, keys, reason) in enumerate(declared):
        if i not in used:
            complaints.append(f"declared, but there is no such difference: {kind} | {files.pattern} | "
                              f"{keys.pattern} | {reason}")
    return rows, complaints


def shorten(keys):
    """dataset_info.{fasta_file, taxonomy_file}, where keys have the same beginning."""
    groups = collections.OrderedDict()
    for key in keys:
        begin = re.match(r"(setting |column |[A-Za-z ]+: |.*\.)?", key).group()
        groups.setdefault(begin, []).append(key[len(begin):])
    parts = []
    for begin, ends in groups.items():
        if begin and len(ends) > 1:
            parts.append(f"`{begin}{{{', '.join(ends)}}}`")
        else:
            parts.extend(end if end in ("the file", "number of files") else f"`{begin}{end}`" for end in ends)
    return ", ".join(parts)


def table(rows):
    lines = ["| file | | keys | reason |", "| --- | --- | --- | --- |"]
    last = ""
    order = list(WORDS)
    commands = ["train", "predict --taxonomy-file", "predict", "describe --export-metrics", "describe", "convert"]
    files = sorted(dict.fromkeys(file for file, _, _ in rows), key=lambda file: commands.index(file.split(": ")[0]))
    for file, kind, reason in sorted(rows, key=lambda row: (files.index(row[0]), order.index(row[1]))):
        command, _, name = file.partition(": ")
        shown = f"{command}: `{name}`" if re.search("[.<]|checkpoints", name) else file
        lines.append(f"| {shown if file != last else ''} | {WORDS[kind]} | {shorten(rows[file, kind, reason])} | "
                     f"{reason} |")
        last = file
    return "\n".join(lines) + "\n"


def main():
    folder, tools = sys.argv[1:3]
    with open(os.path.join(HERE, "../fixtures/deeptaxa_files.json"), encoding="utf-8") as file:
        there = json.load(file)["files"]
    here = file_contents.read(folder, tools)
    rows, complaints = explain(outcomes(there, here), load_declared())
    with open(DOCUMENT, encoding="utf-8") as file:
        document = file.read()
    wanted = TABLE.sub(lambda marks: marks.group(1) + table(rows) + marks.group(2), document)
    if wanted != document and "--write" in sys.argv:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(wanted)
    elif wanted != document:
        complaints.append("the table of docs/differences.md is out of date: bash tests/cli/test_notebooks.sh --write")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    sys.exit(1 if complaints else 0)


main()
