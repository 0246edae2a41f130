"""Compares the package's methods with the reference implementations, on one table, under one ledger.

    ./anytime peers --seeds 100

The reference implementations are guests (`Examples/python`) of the experiment in which our methods are: the program
answers and charges them and stores their runs like all others. Prints the mean test regret of both sides at five
budgets, with a two-sided Mann-Whitney test between the seeds, Holm-corrected over all comparisons, and writes
regrets.csv, report.txt and overlay.svg into the output folder, beside the experiment (peers.yaml) and its runs
(peers.sqlite). Runs that are in the store are not made again.
"""

import argparse
import bisect
import collections
import csv
import importlib
import json
import logging
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
import warnings

# Numerical libraries take one thread each, here and in the guests, unless the user says otherwise.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from scipy.stats import mannwhitneyu  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUESTS = ROOT / "Examples" / "python"
PACKAGE = ROOT / "Python" / "src"
sys.path[:0] = [str(PACKAGE), str(GUESTS)]
os.environ["PYTHONPATH"] = str(PACKAGE)  # for the guests

import anytime_nas as an  # noqa: E402

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
# Reference implementations: the guest's file without its ending, and its settings.
PEERS = {
    "dehb-reference": ("dehb_search", {}),
    "smac3": ("smac_facade", {}),
    "hyperopt": ("hyperopt_tpe", {}),
    "optuna": ("optuna_sampler", {}),
    "hpbandster-hyperband": ("hpbandster_bohb", {"model": False}),
    "hpbandster-bohb": ("hpbandster_bohb", {}),
}
BUDGETS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]


def guest(peer):
    """The entry of a reference implementation in an experiment; JSON is YAML too."""
    file, settings = PEERS[peer]
    files = [str(GUESTS / f"{file}.py"), str(GUESTS / "config_space.py")]
    command = shlex.join([sys.executable, files[0]])
    return "external: " + json.dumps({"command": command, "name": peer, "settings": settings, "files": files})


