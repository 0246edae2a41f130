"""What a search is given: a space, a budget, and trainings for it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, NoReturn, Optional, Sequence, Tuple, Union, overload

from ._channel import Channel
from ._errors import BudgetSpent, ProgramError, ProtocolError
from ._space import Configuration, Space

#: The version of the protocol that this package speaks.
PROTOCOL = 1
#: The most evaluations of one question: lines should stay well below a million bytes.
_MOST = 1_000


@dataclass(frozen=True)
class Evaluation:
    """What one training showed."""

    #: Accuracy on the validation images at the training's end, in 0...1; greater is better.
    validation: float
    #: The training's length in epochs.
    epochs: int
    #: What the training took, in benchmark seconds, whatever of it was charged.
    seconds: float
    #: Accuracy on the validation images after half of the epochs, if the table has it.
    halfway: Optional[float] = None
    #: Accuracy on the training images at the end, if the table has it.
    train: Optional[float] = None
    #: What was charged for it, in the run's currency; ``None`` where the program charges several as one.
    charged: Optional[float] = None

    @staticmethod
    def _from(message: Mapping[str, Any]) -> Evaluation:
        return Evaluation(
            message["validation"], message["epochs"], message["seconds"], message.get("halfway"),
            message.get("train"), message.get("charged"),
        )


@dataclass(frozen=True)
class Cell:
    """A cell of NAS-Bench-101: a directed acyclic graph with an operation at each vertex.

    ``str(cell)`` is its text, as in ``011|001|000 input,conv3x3-bn-relu,output``.
    """

    #: The rows of the adjacency matrix, each a text of zeros and ones.
    adjacency: Tuple[str, ...]
    #: The vertices' operations, from ``input`` to ``output``.
    operations: Tuple[str, ...]

    def __str__(self) -> str:
        return f"{'|'.join(self.adjacency)} {','.join(self.operations)}"


@dataclass(frozen=True)
class Description:
    """The architecture of a configuration."""

    #: Its identifier: of a cell, NAS-Bench-101's hash; ``None`` where the configuration gives no architecture.
    hash: Optional[str]
    #: The cell; ``None`` where the architecture is none.
    cell: Optional[Cell]


#: What can be trained: a configuration, a cell, or a cell's text.
Point = Union[Configuration, Cell, str]


def _question(point: Point) -> Dict[str, Any]:
    """The part of a message that names a configuration or a cell."""
    if isinstance(point, str):
        return {"cell": point}
    if isinstance(point, Cell):
        return {"cell": {"adjacency": list(point.adjacency), "operations": list(point.operations)}}
    if isinstance(point, Mapping):
        plain = dict(point)
        return {"cell": plain} if plain.keys() == {"adjacency", "operations"} else {"configuration": plain}
    if isinstance(point, Sequence) or hasattr(point, "tolist"):
        return {"configuration": list(point)}
    raise TypeError(
        f"{point!r} is neither a configuration (a dictionary by names, or a list of numbers) nor a cell (an.Cell, "
        "or its text)"
    )


def _pair(entry: Any) -> Tuple[Point, Optional[int]]:
    """A point with its epochs, where they are given: ``(point, epochs)``."""
    if isinstance(entry, tuple) and len(entry) == 2 and not isinstance(entry[0], (int, float)):
        return entry[0], entry[1]
    return entry, None


class Session:
    """A run: its space, its budget, and the questions that may be asked.

    It is given to a guest's search function, and made by :func:`anytime_nas.session`. It belongs to one thread.
    """

    #: The configurations to search.
    space: Space
    #: The epoch counts at which a configuration can be trained, ascending.
    fidelities: Tuple[int, ...]
    #: The median seconds of a training by its epoch count, where the table knows; in benchmark seconds.
    seconds: Dict[int, float]
    #: The seed that all randomness has to come from, below 2^53.
    seed: int
    #: Python's random numbers, seeded by :attr:`seed`.
    random: random.Random
    #: The budget, in the unit :attr:`currency`; infinite without one.
    horizon: float
    #: ``seconds`` (benchmark seconds), ``epochs`` or ``evaluations``.
    currency: str
    #: The budget policy's fields, as text; ``name`` is among them.
    policy: Dict[str, str]
    #: What the experiment's entry says under ``settings``.
    settings: Dict[str, Any]
    #: The run's number among those of this process, from 0.
    run: int
    #: What is spent and what is left, in the unit :attr:`currency`.
    spent: float
    left: float

    def __init__(self, channel: Channel, run: Mapping[str, Any]) -> None:
        if run.get("type") != "run":
            raise ProtocolError(f"the first message is no 'run': {dict(run)}")
        if run.get("protocol") != PROTOCOL:
            raise ProtocolError(
                f"the program speaks version {run.get('protocol')} of the protocol and this package version "
                f"{PROTOCOL}; install the newer of both"
            )
        self._channel = channel
        self._open = True
        self.space = Space._from(run["space"])
        self.fidelities = tuple(int(f["epochs"]) for f in run["fidelities"])
        self.seconds = {
            int(f["epochs"]): float(f["seconds"]) for f in run["fidelities"] if f.get("seconds") is not None
        }
        self.seed = int(run["seed"])
        self.random = random.Random(self.seed)
        horizon = run.get("horizon")
        self.horizon = math.inf if horizon is None else horizon
        self.currency = run.get("currency", "seconds")
        self.policy = dict(run.get("policy") or {})
        self.settings = dict(run.get("settings") or {})
        self.run = run.get("run", 0)
        self.spent, self.left = 0.0, self.horizon

    def evaluate(self, point: Point, epochs: Optional[int] = None) -> Evaluation:
        """Trains a configuration or cell from scratch and returns what the training showed.

        :param epochs: One of :attr:`fidelities`; the highest if ``None``.
        :raises BudgetSpent: if the training would end past the horizon, and from then on always.
        :raises ProtocolError: for a configuration outside the space or an unknown epoch count.
        """
        question = _question(point)
        question["type"] = "evaluate"
        if epochs is not None:
            question["epochs"] = epochs
        return Evaluation._from(self._ask(question, "evaluation"))

    def evaluate_all(self, points: Iterable[Any], epochs: Optional[int] = None) -> List[Evaluation]:
        """Trains several, in order, by one question for each thousand: points, or pairs ``(point, epochs)``.

        :param epochs: For points without their own.
        :raises BudgetSpent: where the budget ends among them; its ``evaluations`` are those that ended in time.
        :raises ProtocolError: as :meth:`evaluate`.
        """
        questions = []
        for point, own in map(_pair, points):
            question = _question(point)
            if own is not None or epochs is not None:
                question["epochs"] = epochs if own is None else own
            questions.append(question)
        evaluations: List[Evaluation] = []
        for start in range(0, len(questions), _MOST):
            try:
                answer = self._ask({"type": "evaluate", "all": questions[start : start + _MOST]}, "evaluations")
            except BudgetSpent as end:
                raise BudgetSpent(self, (*evaluations, *end.evaluations)) from None
            evaluations += map(Evaluation._from, answer["all"])
        return evaluations

    def recommend(self, point: Point) -> None:
        """Names what the run would return now, where it was not trained. Free."""
        self._ask({"type": "recommend", **_question(point)}, "recommended")

    def describe(self, point: Point) -> Description:
        """The architecture of a configuration. Free."""
        answer = self._ask({"type": "describe", **_question(point)}, "description")
        cell = answer.get("cell")
        return Description(answer.get("hash"), cell and Cell(tuple(cell["adjacency"]), tuple(cell["operations"])))

    @overload
    def sample(self) -> Dict[str, Any]: ...

    @overload
    def sample(self, count: int) -> List[Dict[str, Any]]: ...

    def sample(self, count: Optional[int] = None) -> Union[Dict[str, Any], List[Dict[str, Any]]]:
        """Draws a configuration uniformly, from the run's own random numbers; with a count, a list of as many. Free."""
        if count == 0:
            return []
        answer = self._ask({"type": "sample", "count": 1 if count is None else count}, "samples")
        drawn: List[Dict[str, Any]] = answer["configurations"]
        return drawn[0] if count is None else drawn

    def mutate(self, configuration: Configuration) -> Any:
        """Mutates a configuration, given in either form, as the package's own evolution does. Free.

        In a space of architectures an operation, an edge or nothing changes, with probability one third each, as in
        NAS-Bench-1Shot1; in a space of other parameters always one parameter.
        """
        return self._ask({"type": "mutate", **_question(configuration)}, "mutant")["configuration"]

    def end(self) -> None:
        """Ends the run. Nothing can be asked after it; a guest's run also ends where its function returns."""
        if self._open:
            self._ask({"type": "end"}, "ended")
            self._open = False

    def _ask(self, question: Dict[str, Any], expected: str) -> Dict[str, Any]:
        if not self._open:
            raise ProtocolError("the run has ended; nothing can be asked any more")
        answer = self._channel.ask(question)
        if answer is None:
            self._open = False
            self._lost()
        self.spent = answer.get("spent", self.spent)
        left = answer.get("left", self.left)
        self.left = math.inf if left is None else left
        kind = answer.get("type")
        if kind == expected:
            return answer
        if kind == "budget-spent":
            raise BudgetSpent(self, tuple(Evaluation._from(e) for e in answer.get("all", ())))
        if kind == "error":
            raise ProtocolError(answer.get("message", "the program found an error and did not say which"))
        raise ProtocolError(f"the program answered '{kind}' where '{expected}' was expected")

    def _lost(self) -> NoReturn:
        raise ProgramError("the program has ended")
