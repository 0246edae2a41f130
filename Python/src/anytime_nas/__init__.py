"""Architecture search methods under one budget, in Python.

A method that the program ``anytime`` runs beside its own (a guest)::

    import anytime_nas as an

    def search(s):
        while True:
            s.evaluate(s.sample())

    if __name__ == "__main__":
        an.serve(search)

A script or notebook that drives a run itself (a host)::

    with an.session(space="1", horizon=500, seed=0) as s:
        while True:
            print(s.evaluate(s.sample()).validation, s.left)

Both speak the protocol of ``Documentation/Protocol.md``.
"""

from ._errors import BudgetSpent, Error, ProgramError, ProtocolError
from ._guest import drive, optimizer, serve
from ._host import Host, free, session
from ._results import Results, plot, results, run
from ._session import Cell, Description, Evaluation, Session
from ._space import Categorical, Integer, Ordinal, Parameter, Real, Space

__version__ = "0.2.0"

__all__ = [
    "BudgetSpent", "Categorical", "Cell", "Description", "Error", "Evaluation", "Host", "Integer", "Ordinal",
    "Parameter", "ProgramError", "ProtocolError", "Real", "Results", "Session", "Space", "drive", "free", "optimizer",
    "plot", "results", "run", "serve", "session",
]
