"""Compares the package's methods with the reference implementations, on one table, under one ledger.

    ./anytime peers --seeds 100

Every implementation pays a training's seconds in the table, draws one of its repeats, sees nothing of a training
that would end past the horizon, and has as incumbent the best validation accuracy at the highest epoch count that it
has seen: the rules of the policy `fair`. Prints the mean test regret of both sides at five budgets, with a two-sided
Mann-Whitney test between the seeds, Holm-corrected over all comparisons, and writes regrets.csv, report.txt and
overlay.svg into the output folder.
"""

import argparse
import bisect
import collections
import csv
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.stats import mannwhitneyu

# Ours by the label in the experiment: settings, and the reference implementation.
METHODS = {
    "tpe": ("tpe", "hyperopt"),
    "hyperband": ("hyperband: {brackets: hpbandster}", "hpbandster-hyperband"),
    "bohb-original": ("bohb: {label: bohb-original, kernels: hpbandster}", "hpbandster-bohb"),
    "bohb": ("bohb", "hpbandster-bohb"),
    "dehb": ("dehb", "dehb-reference"),
    "dehb-original": ("dehb: {label: dehb-original, encoding: edge}", "dehb-reference"),
    "smac": ("smac: {max-runs: 3}", "smac3"),
    "tpe-optuna": ("tpe: {label: tpe-optuna}", "optuna"),
}
BUDGETS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]


class BudgetSpent(Exception):
    pass


class Bench:
    """A table and the map from configurations to its rows."""

    def __init__(self, table, configurations):
        self.trainings = collections.defaultdict(lambda: collections.defaultdict(list))
        with open(table) as file:
            for row in csv.DictReader(file):
                self.trainings[row["hash"]][int(row["epochs"])].append(
                    (float(row["training_seconds"]), float(row["validation_accuracy"]), float(row["test_accuracy"]))
                )
        with open(configurations) as file:
            reader = csv.reader(file)
            self.names = next(reader)[:-1]
            rows = list(reader)
        self.hashes = {tuple(map(int, row[:-1])): row[-1] for row in rows}
        self.choices = [max(c[i] for c in self.hashes) + 1 for i in range(len(self.names))]
        self.epochs = sorted({e for cell in self.trainings.values() for e in cell})
        used = set(self.hashes.values())
        self.test = {h: np.mean([t[2] for t in self.trainings[h][self.epochs[-1]]]) for h in used}
        self.best = max(self.test.values())
        self.mean_seconds = np.mean([np.mean([t[0] for t in self.trainings[h][self.epochs[-1]]]) for h in used])


class Ledger:
    """What a run has spent, and its incumbents."""

    def __init__(self, bench, horizon, seed, trainings=None):
        self.bench, self.horizon, self.spent = bench, horizon, 0.0
        self.trainings = trainings
        self.random = np.random.RandomState(seed + 1_000_000)
        self.best, self.curve = (-1, -1.0), []
        self.asked, self.overhead, self.evaluations = time.perf_counter(), 0.0, 0

    def error(self, configuration, epochs=None):
        if self.evaluations == self.trainings:
            raise BudgetSpent()
        self.overhead += time.perf_counter() - self.asked
        epochs = epochs or self.bench.epochs[-1]
        cell = self.bench.hashes[tuple(int(v) for v in configuration)]
        trainings = self.bench.trainings[cell][epochs]
        seconds, validation, _ = trainings[self.random.randint(len(trainings))]
        if self.spent + seconds > self.horizon:
            raise BudgetSpent()
        self.spent += seconds
        self.evaluations += 1
        if (epochs, validation) > self.best:
            self.best = (epochs, validation)
            self.curve.append((self.spent, rounded(self.bench.best - self.bench.test[cell])))
        self.asked = time.perf_counter()
        return 1 - validation


def hyperopt(bench, ledger, seed):
    import hyperopt

    space = [hyperopt.hp.choice(name, list(range(count))) for name, count in zip(bench.names, bench.choices)]
    hyperopt.fmin(
        ledger.error,
        space,
        algo=hyperopt.tpe.suggest,
        max_evals=100_000,
        rstate=np.random.default_rng(seed),
        show_progressbar=False,
        verbose=False,
    )


def optuna(bench, ledger, seed):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(
        lambda trial: ledger.error(
            [trial.suggest_categorical(n, list(range(c))) for n, c in zip(bench.names, bench.choices)]
        ),
        n_trials=100_000,
    )


