"""Experiments, their results and pictures, by the program's command line."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

from ._errors import Error, ProgramError
from ._program import Program, command, flags, last_lines

_Path = Union[str, "os.PathLike[str]"]

#: Columns of text; all others hold numbers.
_TEXT = {
    "experiment", "space", "method", "metric", "accounting", "currency", "cell", "test", "first", "second", "better",
}
_WHOLE = {
    "seed", "epochs", "runs", "n", "failed", "pairs", "seeds", "successes", "common_seeds", "runs_needed",
    "last_epochs", "last_n",
}


@dataclass(frozen=True)
class Results:
    """What ``anytime export curves`` writes, a field per file: data frames of pandas, or lists of dictionaries.

    Regrets are fractions; ``spent`` and ``amount`` are in the row's ``currency``. ``Documentation/Results.md`` says
    what is shown.
    """

    #: A row per method, metric and spent budget: mean, standard error, median, quartiles.
    curves: Any
    #: A row per method, seed and change of the incumbent: the raw data.
    events: Any
    #: A row per method and spent budget: the average rank.
    ranks: Any
    #: A row per method and spent budget: the fraction of runs and targets reached.
    ecdf: Any
    #: A row per method and target: success rate and expected running time.
    targets: Any
    #: A row per method, by mean final regret.
    leaderboard: Any
    #: A row per budget and pair of methods.
    significance: Any
    #: All that determines the runs, and the failed runs with their reasons.
    experiment: Dict[str, Any]


def run(experiment: Optional[_Path] = None, *, program: Optional[Program] = None, **options: Any) -> pathlib.Path:
    """Makes the missing runs of an experiment and returns the path of its run store. Progress goes to ``sys.stderr``.

    ::

        store = an.run("Examples/first.yaml", threads=2)
        store = an.run(space="1", horizon=500, seeds=50, method=["tpe", "regularized-evolution:population=20"])

    :param experiment: An experiment file in YAML; without it, the options describe the experiment.
    :param options: Options of ``anytime run``, with underscores for dashes.
    :raises ProgramError: if the program fails; the runs that have ended are in the store.
    """
    if experiment is None and options.get("store") is None:
        options["store"] = f"{options.get('name') or 'experiment'}.sqlite"
    words = [*command(program), "run", *flags(options)]
    if experiment is not None:
        words.append(os.fspath(experiment))
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None
        lines: List[str] = []
        for line in process.stdout:
            sys.stderr.write(line)
            lines = [*lines[-19:], line]
    if process.returncode != 0:
        raise ProgramError("".join(lines).strip() or f"the program ended with status {process.returncode}")
    if options.get("store") is not None:
        return pathlib.Path(options["store"])
    assert experiment is not None
    return pathlib.Path(experiment).with_suffix(".sqlite")


def results(
    store: _Path, *, frame: bool = True, program: Optional[Program] = None, **options: Any
) -> Results:
    """Reads the results of an experiment.

    ::

        an.results("first.sqlite").leaderboard[["method", "mean", "standard_error"]]

    :param store: A run store, or the experiment file of its runs.
    :param frame: Whether tables are data frames of pandas; else they are lists of dictionaries, in which an empty
        field is ``None``.
    :param options: Options of ``anytime export curves``, such as ``experiment="first"``, ``currency="evaluations"``,
        ``accounting="final-training-charged"``, ``bootstrap=True``.
    :raises ProgramError: if the program fails.
    :raises Error: if pandas is needed and missing.
    """
    make = _pandas().DataFrame if frame else None
    with tempfile.TemporaryDirectory() as folder:
        _call([*command(program), "export", "curves", os.fspath(store), *flags({**options, "output": folder})])
        tables: Dict[str, Any] = {}
        for kind in ("curves", "events", "ranks", "ecdf", "targets", "leaderboard", "significance"):
            rows, columns = _read(_file(folder, f"-{kind}.csv"))
            tables[kind] = rows if make is None else make(rows, columns=columns)
        with open(_file(folder, "-experiment.json"), encoding="utf-8") as stream:
            return Results(**tables, experiment=json.load(stream))


def plot(
    store: _Path, output: Optional[_Path] = None, *, program: Optional[Program] = None, **options: Any
) -> Any:
    """Draws an experiment.

    With ``output``, ``anytime plot`` writes that ``.svg``, ``.pdf`` or ``.png`` file, and its path is returned; the
    options are the command's, such as ``kind="rank"``. Without, the median test regret with its quartiles is drawn by
    matplotlib, and the axes are returned; the options are those of :func:`results`.

    :raises ProgramError: if the program fails.
    :raises Error: if matplotlib is needed and missing.
    """
    if output is not None:
        _call([*command(program), "plot", os.fspath(store), *flags({**options, "output": output})])
        return pathlib.Path(output)
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise Error("matplotlib is missing: pip install matplotlib, or give an output file") from None
    curves = results(store, frame=False, program=program, **options).curves
    metrics = {row["metric"] for row in curves}
    metric = "test" if "test" in metrics else "validation"
    figure, axes = plt.subplots(layout="constrained")
    for method in dict.fromkeys(row["method"] for row in curves):
        # Where every run has an incumbent.
        rows = [r for r in curves if r["method"] == method and r["metric"] == metric and r["n"] == r["runs"]]
        spent = [r["spent"] for r in rows]
        (line,) = axes.step(spent, [100 * r["median"] for r in rows], where="post", label=method)
        if any(r["runs"] > 1 for r in rows):
            axes.fill_between(
                spent, [100 * r["lower_quartile"] for r in rows], [100 * r["upper_quartile"] for r in rows],
                step="post", alpha=0.2, color=line.get_color(),
            )
    currency = curves[0]["currency"] if curves else "seconds"
    axes.set(
        xscale="log", yscale="log", xlabel="benchmark seconds" if currency == "seconds" else currency,
        ylabel=f"median {metric} regret [percent points]",
    )
    axes.legend()
    return axes


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise Error("pandas is missing: pip install pandas, or give frame=False") from None
    return pandas


def _call(words: List[str]) -> None:
    ended = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
    )
    said = last_lines(ended.stderr)
    if ended.returncode != 0:
        raise ProgramError(said or f"the program ended with status {ended.returncode}")
    if said:
        print(said, file=sys.stderr)


def _file(folder: str, ending: str) -> str:
    for name in os.listdir(folder):
        if name.endswith(ending):
            return os.path.join(folder, name)
    raise ProgramError(f"the program did not write a file NAME{ending}; install versions that belong together")


def _read(path: str) -> Tuple[List[Dict[str, Any]], List[str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows = [{name: _value(name, text) for name, text in row.items()} for row in reader]
        return rows, list(reader.fieldnames or [])


def _value(name: str, text: str) -> Any:
    if name in _TEXT and name != "better":
        return text
    if not text:
        return None
    if name == "better":
        return text
    if name in _WHOLE:
        try:
            return int(text)
        except ValueError:
            pass
    return float(text)
