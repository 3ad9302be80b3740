#!/bin/sh
"""":
# As a program this file is a shell script, which starts Python with it.
command -v python3 >/dev/null || {
    echo "deeptaxa tune: needs Python 3 with Optuna: install python3, then pip install optuna" >&2
    exit 1
}
exec python3 "$0" "$@"
"""
# Searches hyperparameters: Optuna (Akiba et al., KDD 2019) proposes settings, `deeptaxa train`
# trains with them. Any number of workers may share a study: they meet in its storage alone.
#
# Each trial trains in a folder of its own, and reports the mean F1 over the taxonomic ranks after
# each epoch. A trial that is interrupted, or whose worker disappears, is recorded as failed, and a
# new trial with the same settings continues in its folder (user attributes `continues`, `folder`).
import argparse
import ctypes
import glob
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
import warnings

BEATS = 24  # signs of life within --lost-after: a worker touches the file `alive` of its trial
MOST_LOSSES = 3  # a trial whose worker disappeared as often is not tried again
STOPPED = 75  # exit status of a program that was stopped and can be resumed

KERNELS = ["3", "5", "7", "3_5", "3_7", "5_7", "3_5_7", "3_5_9", "3_7_9", "5_7_9"]
ENCODERS = [f"{64 * n}_4" for n in range(4, 17)] + [
    "512_8", "640_8", "768_8", "896_8", "1024_8", "768_12", "960_12", "896_16", "1024_16"]

stop_signal = None


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text, status=1):
    say("deeptaxa tune: " + text)
    sys.exit(status)


