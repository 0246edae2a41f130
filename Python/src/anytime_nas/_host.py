"""Scripts and notebooks that drive a run themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any, List, Mapping, NoReturn, Optional, Type, Union

from ._channel import Channel
from ._errors import BudgetSpent, ProgramError
from ._program import Program, command, flags, last_lines
from ._session import Session


class Host(Session):
    """A session that this process drives: ``anytime session`` runs as its child.

    At the end of its ``with`` block, also by :class:`BudgetSpent`, which goes no further, the run is put into the
    store. Any other exception ends the program, and the run is not stored.
    """

    def __init__(self, words: List[str]) -> None:
        # A file, not a pipe, so that nobody has to read along.
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0,
                # Ctrl-C interrupts the script alone, which then decides about the run.
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise ProgramError(f"{words[0]} could not be started: {error.strerror}") from None
        assert self._process.stdin is not None and self._process.stdout is not None
        channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno())
        try:
            run = channel.read()
            if run is None:
                self._lost()
            super().__init__(channel, run)
        except BaseException:
            self.abandon()
            raise

    def close(self) -> None:
        """Ends the run and waits until it is in the store.

        :raises ProgramError: if the program fails, because the store cannot be written, say.
        """
        try:
            self.end()
        except BaseException:
            self.abandon()
            raise
        self._shut()
        status = self._process.wait()
        text = self._said()
        self._errors.close()
        if status != 0:
            raise ProgramError(text or f"the program ended with status {status}")
        if text:
            print(text, file=sys.stderr)

    def abandon(self) -> None:
        """Ends the program at once; the run is not stored."""
        self._open = False
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._shut()
        self._errors.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> bool:
        if self._errors.closed:  # closed or abandoned before
            return False
        spent = isinstance(error, BudgetSpent) and error.session is self
        if error is None or spent:
            self.close()
            return spent
        self.abandon()
        return False

    def _lost(self) -> NoReturn:
        try:
            status = f"ended with status {self._process.wait(10)}"
        except subprocess.TimeoutExpired:
            status = "closed its standard output"
        raise ProgramError(self._said() or f"the program {status} and said nothing")

    def _said(self) -> str:
        """The last of what the program wrote to standard error."""
        self._errors.seek(0)
        return last_lines(self._errors.read().decode("utf-8", "replace"))

    def _shut(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def session(
    space: str = "1", horizon: Union[float, str] = 500, seed: int = 0,
    policy: Union[str, Mapping[str, Any]] = "fair", table: Union[str, os.PathLike[str]] = "embedded",
    store: Optional[Union[str, os.PathLike[str]]] = None, name: Optional[str] = None, *,
    program: Optional[Program] = None, **options: Any,
) -> Host:
    """Begins a run.

    ::

        with an.session(horizon=500, seed=0, store="s.sqlite", name="mine") as s:
            while True:
                s.evaluate(s.sample())

    :param space: A search space's name: ``mini``, ``1``, ``2``, ``3`` or ``nas-bench-101``.
    :param horizon: The budget, in the policy's currency; a time may have a unit: ``"90s"``, ``"2h"``.
    :param policy: A budget policy: ``"fair"``, ``"fair,resume=true"``, or ``{"name": "fair", "resume": True}``.
    :param table: A table's path, or ``embedded``.
    :param store: The run store into which the run is put when it has ended.
    :param name: The method's name in it.
    :param program: The program, if not the one that is found.
    :param options: Further options of ``anytime session``.
    :raises ProgramError: if there is no program, or if it refuses the options.
    """
    words = flags({
        "space": space, "horizon": horizon, "seed": seed, "policy": policy, "table": table, "store": store,
        "method-name": name, **options,
    })
    return Host([*command(program), "session", *words])


def free(
    space: str = "1", table: Union[str, os.PathLike[str]] = "embedded", seed: int = 0, *,
    program: Optional[Program] = None, **options: Any,
) -> Host:
    """Begins a session without a budget and a store, for exploring a table; ``spent`` is what it would have cost.

    :raises ProgramError: as :func:`session`.
    """
    words = flags({"free": True, "space": space, "seed": seed, "table": table, **options})
    return Host([*command(program), "session", *words])
