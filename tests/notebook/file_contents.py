"""What a folder of runs contains: its files, their keys and columns with types, and the values that do not depend on
random numbers or on the machine. Of our program and of DeepTaxa, so that the two can be compared (compare_files.py,
../fixtures/make_deeptaxa_files.py).

The folder holds a training (run/), predictions with and without known taxonomy (p/, plain/), descriptions of its
checkpoints (described/epoch<N>.json), the last one as a .pt file (converted/epoch4.pt), what the commands wrote to the
console (console/train, predict, describe) and their help (console/train_help …).
"""

import csv
import json
import os
import re
import subprocess

RANKS = ["domain", "phylum", "class", "order", "family", "genus", "species"]
UUID = "[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}"
RUN = r"\d{4}_\d\d_\d\dT\d\d_\d\d_\d\d_" + UUID
FOLDERS = {"run": "train", "p": "predict --taxonomy-file", "plain": "predict", "described": "describe --export-metrics",
           "converted": "convert"}

# Keys whose values are compared, too: of versions and times the form
VERSION, TIME = re.compile("version$"), re.compile("(.*[.])?(timestamp|[a-z]+_(start|end)_time)$")
COMPARED = re.compile(
    r"(dataset_info|taxonomic_levels)\.|(summary\.)?prediction_parameters\.|summary\.total_sequences$|"
    r"summary\.performance_stats\.<rank>\.total$|sequence_ids\[\]$|true_labels\[\]|predictions\[\]\.sequence_length$|"
    r"model_details\.(?!run_uuid|tokenizer|current_epoch)|training_hyperparameters\.|<n>\.<label>$|"
    r"sequence_id$|sequence_length$|<rank>_true$|(Level|Region|Start|End)$")
# Of a .pt file all values are compared, except for these keys
OF_A_RUN = re.compile(
    r"(state_dict|rng_state|metrics)\.|optimizer_state_dict\.state\.|tokenizer_name$|run_uuid$|.*(_time|loss)$")


class Contents:
    """Of all files of one kind: {key: types}, {key: values of each file, without repetitions}."""

    def __init__(self):
        self.types, self.values, self.of_file, self.files = {}, {}, {}, 0

    def add(self, key, kind, value=None, place=""):
        self.types.setdefault(key, set()).add(kind)
        if VERSION.match(key):
            self.of_file[key] = re.sub("[0-9][0-9a-z.+-]*", "<version>", value)
        elif TIME.match(key) and value:
            self.of_file[key] = re.sub("[0-9]", "9", value)
        elif COMPARED.match(key):
            self.compare(key, value, place)

    def compare(self, key, value, place):
        found = f"{place}={value}" if place else str(value)
        self.of_file[key] = self.of_file.get(key, "") + found + " "

    def end_file(self):
        self.files += 1
        for key, found in self.of_file.items():
            if found.strip() not in self.values.setdefault(key, []):
                self.values[key].append(found.strip())
        self.of_file = {}

    def plain(self):
        def words(kinds):
            return "|".join(sorted(kinds - {"integer"} if "number" in kinds else kinds))
        return {"types": {"number of files": "", **{key: words(kinds) for key, kinds in self.types.items()}},
                "values": {"number of files": self.files, **self.values}}


def general(key, parent):
    """The name of a key that stands for many: a level, a rank, a label, an option."""
    if key in RANKS:
        return "<rank>"
    if key.isdigit():
        return "<n>"
    return "<option>" if parent == "options" else key


def add_json(contents, value, key="", place="", labels=False):
    kinds = {bool: "boolean", int: "integer", float: "number", str: "text", type(None): "null"}
    if isinstance(value, dict):
        for name, member in value.items():
            shown = "<label>" if labels and key else general(name, key.rsplit(".", 1)[-1])
            where = place + "." * bool(place) + name if shown.startswith("<") else place
            add_json(contents, member, f"{key}.{shown}" if key else shown, where, labels)
    elif isinstance(value, list):
        for element in value:
            add_json(contents, element, f"{key}[]", place)
    else:
        contents.add(key, kinds[type(value)], value, place)


def add_table(contents, path):
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", strict=True):
            for column, value in row.items():
                rank = column.split("_")[0]
                name = column.replace(rank, "<rank>", 1) if rank in RANKS else column
                kind = "boolean" if value in ("True", "False") else "text"
                if re.fullmatch(r"-?\d*\.?\d+(e-?\d+)?", value):
                    kind = "number"
                contents.add(name, kind if value else "empty", value, rank if rank in RANKS else "")


def lines_of(tool, path):
    return subprocess.run([tool, path], check=True, capture_output=True, text=True).stdout.splitlines()


