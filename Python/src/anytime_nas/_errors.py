"""What can go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Tuple

if TYPE_CHECKING:
    from ._session import Evaluation, Session


class Error(Exception):
    """Any error of this package."""


class BudgetSpent(Error):
    """The budget is spent: the normal end of a search.

    Raised by the evaluation that would have ended past the horizon, which reveals nothing, and by every later one. A
    guest, and the ``with`` block of a session, end quietly by it; code in between need not catch it.
    """

    def __init__(self, session: Session, evaluations: Tuple[Evaluation, ...] = ()) -> None:
        super().__init__(f"the budget of {session.horizon:g} {session.currency} is spent")
        self.session = session
        #: Of several evaluations at once, those that ended in time, in order.
        self.evaluations = evaluations


class ProtocolError(Error):
    """A question that makes no sense, such as an unknown parameter; the text is the program's sentence."""


class ProgramError(Error):
    """The program ``anytime`` is missing, failed or ended; the text is what it wrote to standard error."""
