"""Lines of JSON over two pipes."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

from ._errors import ProtocolError


def _plain(value: Any) -> Any:
    """What JSON has no word for: numbers and arrays of NumPy and its like."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} is no value of a message: give text, numbers, lists and dictionaries")


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain).encode


class Channel:
    """Writes questions and reads answers.

    Every question has an ``id``. An answer to an earlier question, whose asker was interrupted (Ctrl-C in a notebook)
    before the answer came, is passed over; the rest of a line that could not be written whole is written first.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._unread, self._unwritten = bytearray(), bytearray()
        self._number = 0

    def read(self) -> Optional[Dict[str, Any]]:
        """The next message; ``None`` where the other side has ended."""
        searched = 0
        while True:
            end = self._unread.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._unread[:end])
                del self._unread[: end + 1]
                if line.strip():
                    break
                searched = 0
                continue
            searched = len(self._unread)
            piece = os.read(self._reading, 1 << 16)
            if not piece:
                return None
            self._unread += piece
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ProtocolError(f"this is no message of the protocol: {line[:200].decode('utf-8', 'replace')!r}")
        return message

    def write(self, message: Dict[str, Any]) -> None:
        """Writes a message. Raises ``BrokenPipeError`` where the other side has ended."""
        try:
            line = _encode(message)
        except ValueError as error:
            raise ProtocolError(f"a message cannot hold {message}: {error}") from None
        self._unwritten += line.encode() + b"\n"
        while self._unwritten:
            del self._unwritten[: os.write(self._writing, self._unwritten)]

    def ask(self, question: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Writes a question and reads its answer; ``None`` where the other side has ended."""
        self._number += 1
        question["id"] = self._number
        try:
            self.write(question)
        except BrokenPipeError:
            self._unwritten.clear()
        # What was written before the other side ended is read all the same.
        while True:
            answer = self.read()
            if answer is None or answer.get("id", self._number) == self._number:
                return answer