def successive_halving(bench, ledger, generator):
    """HpBandSter's brackets and promotions (`optimizers/bohb.py`, `core/base_iteration.py`), one worker."""
    from types import SimpleNamespace

    count, eta = len(bench.epochs), 3
    iteration = 0
    while True:
        s = count - 1 - iteration % count
        n0 = int(np.floor(count / (s + 1)) * eta**s)
        numbers = [max(int(n0 * eta ** (-i)), 1) for i in range(s + 1)]
        survivors = None
        for number, epochs in zip(numbers, bench.epochs[-s - 1 :]):
            if survivors is not None:
                order = np.argsort([loss for _, loss in survivors], kind="stable")[:number]
                configurations = [survivors[i][0] for i in order]
            else:
                configurations = [None] * number
            survivors = []
            for configuration in configurations:
                if configuration is None:
                    configuration = generator.get_config(epochs)[0]
                loss = ledger.error([configuration[n] for n in bench.names], epochs)
                job = SimpleNamespace(
                    result={"loss": loss}, kwargs={"budget": epochs, "config": configuration}, exception=None
                )
                generator.new_result(job)
                survivors.append((configuration, loss))
        iteration += 1


def hpbandster(bench, ledger, seed, model):
    import ConfigSpace
    from hpbandster.optimizers.config_generators.bohb import BOHB
    from hpbandster.optimizers.config_generators.random_sampling import RandomSampling

    np.seterr(all="ignore")
    np.random.seed(seed)
    space = ConfigSpace.ConfigurationSpace(seed=seed)
    add = getattr(space, "add", None) or space.add_hyperparameter
    for name, count in zip(bench.names, bench.choices):
        add(ConfigSpace.CategoricalHyperparameter(name, list(range(count))))
    if not model:
        generator = RandomSampling(configspace=space)
        # RandomSampling calls a method that recent ConfigSpace lacks.
        generator.get_config = lambda budget: (dict(space.sample_configuration()), {})
        generator.new_result = lambda job: None
    else:
        generator = BOHB(configspace=adapted(space))
    successive_halving(bench, ledger, generator)


def adapted(space):
    """A recent ConfigSpace under the method names that HpBandSter 0.7.4 calls."""
    import ConfigSpace

    order = list(space.values())

    class Configuration(dict):
        def get_dictionary(self):
            return dict(self)

        def get_array(self):
            return np.array([float(self[h.name]) for h in order])

    class Space:
        get_hyperparameters = staticmethod(lambda: order)
        get_hyperparameter = staticmethod(lambda name: space[name])
        get_hyperparameter_by_idx = staticmethod(lambda index: order[index].name)
        sample_configuration = staticmethod(lambda: Configuration(dict(space.sample_configuration())))

    def make(_space, values=None, vector=None):
        return Configuration(values if vector is None else {h.name: int(v) for h, v in zip(order, vector)})

    import hpbandster.optimizers.config_generators.bohb as module

    class Names:
        class util:
            @staticmethod
            def deactivate_inactive_hyperparameters(configuration, configuration_space):
                return Configuration(configuration)

        hyperparameters = ConfigSpace.hyperparameters
        Configuration = staticmethod(make)

    module.ConfigSpace = Names
    return Space()


def dehb(bench, ledger, seed):
    import ConfigSpace
    from dehb import DEHB
    from loguru import logger

    logger.remove()
    space = ConfigSpace.ConfigurationSpace(seed=seed)
    for name, count in zip(bench.names, bench.choices):
        space.add(ConfigSpace.CategoricalHyperparameter(name, list(range(count))))
    with tempfile.TemporaryDirectory() as folder:
        search = DEHB(
            cs=space,
            min_fidelity=bench.epochs[0],
            max_fidelity=bench.epochs[-1],
            eta=3,
            n_workers=1,
            seed=seed,
            output_path=folder,
            save_freq="end",
        )
        while True:
            job = search.ask()
            epochs = min(bench.epochs, key=lambda e: abs(e - job["fidelity"]))
            loss = ledger.error([job["config"][n] for n in bench.names], epochs)
            search.tell(job, {"fitness": loss, "cost": epochs})