def own_file(path, flags):
    """An opener for files of the search: it follows no symbolic link of somebody else."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


# ---- the command line ----------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message):
        fail(message.removeprefix("argument "), 2)


def make_parser():
    parser = Parser(
        prog="deeptaxa tune", allow_abbrev=False,
        usage="deeptaxa tune --data DIR --model-type MODEL [options]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Searches hyperparameters with Optuna (pip install optuna).\n\n"
        "All other options are those of `deeptaxa train`; a setting that is given is not searched.",
        epilog="Searched settings\n" + describe_search() + "\n\nExamples\n"
        "  deeptaxa tune --data shards --model-type cnn --output-dir tuning --n-trials 20\n"
        "  deeptaxa tune --data shards --model-type hybridcnnbert --max-length 512 --gpus 4")
    add = parser.add_argument
    add("--version", action="store_true", help="print the version and exit")
    add("--data", metavar="DIR", help="directory written by `deeptaxa prepare`")
    add("--fasta-file", metavar="FILE", help="or: sequences, tokenised in every trial")
    add("--taxonomy-file", metavar="FILE", help="and their taxonomy")
    add("--model-type", choices=["cnn", "bert", "hybridcnnbert", "kmer"], required=True)
    add("--output-dir", metavar="DIR", default="tune_results",
        help="directory for the trials and the best settings (default: tune_results)")
    add("--n-trials", metavar="N", type=int, default=30,
        help="trials of the study, over all workers and restarts (default: 30)")
    add("--epochs", metavar="N", type=int, default=10, help="of each trial (default: 10)")
    add("--seed", metavar="N", type=int, default=42, help="of each trial (default: 42)")
    add("--encoding", choices=["dnabert", "onehot"])
    add("--loss-type", choices=["cross_entropy", "focal", "lineage"])
    add("--storage", metavar="WHERE",
        help="where the study is kept: a file (Optuna's journal), or a URL such as "
        "sqlite:///study.db (default: a journal in --output-dir)")
    add("--lost-after", metavar="S", type=float, default=120,
        help="seconds without a sign of life after which another worker counts as lost and its "
        "trial is continued (default: 120)")
    return parser


def parse(words):
    """The options, with `flags`: those of every training; `pinned`: names of settings that are not
    searched; `program`: the words that start deeptaxa."""
    program = find_program()
    if "--version" in words:
        sys.exit(start([*program, "train", "--version"]).returncode)
    options, rest = make_parser().parse_known_args(words)
    if options.n_trials < 1:
        fail(f"--n-trials {options.n_trials}: must be at least 1", 2)
    if not options.lost_after > 0:
        fail(f"--lost-after {options.lost_after:g}: must be greater than 0", 2)
    if options.output_dir.startswith("-"):  # not to be taken for a flag
        options.output_dir = os.path.join(".", options.output_dir)
    bag = options.model_type == "kmer"  # with the defaults of train
    options.encoding = options.encoding or ("onehot" if bag else "dnabert")
    options.loss_type = options.loss_type or ("lineage" if bag else "cross_entropy")
    options.pinned = {word.split("=")[0] for word in rest if word.startswith("--")}
    passed_on = ["data", "fasta_file", "taxonomy_file", "model_type", "epochs", "seed", "encoding",
                 "loss_type"]
    options.flags = [f"--{name.replace('_', '-')}={getattr(options, name)}"
                     for name in passed_on if getattr(options, name) is not None]
    if "--keep-checkpoints" not in options.pinned:
        options.flags.append("--keep-checkpoints=1")
    options.flags += rest
    options.program = program
    return options


def find_program():
    beside = os.path.join(os.path.dirname(os.path.realpath(__file__)), "deeptaxa")
    return shlex.split(os.environ.get("DEEPTAXA", "")) or [
        beside if os.access(beside, os.X_OK) else "deeptaxa"]


def start(command, **how):
    try:
        return subprocess.run(command, **how)
    except OSError as error:
        fail(f"{command[0]}: cannot start: {error.strerror}; set DEEPTAXA to the program")


def check_flags(options):
    """Options or input with which no trial could train end the search before it begins."""
    plan = start([*options.program, "train", *options.flags, *suggest(Smallest(), options),
                  "--output-dir", options.output_dir, "--dry-run"],
                 stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace")
    if plan.returncode:
        sys.stderr.write(plan.stderr)
        sys.exit(plan.returncode)
    if re.search(r"^Sequences: .* 0 for validation$", plan.stdout, re.MULTILINE):
        fail("no sequences for validation: a search needs --val-split greater than 0", 2)


def by_name(flags):
    """{"--flag": [value]} of a list of --flag=value, --flag value and --flag."""
    found = {}
    for word in flags:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = [value] if equals else []
        else:
            found[name].append(word)
    return found


def differences(before, now):
    """What differs between two results of by_name, in words."""
    def value(flags, name):
        return (" ".join(flags[name]) or "given") if name in flags else "not given"

    return [f"{name} {value(before, name)}, now {value(now, name)}"
            for name in sorted({*before, *now}) if before.get(name) != now.get(name)]


# ---- settings and results of a trial -------------------------------------------------------------


def search_space(options):
    """(flags, function that asks a trial for their values) of every setting that can be searched;
    ranges and names are those of DeepTaxa's own search."""
    yield "--learning-rate", lambda t: t.suggest_float("learning_rate", 1e-5, 5e-3, log=True)
    yield "--batch-size", lambda t: t.suggest_categorical("batch_size", [8, 16, 32, 64])
    yield "--hidden-dropout-prob", lambda t: t.suggest_float("hidden_dropout_prob", 0.1, 0.5)
    if options.loss_type == "focal":
        yield "--focal-gamma", lambda t: t.suggest_float("focal_gamma", 1.0, 5.0)
    yield "--optimizer-weight-decay", lambda t: t.suggest_float("optimizer_weight_decay", 0.0, 0.1)
    if options.model_type == "kmer":  # which DeepTaxa has not
        yield "--kmer-size", lambda t: t.suggest_int("kmer_size", 6, 8)
        yield "--hidden-size", lambda t: t.suggest_int("hidden_size", 128, 512, step=128)
        return
    yield "--max-length", lambda t: t.suggest_categorical("max_length", [192, 256, 384, 512])
    if options.model_type != "bert":
        yield "--num-filters", lambda t: t.suggest_int("num_filters", 256, 1024, step=128)
        yield "--num-conv-layers", lambda t: t.suggest_int("num_conv_layers", 1, 4)
        if options.encoding != "onehot":
            yield "--embed-dim", lambda t: t.suggest_int("embed_dim", 256, 1024, step=128)
        yield ("--kernel-sizes",
               lambda t: t.suggest_categorical("kernel_sizes", KERNELS).replace("_", ","))
    if options.model_type != "cnn":
        # one parameter for both, so that the width is a multiple of the number of heads
        yield ("--hidden-size --num-attention-heads",
               lambda t: t.suggest_categorical("bert_config", ENCODERS))
        yield "--num-hidden-layers", lambda t: t.suggest_int("num_hidden_layers", 2, 12)


