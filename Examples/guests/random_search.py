#!/usr/bin/env python3
"""Random search as a guest: asks on standard output, reads answers from standard input (Documentation/Protocol.md)."""
import json
import sys


def ask(question):
    print(json.dumps(question), flush=True)
    return json.loads(sys.stdin.readline())


print(json.dumps({"type": "ready", "runs": "many"}), flush=True)
for line in sys.stdin:  # a run a line
    while True:
        point = ask({"type": "sample"})["configurations"][0]  # from the run's own random numbers
        if ask({"type": "evaluate", "configuration": point})["type"] == "budget-spent":
            break
    ask({"type": "end"})