def add_hdf5(contents, path, tools, ids):
    for line in lines_of(f"{tools}/print_hdf5", path):
        _, name, *kind = line.split(" ")
        folder, _, last = name.rpartition("/")
        contents.add(f"{folder}/<id>" if last in ids else name, " ".join(kind))


def add_pt(contents, path, tools):
    for line in lines_of(f"{tools}/print_pt", path):
        place, _, value = line.partition("\t")
        parts = ["<n>" if part.isdigit() else re.sub(r"\.\d+(?=\.)", ".<n>", part) for part in place.split("/")[1:]]
        if parts[:1] == ["level_label2id"] and len(parts) > 2:
            parts[2:] = ["<label>"]
        if parts and not (parts[0] == "rng_state" and len(parts) > 3):
            kind, _, rest = value.partition(" ")
            dimensions = f" {rest.split(' ')[0].count('x') + 1}" if kind == "tensor" else ""
            contents.add(".".join(parts), kind + dimensions)
            if not OF_A_RUN.match(".".join(parts)):
                contents.compare(".".join(parts), rest, place.rpartition("/")[2] if "<" in parts[-1] else "")


def add_console(contents, path):
    """Headings, settings, and the columns of tables, without the times that a logger puts before its messages."""
    heading = ""
    with open(path, encoding="utf-8") as file:
        lines = re.sub(r"(?m)^\d{4}-\d\d-\d\d [\d:,]+ - [A-Z]+ - ", "", file.read()).replace("\r", "\n").split("\n")
    for line in lines:
        item = re.match(r" +(Level \d+ - +\w+|[a-z][a-z0-9-]*): ", line)
        rate = re.match(r"Learning rate at (?:the )?(start|end) of epoch", line)
        columns = re.split(r" *\| *| {2,}", line.strip())
        if re.fullmatch(r"[A-Z][A-Za-z ]+:", line):
            heading = line[:-1]
            if os.path.basename(path) == "describe":
                contents.add(heading, "heading")
        elif item and os.path.basename(path) == "describe":
            level = re.sub(r"Level \d+ - +\w+", "Level <n> - <rank>", item.group(1))
            contents.add(f"{heading}: {level}", "line")
        elif item and os.path.basename(path) == "train" and not item.group(1).startswith("Level"):
            contents.add(f"setting {item.group(1)}", "line")
        elif rate:
            contents.add(f"learning rate at the {rate.group(1)} of an epoch", "line")
        elif "Rank" in columns:
            for column in columns:
                contents.add(f"column {column}", "column")


def add_flags(contents, path):
    with open(path, encoding="utf-8") as file:
        for flag in re.findall(r"(?m)^  (?:-h, )?(--[a-z][a-z0-9-]*)", file.read()):
            contents.add(flag, "flag")


def name_of(path):
    folder, _, rest = path.partition("/")
    if folder == "console":
        return f"{rest[:-5]}: flags" if rest.endswith("_help") else f"{rest}: console"
    rest = re.sub("epoch[0-9]+", "epoch<N>", re.sub(RUN, "<run>", rest))
    return f"{FOLDERS[folder]}: {rest.replace('heldout_deeptaxa', '<name>_deeptaxa')}"


def read(folder, tools):
    """{name of a kind of file: its Contents}. tools: folder of the programs print_hdf5 and print_pt."""
    with open(os.path.join(folder, "data/train.fasta"), encoding="utf-8") as file:
        ids = {line[1:].split()[0] for line in file if line.startswith(">")}
    found = {}
    for top in [*FOLDERS, "console"]:
        for base, folders, files in os.walk(os.path.join(folder, top)):
            folders[:] = sorted(set(folders) - {"epoch4_tokenizer"})
            for file in sorted(files):
                if file.startswith("."):
                    continue
                path = os.path.join(base, file)
                name = name_of(os.path.relpath(path, folder))
                contents = found.setdefault(name, Contents())
                if file.endswith(".json"):
                    with open(path, encoding="utf-8") as stream:
                        add_json(contents, json.load(stream), labels="label2id" in file)
                elif file.endswith(".tsv"):
                    add_table(contents, path)
                elif file.endswith(".h5") and "checkpoints" not in base:
                    add_hdf5(contents, path, tools, ids)
                elif top == "converted":
                    add_pt(contents, path, tools)
                elif file.endswith("_uuid.txt"):
                    with open(path, encoding="utf-8") as stream:
                        text = re.sub(UUID, "<uuid>", re.sub(RUN, "<time>_<uuid>", stream.read()))
                    contents.add("(text)", text.replace("\n", "\\n"))
                elif name.endswith("flags"):
                    add_flags(contents, path)
                elif top == "console":
                    add_console(contents, path)
                else:
                    contents.add("(file)", "text")
                contents.end_file()
    return {name: contents.plain() for name, contents in found.items()}