class Smallest:
    """In place of a trial: the lowest value or first choice of every setting."""
    def suggest_float(self, name, low, high, log=False):
        return low

    def suggest_int(self, name, low, high, step=1):
        return low

    def suggest_categorical(self, name, choices):
        return choices[0]


class Range:
    """In place of a trial: what is searched, in words."""
    def suggest_float(self, name, low, high, log=False):
        return f"{low:g} to {high:g}" + (" on a logarithmic scale" if log else "")

    def suggest_int(self, name, low, high, step=1):
        return f"{low} to {high}" + (f" in steps of {step}" if step > 1 else "")

    def suggest_categorical(self, name, choices):
        return ", ".join(str(choice).replace("_", "-") for choice in choices)


def describe_search():
    lines = {}
    kinds = {"cnn": {"cnn", "hybridcnnbert"}, "bert": {"bert", "hybridcnnbert"}, "kmer": {"kmer"}}
    for kind, models in kinds.items():
        options = argparse.Namespace(model_type=kind, encoding="dnabert", loss_type="focal")
        for names, ask in search_space(options):
            lines.setdefault((names, ask(Range())), set()).update(models)
    notes = {"--focal-gamma": "; --loss-type focal", "--embed-dim": "; --encoding dnabert"}
    every = set().union(*kinds.values())
    return "\n".join(
        textwrap.fill(f"{names.replace('--', '').replace(' ', ', ')}: {values}" + notes.get(names, "") +
                      ("" if models == every else "; " + ", ".join(sorted(models))),
                      100, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
        for (names, values), models in lines.items())


def suggest(trial, options):
    """The flags of `deeptaxa train` for a trial, without those that the user gave."""
    flags = []
    for names, ask in search_space(options):
        names = names.split()
        if options.pinned.isdisjoint(names):
            values = str(ask(trial)).split("_")
            flags += [f"{name}={value}" for name, value in zip(names, values, strict=True)]
            if "--num-attention-heads" in names and "--intermediate-size" not in options.pinned:
                flags.append(f"--intermediate-size={4 * int(values[0])}")
    return flags


def evaluations(folder):
    """[(epoch, its metrics)] of the evaluated epochs of a trial, in order."""
    found = []
    for path in glob.glob(os.path.join(glob.escape(folder), "metrics", "*_epoch*.json")):
        with open(path, encoding="utf-8") as file:
            found.append((int(re.search(r"_epoch(\d+)\.json$", path)[1]), json.load(file)))
    return sorted(found, key=lambda pair: pair[0])


def mean_f1(metrics):
    by_rank = metrics["performance_metrics"]["validation_metrics"].values()
    return sum(rank["f1_score"] for rank in by_rank) / len(by_rank)


def last_line(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().split("\n")
    return next((line for line in reversed(lines) if line.strip()), "no output")


def best_of(params, metrics, options):
    """The file of the best settings: DeepTaxa's keys, and the two that `train --config` reads."""
    performance, model = metrics["performance_metrics"], metrics["model_details"]
    found = dict(params)
    if "bert_config" in found:
        width, heads = found.pop("bert_config").split("_")
        found.update(hidden_size=int(width), num_attention_heads=int(heads),
                     intermediate_size=model["intermediate_size"])
    if "kernel_sizes" in found:
        found["kernel_sizes"] = model["kernel_sizes"]
    found.update(encoding=options.encoding, loss_type=options.loss_type)
    return {
        "model_type": options.model_type, "run_uuid": metrics["run_uuid"],
        "f1_score": mean_f1(metrics), "hyperparameters": found,
        "performance_metrics": {"validation_loss": performance["validation_loss"],
                                "validation_metrics": performance["validation_metrics"],
                                "average_f1_score": mean_f1(metrics)},
        "model_details": model, "training_hyperparameters": metrics["training_hyperparameters"]}


def retrain(path, options):
    """The command that trains with the best settings in the file `path`."""
    with open(path, encoding="utf-8") as file:
        best = json.load(file)
    there = {*best["model_details"], *best["training_hyperparameters"], "epochs", "config",
             "keep_checkpoints"} - {"tokenizer_name"}
    flags = [word for name, values in by_name(options.flags).items()
             if name[2:].replace("-", "_") not in there for word in (name, *values)]
    return ["deeptaxa", "train", "--config", path, *flags,
            "--output-dir", os.path.join(options.output_dir, "best")]


# ---- a worker ------------------------------------------------------------------------------------


class Worker:
    def __init__(self, options):
        try:
            import optuna
            import optuna.storages.journal
        except ImportError as error:
            fail(f"{sys.executable}: {error}: install Optuna 4.0 or later for this Python (pip "
                 "install optuna), or activate a virtual environment that has it")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.options = optuna, options
        self.State = optuna.trial.TrialState
        # of a change to a trial that has ended; older versions raise the bare RuntimeError
        self.Finished = getattr(optuna.exceptions, "UpdateFinishedTrialError", RuntimeError)
        where = options.storage or os.path.join(
            options.output_dir, f"deeptaxa_optuna_{options.model_type}.log")
        folders = {name for name in os.listdir(options.output_dir)
                   if re.fullmatch(r"trial_\d+", name)}
        if "://" not in where and not os.path.exists(where):
            self.refuse_others(folders)  # before a journal is created
        self.study = self.open_study(where)
        # listed before the trials, so that no folder is one that another worker has just begun
        self.refuse_others(folders - {os.path.basename(self.folder(t)) for t in self.trials()})
        self.note_differences()

    def refuse_others(self, folders):
        if folders:
            fail(f"{self.options.output_dir}: {min(folders)} belongs to another study: give "
                 "another --output-dir")

    def note_differences(self):
        """The study keeps the flags that it began with."""
        flags = by_name(self.options.flags)
        before = self.study.user_attrs.get("flags")
        if before is None:
            self.study.set_user_attr("flags", flags)
        elif before != flags:
            say("notice: this study began with other flags: " +
                "; ".join(differences(before, flags)))

    def open_study(self, where):
        optuna, options = self.optuna, self.options
        for attempt in range(10):  # workers that start together may both create a database
            try:
                if "://" not in where:
                    storage = optuna.storages.JournalStorage(
                        optuna.storages.journal.JournalFileBackend(where))
                else:
                    patience = {"timeout": 60} if where.startswith("sqlite") else {}
                    storage = optuna.storages.RDBStorage(
                        where, engine_kwargs={"connect_args": patience})
                return optuna.create_study(
                    storage=storage, study_name=f"deeptaxa_{options.model_type}_tuning",
                    direction="minimize", load_if_exists=True,
                    pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2))
            except Exception as error:
                if attempt == 9:
                    fail(f"{where}: cannot open the study: {str(error).splitlines()[0]}")
                time.sleep(0.5)

    def trials(self, *states):
        return self.study.get_trials(deepcopy=False, states=states or None)

    def folder(self, trial):
        return os.path.join(self.options.output_dir,
                            trial.user_attrs.get("folder", f"trial_{trial.number}"))

    def start_training(self, trial, folder):
        """Starts `deeptaxa train`, which ends when this worker does, even if that is killed."""
        command = [*self.options.program, "train", *self.options.flags,
                   *suggest(trial, self.options), "--output-dir", folder, "--resume", "auto"]
        libc = ctypes.CDLL(None)
        with open(os.path.join(folder, "output.txt"), "ab", opener=own_file) as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C is this worker's to pass on, once
                preexec_fn=lambda: libc.prctl(1, signal.SIGTERM))  # PR_SET_PDEATHSIG

    def follow_training(self, child, trial, folder):
        """Reports every epoch until the training ends. Returns whether it was pruned, and the last
        F1, None without an evaluation."""
        done, f1, pruned, told, next_beat = set(), None, False, False, 0
        while True:
            ended = child.poll() is not None  # asked first, so that no epoch is overlooked
            if time.monotonic() >= next_beat:
                with open(os.path.join(folder, "alive"), "w", opener=own_file):
                    next_beat = time.monotonic() + self.options.lost_after / BEATS
            for epoch, metrics in evaluations(folder):
                if epoch in done:
                    continue
                done.add(epoch)
                f1 = mean_f1(metrics)
                say(f"trial {trial.number}, epoch {epoch}: F1 {f1:.4f}")
                trial.report(-f1, epoch)
                pruned = pruned or (not ended and trial.should_prune())
            if ended:
                return pruned, f1
            if (pruned or stop_signal) and not told:
                child.terminate()
                told = True
            time.sleep(0.2)

    def record(self, trial, folder, status, pruned, f1):
        """Records how a training ended; `status` is its exit status."""
        if status == 0 and f1 is not None:
            self.study.tell(trial, -f1)
        elif pruned:
            say(f"trial {trial.number} is pruned")
            self.study.tell(trial, state=self.State.PRUNED)
        elif status == STOPPED or (stop_signal and status != 2):
            self.continue_later(trial, lost=False)
        else:
            error = "no validation metrics: --val-split must not be 0"
            if status:
                error = f"ended by signal {-status}" if status < 0 else last_line(
                    os.path.join(folder, "output.txt"))
            trial.set_user_attr("error", error)
            self.study.tell(trial, state=self.State.FAIL)
            say(f"trial {trial.number} failed: {error}")

    def run_trial(self, trial):
        """Trains and records the result. Returns the exit status of `deeptaxa train`."""
        folder, origin = self.folder(trial), trial.user_attrs.get("continues")
        os.makedirs(folder, exist_ok=True)
        say(f"trial {trial.number} in {folder}" +
            (f" continues trial {origin}" if origin is not None else ""))
        child = self.start_training(trial, folder)
        try:
            pruned, f1 = self.follow_training(child, trial, folder)
            self.record(trial, folder, child.returncode, pruned, f1)
            return child.returncode
        except self.Finished:
            say(f"trial {trial.number} was taken over: this worker gave no sign of life")
            return STOPPED
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()

    def continue_later(self, trial, lost):
        """Records the trial as failed and queues its settings again, to continue in its folder. Of
        several workers one succeeds: a finished trial cannot be finished again."""
        losses = trial.user_attrs.get("losses", 0) + lost
        self.study.tell(trial.number, state=self.State.FAIL)
        if losses >= MOST_LOSSES:
            say(f"trial {trial.number} failed: its worker disappeared {losses} times")
            return
        self.study.enqueue_trial(trial.params, user_attrs={
            "continues": trial.number, "losses": losses,
            "folder": trial.user_attrs.get("folder", f"trial_{trial.number}")})
        say(f"trial {trial.number} {'has lost its worker' if lost else 'was stopped'} "
            "and is queued again")

    def last_beat(self, trial):
        started = trial.datetime_start.timestamp()
        try:
            return max(started, os.stat(os.path.join(self.folder(trial), "alive")).st_mtime)
        except OSError:
            return started

    def take_over(self, beats):
        """Queues the trials of lost workers again. Returns whether another one has given no sign of
        life since the first call; `beats` remembers the signs between calls."""
        silent = False
        for trial in self.trials(self.State.RUNNING):
            beat = self.last_beat(trial)
            if time.time() - beat > self.options.lost_after:
                try:
                    self.continue_later(trial, lost=True)
                except (ValueError, self.Finished):
                    pass  # another worker did
            elif beats.setdefault(trial.number, beat) == beat:
                silent = True
        return silent

    def next_trial(self):
        """A queued trial, or a new one while there are fewer than --n-trials; None if neither."""
        def new_trials():
            return [trial.number for trial in self.trials()
                    if "continues" not in trial.user_attrs and "surplus" not in trial.user_attrs]

        if not self.trials(self.State.WAITING) and len(new_trials()) >= self.options.n_trials:
            return None
        trial = self.study.ask()
        earlier = sum(number < trial.number for number in new_trials())
        if "continues" in trial.user_attrs or earlier < self.options.n_trials:
            return trial
        trial.set_user_attr("surplus", True)  # another worker began the last one at the same time
        self.study.tell(trial, state=self.State.FAIL)
        return None

    def write_best(self):
        """Writes the settings of the best trial so far. Returns it and the file's name, or None."""
        if not self.trials(self.State.COMPLETE):
            return None
        best = self.study.best_trial
        found = evaluations(self.folder(best))
        if not found or abs(mean_f1(found[-1][1]) + best.value) > 1e-9:
            fail(f"{self.folder(best)}: the metrics of the best trial are missing, or of another "
                 "study")
        path = os.path.join(self.options.output_dir,
                            f"deeptaxa_best_params_{self.options.model_type}.json")
        part = f"{path}.{os.uname().nodename}.{os.getpid()}"
        with open(part, "w", encoding="utf-8", opener=own_file) as file:
            json.dump({"trial_number": best.number,
                       **best_of(best.params, found[-1][1], self.options)}, file, indent=4)
        os.replace(part, path)
        return best, path

    def work(self):
        """Runs trials until there are enough, a signal comes or the command line is wrong. Returns
        the exit status."""
        beats = {}
        while not stop_signal:
            silent = self.take_over(beats)
            trial = self.next_trial()
            if trial is not None:
                if self.run_trial(trial) == 2:
                    return 2
                self.write_best()
                beats = {}
            elif silent:
                time.sleep(0.5)
            else:
                return 0
        return STOPPED

    def report(self):
        trials = self.trials()
        continued = {trial.user_attrs.get("continues") for trial in trials}
        states = [trial.state.name for trial in trials
                  if trial.number not in continued and "surplus" not in trial.user_attrs]
        words = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed",
                 "RUNNING": "running in other workers", "WAITING": "waiting"}
        say("trials: " + ", ".join(f"{states.count(name)} {word}" for name, word in words.items()
                                   if name in states))
        best = self.write_best()
        if best is None and "RUNNING" in states:
            return
        if best is None:
            fail("no trial was completed: output.txt in the folders of the trials says why; failed "
                 "trials count, so try again with a larger --n-trials or another --output-dir")
        say(f"best: trial {best[0].number}, F1 {-best[0].value:.4f}: " +
            shlex.join(retrain(best[1], self.options)))


def note_signal(number, _):
    global stop_signal
    stop_signal = number


def end_if_stopped():
    if stop_signal:
        fail(f"stopped by {signal.Signals(stop_signal).name}: the same command continues", STOPPED)


def main(words):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, note_signal)
    options = parse(words)
    check_flags(options)
    end_if_stopped()
    os.makedirs(options.output_dir, exist_ok=True)
    worker = Worker(options)
    status = worker.work()
    end_if_stopped()
    if status:
        sys.exit(status)
    worker.report()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