def smac3(bench, ledger, seed):
    import ConfigSpace
    import smac
    import smac.runhistory

    space = ConfigSpace.ConfigurationSpace(seed=seed)
    for name, count in zip(bench.names, bench.choices):
        space.add(ConfigSpace.CategoricalHyperparameter(name, list(range(count))))
    with tempfile.TemporaryDirectory() as folder:
        scenario = smac.Scenario(space, n_trials=1_000, seed=seed, output_directory=folder)
        search = smac.HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False
        )
        while True:
            trial = search.ask()
            loss = ledger.error([trial.config[n] for n in bench.names])
            search.tell(trial, smac.runhistory.TrialValue(cost=loss))


PEERS = {
    "dehb-reference": dehb,
    "smac3": smac3,
    "hyperopt": hyperopt,
    "optuna": optuna,
    "hpbandster-hyperband": lambda *a: hpbandster(*a, model=False),
    "hpbandster-bohb": lambda *a: hpbandster(*a, model=True),
}


def run(task):
    peer, seed = task
    ledger = Ledger(BENCH, HORIZON, seed)
    try:
        PEERS[peer](BENCH, ledger, seed)
    except BudgetSpent:
        pass
    return peer, seed, ledger.curve, ledger.overhead / max(1, ledger.evaluations)


def speed(trainings):
    """Prints our method, its reference and the reference's own microseconds per suggestion, over one run."""
    for ours, (entry, peer) in METHODS.items():
        if entry.split(":")[0] != ours:
            continue  # a variant
        print(f"timing {peer}", file=sys.stderr)
        for count in (1, trainings):  # one first, so that loading Python modules is not timed
            ledger = Ledger(BENCH, float("inf"), 0, count)
            try:
                PEERS[peer](BENCH, ledger, 0)
            except BudgetSpent:
                pass
        print(f"{ours},{peer},{1e6 * ledger.overhead / ledger.evaluations:.3f}", flush=True)


def rounded(regret):
    """Beyond the table's own digits, so that the same cell ties on both sides whatever it was added up in."""
    return round(regret, 6)


def at(curve, budget):
    """Step interpolation; nothing before the first incumbent."""
    place = bisect.bisect_right([spent for spent, _ in curve], budget) - 1
    return curve[place][1] if place >= 0 else None


def holm(values):
    order = sorted(range(len(values)), key=lambda i: values[i])
    result, greatest = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        greatest = max(greatest, min(1.0, values[index] * (len(values) - rank)))
        result[index] = greatest
    return result