def mean_seconds(anytime, table, space):
    """What a training at the highest epoch count takes, over the cells of a space."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.csv")
        anytime("table", "export", table, "-o", path, stdout=subprocess.DEVNULL)
        hashes = set(anytime("cells", "--space", space, "--hashes", stdout=subprocess.PIPE).split())
        seconds = collections.defaultdict(lambda: collections.defaultdict(list))
        with open(path) as file:
            for row in csv.DictReader(file):
                if row["hash"] in hashes:
                    seconds[int(row["epochs"])][row["hash"]].append(float(row["training_seconds"]))
    return np.mean([np.mean(repeats) for repeats in seconds[max(seconds)].values()])


class Timed:
    """A session without a budget that ends after a number of trainings.

    `own` is the processor time of this process between them, in seconds: what else runs on the machine hardly matters.
    """

    def __init__(self, session, settings, trainings):
        self.session, self.settings, self.trainings = session, settings, trainings
        self.evaluations, self.own, self.answered = 0, 0.0, time.process_time()

    def __getattr__(self, name):
        return getattr(self.session, name)

    def evaluate(self, point, epochs=None):
        if self.evaluations == self.trainings:
            raise an.BudgetSpent(self.session)
        self.own += time.process_time() - self.answered
        evaluation = self.session.evaluate(point, epochs)
        self.evaluations += 1
        self.answered = time.process_time()
        return evaluation


def speed(options):
    """Prints our method, its reference and the microseconds of processor time per suggestion of one run of it."""
    # A spent budget ends a run by an exception, which the references log.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for ours, (entry, peer) in METHODS.items():
        if entry.split(":")[0] != ours:
            continue  # a variant
        print(f"timing {peer}", file=sys.stderr)
        file, settings = PEERS[peer]
        search = importlib.import_module(file).search
        for count in (1, options.speed):  # one first, so that loading Python modules is not timed
            with an.free(options.space, options.table, program=options.anytime) as session:
                timed = Timed(session, settings, count)
                search(timed)
        print(f"{ours},{peer},{1e6 * timed.own / timed.evaluations:.3f}", flush=True)


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
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--anytime", default="anytime", help="the program")
    parser.add_argument("--table", default="embedded")
    parser.add_argument("--space", default="1")
    parser.add_argument("--seeds", type=int, default=100, help="runs of each method")
    parser.add_argument("--trainings", type=float, default=150, help="the horizon, in mean trainings")
    quick = ",".join(m for m in METHODS if m != "smac")
    parser.add_argument("--methods", default=quick, help="also smac, half an hour")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("-o", "--output", default="out/peers")
    parser.add_argument("--speed", type=int, metavar="TRAININGS", help="only time one run of each reference")
    options = parser.parse_args()
    if options.speed:
        return speed(options)
    methods = options.methods.split(",")
    for method in methods:
        if method not in METHODS:
            parser.error(f"there is no method '{method}'; choose from {', '.join(METHODS)}")

    def anytime(*arguments, **more):
        done = subprocess.run([options.anytime, *arguments], text=True, **more)
        if done.returncode != 0:
            sys.exit(done.returncode)  # the program has said why
        return done.stdout

    os.makedirs(options.output, exist_ok=True)
    path = lambda name: os.path.join(options.output, name)
    horizon = options.trainings * mean_seconds(anytime, options.table, options.space)
    table = options.table if options.table == "embedded" else os.path.abspath(options.table)
    peers = sorted({METHODS[m][1] for m in methods})
    entries = [*(METHODS[m][0] for m in methods), *map(guest, peers)]
    with open(path("peers.yaml"), "w") as file:
        file.write(
            f"name: peers\ntable: {table}\nspace: {options.space}\nhorizon: {horizon}\nseeds: {options.seeds}\n"
            "methods:\n" + "".join(f"  - {entry}\n" for entry in entries)
        )
    board = anytime(
        "compare", path("peers.yaml"), "--threads", str(options.workers), "--retry-failed", stdout=subprocess.PIPE
    ).splitlines()
    results = an.results(path("peers.sqlite"), frame=False, program=options.anytime)
    if results.experiment["failures"]:
        sys.exit("peers: runs failed, see above; the next call makes them again")
    # A leaderboard's last column: the method's own microseconds per training.
    own = {line.split()[1]: float(line.split()[-1]) for line in board[1 : len(entries) + 1]}
    curves = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in results.events:
        curves[row["method"]][row["seed"]].append((row["amount"], rounded(row["test_regret"])))

    rows = []
    for method in methods:
        peer = METHODS[method][1]
        for part in BUDGETS:
            ours, theirs = (
                [v for v in (at(c, part * horizon) for c in curves[label].values()) if v is not None]
                for label in (method, peer)
            )
            p = mannwhitneyu(ours, theirs).pvalue if ours != theirs else 1.0
            rows.append([method, peer, part * horizon, ours, theirs, p])
    corrected = holm([row[5] for row in rows])
    lines = [
        f"table {options.table}, space {options.space}, {options.seeds} seeds, horizon {horizon:.0f} benchmark s; "
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
        ours, theirs = own[method], own[peer]
        lines.append(
            f"own time per training: {method} {ours:.2f} µs, {peer} {theirs:,.0f} µs, "
            f"{theirs / ours:,.0f} times as much"
        )
    report = "\n".join(lines) + "\n"
    print(report, end="")
    with open(path("report.txt"), "w") as file:
        file.write(report)
    plot(path("regrets.csv"), path("overlay.svg"), methods)


def plot(source, target, methods):
    """A panel per pair, on the same axes: ours drawn through, the reference dashed and a little to the right."""
    with open(source) as file:
        rows = list(csv.DictReader(file))
    ends = [
        float(row[side]) + sign * float(row[error])
        for row in rows for side, error in (("ours", "ours_error"), ("reference_regret", "reference_error"))
        for sign in (-1, 1)
    ]
    seconds = sorted({float(row["seconds"]) for row in rows})
    tics = ", ".join(f'"{value:.0f}" {value}' for value in seconds)
    panels = "".join(
        f"set title '{m}'\n"
        f"plot '< grep ^{m}, {source}' using 3:4:5 with yerrorlines lc rgb '#0072b2' lw 2 pt 7 ps 0.6 title 'ours', "
        f"'' using ($3*1.05):6 with lines lc rgb '#d55e00' lw 2 dt 2 title '{METHODS[m][1]}', "
        "'' using ($3*1.05):6:7 with yerrorbars lc rgb '#d55e00' lw 2 pt 6 ps 0.6 notitle\n"
        for m in methods
    )
    columns = min(2, len(methods))
    count = (len(methods) + columns - 1) // columns
    script = (
        f"set terminal svg size {450 * columns},{330 * count} font 'DejaVu Sans,13' background '#ffffff'\n"
        f"set output '{target}'\nset datafile separator ','\nset logscale xy\n"
        f"set xrange [{seconds[0] / 1.25}:{seconds[-1] * 1.25}]\n"
        f"set yrange [{max(min(ends), 0.01) / 1.25}:{max(ends) * 1.25}]\n"
        f"set xtics ({tics})\n"
        "set ytics (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 30, 50)\n"
        "set grid lc rgb '#e0e0e0'\nset key bottom left\nset xlabel 'benchmark seconds'\n"
        f"set ylabel 'mean test regret (%)'\nset multiplot layout {count},{columns}\n{panels}unset multiplot\n"
    )
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


if __name__ == "__main__":
    main()
