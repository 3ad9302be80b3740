"""The calls of Optuna that launch/tune.py makes, for tests where Optuna is not installed. Settings are the
middle of their ranges, a new trial that is no better than the first one is pruned, and a study is a
file that several processes lock and replace."""
import contextlib
import datetime
import enum
import fcntl
import os
import pickle
import sys
import time
import types


def module(name, **members):
    made = types.ModuleType("optuna." + name)
    made.__dict__.update(members)
    sys.modules["optuna." + name] = made
    return made


class UpdateFinishedTrialError(RuntimeError):
    pass


class TrialState(enum.Enum):
    RUNNING, COMPLETE, PRUNED, FAIL, WAITING = range(5)


class FrozenTrial:
    def __init__(self, number, params, user_attrs):
        self.number, self.params, self.user_attrs = number, params, user_attrs
        self.state, self.value, self.reports, self.datetime_start = TrialState.WAITING, None, {}, None


class Trial:
    def __init__(self, study, number):
        self.study, self.number = study, number

    params = property(lambda self: self.study.trials()[self.number].params)
    user_attrs = property(lambda self: self.study.trials()[self.number].user_attrs)

    def suggest(self, name, value):
        with self.study.changing(self.number) as trial:
            return trial.params.setdefault(name, value)

    def suggest_float(self, name, low, high, log=False):
        return self.suggest(name, (low * high) ** 0.5 if log else (low + high) / 2)

    def suggest_int(self, name, low, high, step=1):
        return self.suggest(name, low + (high - low) // step // 2 * step)

    def suggest_categorical(self, name, choices):
        return self.suggest(name, choices[len(choices) // 2])

    def set_user_attr(self, name, value):
        with self.study.changing(self.number) as trial:
            trial.user_attrs[name] = value

    def report(self, value, step):
        with self.study.changing(self.number) as trial:
            trial.reports[step] = value

    def should_prune(self):
        first, mine = self.study.trials()[0].reports, self.study.trials()[self.number].reports
        new = self.number > 0 and "continues" not in self.user_attrs
        return new and max(mine) > 1 and mine[max(mine)] >= first.get(max(mine), 0)


class Study:
    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def locked(self):
        """The trials, to change; written as a whole, so that a process can be killed at any time."""
        with open(self.path + ".lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            trials = self.trials()
            yield trials
            with open(self.path + ".part", "wb") as file:
                pickle.dump(trials, file)
            os.replace(self.path + ".part", self.path)

    def trials(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            return pickle.load(file)

    @property
    def user_attrs(self):
        if not os.path.exists(self.path + ".attrs"):
            return {}
        with open(self.path + ".attrs", "rb") as file:
            return pickle.load(file)

    def set_user_attr(self, name, value):
        with self.locked():
            with open(self.path + ".attrs.part", "wb") as file:
                pickle.dump({**self.user_attrs, name: value}, file)
            os.replace(self.path + ".attrs.part", self.path + ".attrs")

    @contextlib.contextmanager
    def changing(self, number):
        with self.locked() as trials:
            if trials[number].state != TrialState.RUNNING:
                raise UpdateFinishedTrialError(number)
            yield trials[number]

    def get_trials(self, deepcopy=True, states=None):
        return [trial for trial in self.trials() if states is None or trial.state in states]

    @property
    def best_trial(self):
        return min(self.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: trial.value)

    def enqueue_trial(self, params, user_attrs):
        with self.locked() as trials:
            trials.append(FrozenTrial(len(trials), dict(params), dict(user_attrs)))

    def ask(self):
        time.sleep(float(os.environ.get("OPTUNA_STUB_DELAY", 0)))
        with self.locked() as trials:
            waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
            if not waiting:
                trials.append(FrozenTrial(len(trials), {}, {}))
            trial = (waiting or trials[-1:])[0]
            trial.state, trial.datetime_start = TrialState.RUNNING, datetime.datetime.now()
            return Trial(self, trial.number)

    def tell(self, trial, value=None, state=None):
        with self.changing(getattr(trial, "number", trial)) as mine:
            mine.state, mine.value = state or TrialState.COMPLETE, value


def create_study(storage, study_name, direction, pruner, load_if_exists):
    assert direction == "minimize" and load_if_exists and "deeptaxa" in study_name and pruner
    return Study(storage)


exceptions = module("exceptions", ExperimentalWarning=UserWarning, UpdateFinishedTrialError=UpdateFinishedTrialError)
logging = module("logging", ERROR=40, set_verbosity=lambda level: None)
pruners = module("pruners", MedianPruner=lambda **settings: settings)
trial = module("trial", TrialState=TrialState)
storages = module("storages", JournalStorage=lambda path: path)
storages.journal = module("storages.journal", JournalFileBackend=lambda path: path)
