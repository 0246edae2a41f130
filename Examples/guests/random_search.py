#!/usr/bin/env python3
"""Random search as a guest: asks on standard output, reads answers from standard input (Documentation/Protocol.md)."""
import json
import random
import sys


def ask(question):
    print(json.dumps(question), flush=True)
    return json.loads(sys.stdin.readline())


print(json.dumps({"type": "ready", "runs": "many"}), flush=True)
for line in sys.stdin:  # a run a line
    run = json.loads(line)
    randomness = random.Random(run["seed"])
    while True:
        point = {p["name"]: randomness.choice(p["choices"]) for p in run["space"]["parameters"]}
        if ask({"type": "evaluate", "configuration": point})["type"] == "budget-spent":
            break
    ask({"type": "end"})