def main():
    global BENCH, HORIZON
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--anytime", default="anytime", help="the program")
    parser.add_argument("--table", default="embedded")
    parser.add_argument("--space", default="1")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--trainings", type=float, default=150, help="the horizon, in mean trainings")
    parser.add_argument("--methods", default=",".join(m for m in METHODS if m != "smac"), help="also smac, half an hour")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("-o", "--output", default="out/peers")
    parser.add_argument("--speed", type=int, metavar="TRAININGS", help="only time one run of each reference")
    options = parser.parse_args()
    # A spent budget ends a run by an exception, which the references log.
    logging.disable(logging.CRITICAL)
    methods = options.methods.split(",")

    def anytime(*arguments, **more):
        return subprocess.run([options.anytime, *arguments], check=True, text=True, **more)

    with tempfile.TemporaryDirectory() as folder:
        table, configurations = os.path.join(folder, "table.csv"), os.path.join(folder, "configurations.csv")
        anytime("table", "export", options.table, "-o", table, stdout=subprocess.DEVNULL)
        with open(configurations, "w") as file:
            anytime("cells", "--space", options.space, "--configurations", stdout=file)
        BENCH = Bench(table, configurations)
    if options.speed:
        return speed(options.speed)
    os.makedirs(options.output, exist_ok=True)
    path = lambda name: os.path.join(options.output, name)
    HORIZON = options.trainings * BENCH.mean_seconds

    table = options.table if options.table == "embedded" else os.path.abspath(options.table)
    with open(path("ours.yaml"), "w") as file:
        file.write(
            f"name: ours\ntable: {table}\nspace: {options.space}\nhorizon: {HORIZON}\nseeds: {options.seeds}\n"
            "methods:\n" + "".join(f"  - {METHODS[m][0]}\n" for m in methods)
        )
    for name in ("ours.sqlite", "ours.sqlite-wal", "ours.sqlite-shm"):
        if os.path.exists(path(name)):
            os.remove(path(name))
    board = anytime("compare", path("ours.yaml"), stdout=subprocess.PIPE).stdout.splitlines()
    # A leaderboard's last column: the method's own microseconds per training.
    own = {line.split()[1]: float(line.split()[-1]) for line in board[1 : len(methods) + 1]}
    anytime("export", "curves", path("ours.sqlite"), "-o", options.output, stdout=subprocess.DEVNULL)
    curves = collections.defaultdict(dict)
    with open(path("ours-events.csv")) as file:
        for row in csv.DictReader(file):
            curves["ours", row["method"]].setdefault(int(row["seed"]), []).append(
                (float(row["amount"]), rounded(float(row["test_regret"])))
            )

    peers = sorted({METHODS[m][1] for m in methods})
    overhead = collections.defaultdict(list)
    tasks = [(peer, seed) for peer in peers for seed in range(options.seeds)]
    started, done = time.time(), 0
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        for peer, seed, curve, seconds in pool.imap_unordered(run, tasks):
            curves["peer", peer][seed] = curve
            overhead[peer].append(seconds)
            done += 1
            if done % 20 == 0 or done == len(tasks):
                left = (time.time() - started) / done * (len(tasks) - done)
                print(f"peers: {done} of {len(tasks)} runs, {left:.0f} s left", file=sys.stderr)

    rows = []
    for method in methods:
        for part in BUDGETS:
            ours, theirs = (
                [v for v in (at(c, part * HORIZON) for c in curves[key].values()) if v is not None]
                for key in (("ours", method if method in METHODS else method), ("peer", METHODS[method][1]))
            )
            p = mannwhitneyu(ours, theirs).pvalue if ours != theirs else 1.0
            rows.append([method, METHODS[method][1], part * HORIZON, ours, theirs, p])
    corrected = holm([row[5] for row in rows])
    lines = [
        f"table {options.table}, space {options.space}, {options.seeds} seeds, horizon {HORIZON:.0f} benchmark s; "
        "mean test regret in percent; p: Mann-Whitney, Holm-corrected",
        f"{'ours':<15} {'reference':<21} {'seconds':>8} {'ours':>15} {'reference':>15} {'p':>6}",
    ]
    with open(path("regrets.csv"), "w") as file:
        file.write("method,reference,seconds,ours,ours_error,reference_regret,reference_error,p,p_holm\n")
        for (method, peer, seconds, ours, theirs, p), q in zip(rows, corrected):
            mean = lambda v: (100 * np.mean(v), 100 * np.std(v, ddof=1) / len(v) ** 0.5)
            (a, da), (b, db) = mean(ours), mean(theirs)
            mark = "  differs" if q < 0.05 else ""
            lines.append(
                f"{method:<15} {peer:<21} {seconds:>8.0f} {a:>7.3f} ± {da:.3f} {b:>7.3f} ± {db:.3f} {q:>6.3f}{mark}"
            )
            file.write(f"{method},{peer},{seconds},{a},{da},{b},{db},{p},{q}\n")
    for method in methods:
        peer = METHODS[method][1]
        theirs = 1e6 * np.median(overhead[peer])
        lines.append(
            f"own time per training: {method} {own[method]:.2f} µs, {peer} {theirs:,.0f} µs, {theirs / own[method]:,.0f} times as much"
        )
    report = "\n".join(lines) + "\n"
    print(report, end="")
    with open(path("report.txt"), "w") as file:
        file.write(report)
    plot(path("regrets.csv"), path("overlay.svg"), methods)


def plot(source, target, methods):
    """A panel per pair: ours drawn through, the reference dashed."""
    panels = "".join(
        f"set title '{m}'\n"
        f"plot '< grep ^{m}, {source}' using 3:4:5 with yerrorlines lc rgb '#0072b2' lw 2 pt 7 title 'ours', "
        f"'' using 3:6:7 with yerrorlines lc rgb '#d55e00' lw 2 pt 6 dt 2 title '{METHODS[m][1]}'\n"
        for m in methods
    )
    columns = min(2, len(methods))
    rows = (len(methods) + columns - 1) // columns
    script = (
        f"set terminal svg size {450 * columns},{330 * rows} font 'DejaVu Sans,13' background '#ffffff'\n"
        f"set output '{target}'\nset datafile separator ','\nset logscale xy\nset offsets graph 0.05, graph 0.05, graph 0, graph 0\n"
        "set format x '10^{%L}'\nset key bottom left\nset xlabel 'benchmark seconds'\n"
        f"set ylabel 'mean test regret (%)'\nset multiplot layout {rows},{columns}\n{panels}unset multiplot\n"
    )
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


if __name__ == "__main__":
    main()
