"""``python3 -m anytime_nas FILE``: serves the method of a file that ``@anytime_nas.optimizer`` marks.

Nothing that the file or what it imports prints, even while it is loaded, disturbs the protocol.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from ._guest import _serve, _take_standard_streams


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit("usage: python3 -m anytime_nas FILE, where FILE marks a search method by @anytime_nas.optimizer")
    file = sys.argv[1]
    name = os.path.splitext(os.path.basename(file))[0]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not os.path.isfile(file):
        sys.exit(f"{file}: this is no file of Python source; its name has to end in .py")
    sys.argv = sys.argv[1:]
    streams = _take_standard_streams()
    # As if the file were started itself: its neighbours can be imported, and so can it, by its child processes.
    sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    methods = [
        value for value in vars(module).values()
        if "__anytime_optimizer__" in getattr(value, "__dict__", {}) and getattr(value, "__module__", None) == name
    ]
    if len(methods) != 1:
        sys.exit(f"{file}: {len(methods)} methods are marked by @anytime_nas.optimizer; mark exactly one")
    _serve(methods[0], True, streams)


if __name__ == "__main__":
    main()
