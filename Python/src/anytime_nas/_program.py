"""The program ``anytime``."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from typing import Any, List, Mapping, Optional, Sequence, Union

from ._errors import ProgramError

#: A path of the program, or the words of a command that starts it.
Program = Union[str, "os.PathLike[str]", Sequence[str]]


def command(program: Optional[Program] = None) -> List[str]:
    """The words that start the program.

    It is the given one, else that of the environment variable ``ANYTIME``, the one installed with this package, the
    one on the ``PATH``, or, where the package is used from a checkout of the repository, the launcher there.

    :raises ProgramError: if there is none.
    """
    if program is None:
        return [_found()]
    if isinstance(program, (str, os.PathLike)):
        return [os.fspath(program)]
    return list(program)


def _found() -> str:
    given = os.environ.get("ANYTIME")
    if given:
        found = shutil.which(given)
        if found is None:
            raise ProgramError(f"the environment variable ANYTIME names '{given}', which is no program")
        return found
    package = os.path.dirname(os.path.abspath(__file__))
    # Where pip puts it: with --target, into an environment, with --user.
    installed = [
        os.path.join(os.path.dirname(package), "bin"), sysconfig.get_path("scripts"), os.path.dirname(sys.executable),
        sysconfig.get_path("scripts", "posix_user"),
    ]
    for folder in installed:
        found = shutil.which("anytime", path=folder)
        if found is not None:
            return found
    found = shutil.which("anytime")
    if found is not None:
        return found
    checkout = os.path.dirname(os.path.dirname(os.path.dirname(package)))
    launcher = os.path.join(checkout, "anytime")
    if os.access(launcher, os.X_OK) and os.path.isfile(os.path.join(checkout, "Package.swift")):
        return launcher
    raise ProgramError(
        "there is no program 'anytime': put it on the PATH, or its path into the environment variable ANYTIME"
    )


def flags(options: Mapping[str, Any]) -> List[str]:
    """Options as words: ``retry_failed=True`` is ``--retry-failed``, ``method=["tpe", "dehb"]`` is repeated.

    ``None`` and ``False`` are left out; a dictionary is ``fair,resume=true`` for ``{"name": "fair", "resume": True}``.
    """
    words: List[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, (list, tuple)):
            for part in value:
                words += [flag, _text(part)]
        else:
            words += [flag, _text(value)]
    return words


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        rest = dict(value)
        name = rest.pop("name", "fair")
        return ",".join([str(name), *(f"{key.replace('_', '-')}={_text(part)}" for key, part in rest.items())])
    if isinstance(value, bool):
        return "true" if value else "false"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def last_lines(text: str, count: int = 20) -> str:
    return "\n".join(text.strip().splitlines()[-count:])
