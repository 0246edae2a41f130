"""Methods of experiments that the program starts."""

from __future__ import annotations

import inspect
import os
import random
import sys
from typing import Any, Callable, Dict, Tuple, TypeVar

from ._channel import Channel
from ._errors import BudgetSpent, ProtocolError
from ._session import Session, _pair

#: A function of a session, or a class with ``ask`` and ``tell``.
Method = Callable[..., Any]
_M = TypeVar("_M", bound=Method)


def optimizer(method: _M) -> _M:
    """Marks the search method of a file, for ``python3 -m anytime_nas FILE``, and returns it as it is."""
    method.__anytime_optimizer__ = True  # type: ignore[attr-defined]
    return method


def serve(method: Method, *, many: bool = True) -> None:
    """Makes the runs that the program asks for, until it asks for no more.

    :param method: A function ``search(session)``, which may take settings as further parameters:
        ``search(session, population=20)``; or a class, made with ``(space, seed, **settings)``, whose ``ask()`` returns
        a configuration or ``(configuration, epochs)``, or ``None`` to end, and which is told what the training showed
        by ``tell(configuration, evaluation)``. A parameter ``fidelities`` of the class gets the epoch counts.
        Dashes in the names of settings are written as underscores.
    :param many: Whether the process can make several runs, one after another, as most can.

    Standard output is the program's: from here on, whatever this process or its children write there goes to standard
    error, and standard input is empty. Python's global generator is seeded before each run; seed all others by
    ``session.seed``. An exception ends the process with its traceback, and the run has failed.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        sys.exit(
            "This is a method for the program 'anytime', which starts it: write\n\n"
            f'  - external: {{command: "python3 {os.path.basename(sys.argv[0])}"}}\n\n'
            "among the methods of an experiment file."
        )
    _serve(method, many, _take_standard_streams())


def _take_standard_streams() -> Tuple[int, int]:
    """Descriptors to read and write messages; those of standard input and output then lead elsewhere."""
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no standard error
        os.dup2(nothing, 1)
    os.close(nothing)
    if sys.stdout is not None:
        sys.stdout.flush()  # what was printed before
    return reading, writing


def _serve(method: Method, many: bool, streams: Tuple[int, int]) -> None:
    reading, writing = streams
    channel = Channel(reading, writing)
    try:
        first = True
        while True:
            run = channel.read()
            if run is None:
                return
            session = Session(channel, run)
            if first and many:
                channel.write({"type": "ready", "runs": "many"})
            first = False
            random.seed(session.seed)
            try:
                drive(method, session)
            except BudgetSpent as error:
                if error.session is not session:
                    raise
            session.end()
            if not many:
                return
    finally:
        # The program sees at once that this has ended, even where a thread of the method goes on.
        os.close(writing)
        os.close(reading)


def drive(method: Method, session: Session) -> None:
    """Lets a method, as :func:`serve` takes it, search in a session, until it ends or by :class:`BudgetSpent`.

    ::

        with an.session(horizon=500) as s:
            an.drive(MySearch, s)
    """
    settings = {name.replace("-", "_"): value for name, value in session.settings.items()}
    if not isinstance(method, type):
        method(session, **_accepted(method, settings, given=1))
        return
    make: Callable[..., Any] = method
    arguments = _accepted(method, settings, given=2)
    if "fidelities" in inspect.signature(method).parameters:
        arguments["fidelities"] = session.fidelities
    searcher = make(session.space, session.seed, **arguments)
    while True:
        proposal = searcher.ask()
        if proposal is None:
            return
        configuration, epochs = _pair(proposal)
        searcher.tell(configuration, session.evaluate(configuration, epochs))


def _accepted(method: Method, settings: Dict[str, Any], given: int) -> Dict[str, Any]:
    """The settings as keywords of a method.

    A function that has no parameter but the session reads ``session.settings`` if it likes.
    """
    parameters = list(inspect.signature(method).parameters.values())
    if not isinstance(method, type) and len(parameters) <= given:
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return settings
    known = [p.name for p in parameters[given:] if p.name != "fidelities"]
    for name in settings:
        if name not in known:
            raise ProtocolError(
                f"'{name}' is no setting of {getattr(method, '__name__', method)}, which has "
                + (", ".join(known) or "none")
            )
    return settings
