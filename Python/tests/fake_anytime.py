#!/usr/bin/env python3
"""A program that speaks the protocol, with a tiny table that is made up: for tests alone.

    fake_anytime.py session --horizon 20 --seed 0 --store s.json

Names of spaces make it misbehave: 'dies' ends after two evaluations, 'refuses' at once, 'talks' writes no message,
'future' speaks another version, 'slow' waits before it answers.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import time

PARAMETERS = [
    {"name": "operation-1", "kind": "categorical", "choices": ["conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"]},
    {"name": "size", "kind": "ordinal", "choices": ["low", "middle", "high"]},
    {"name": "population", "kind": "integer", "low": 10, "high": 200, "log": True},
    {"name": "learning-rate", "kind": "real", "low": 0.001, "high": 1, "log": True},
]
SECONDS = {1: 1.0, 3: 3.0, 9: 9.0}
CELL = {"adjacency": ["011", "001", "000"], "operations": ["input", "conv3x3-bn-relu", "output"]}


class Wrong(Exception):
    """A question that makes no sense."""


class Ledger:
    """A run: answers questions, and spends for them."""

    def __init__(self, horizon, seed, space="fake", settings=None, number=0):
        self.horizon, self.spent, self.over = horizon, 0.0, False
        self.space, self.settings, self.seed, self.number = space, settings or {}, seed, number
        self.random = random.Random(seed)
        self.questions, self.evaluations, self.ended = [], [], False

    def first(self):
        message = {
            "type": "run", "protocol": 2 if self.space == "future" else 1, "run": self.number, "seed": self.seed,
            "currency": "seconds", "space": {"name": self.space, "architectures": True, "parameters": PARAMETERS},
            "fidelities": [{"epochs": e, "seconds": s} for e, s in SECONDS.items()],
            "policy": {"name": "fair", "charge-overhead": "false"}, "settings": self.settings, "new-key": True,
        }
        if self.horizon is not None:
            message["horizon"] = self.horizon
        return message

    def answer(self, question):
        self.questions.append(question)
        try:
            answer = self._answer(question)
        except Wrong as error:
            answer = {"type": "error", "message": str(error)}
        if "id" in question:
            answer["id"] = question["id"]
        return answer

    def _answer(self, question):
        kind = question.get("type")
        if kind == "evaluate":
            questions = question.get("all", [question])
            named = [self._training(q) for q in questions]
            before, done = self.spent, []
            for evaluation in named:
                if self.over or self.horizon is not None and self.spent + evaluation["seconds"] > self.horizon:
                    self.over, self.spent = True, self.horizon
                    answer = {"type": "budget-spent", "spent": self.spent, "left": 0}
                    return {**answer, "all": done} if "all" in question else answer
                self.spent += evaluation["seconds"]
                self.evaluations.append(evaluation)
                done.append(evaluation)
            if "all" in question:
                return self._paid({"type": "evaluations", "all": done, "charged": self.spent - before})
            return self._paid({"type": "evaluation", **done[0], "charged": done[0]["seconds"]})
        if kind == "recommend":
            self._point(question)
            return self._paid({"type": "recommended"})
        if kind == "describe":
            digest = hashlib.md5(json.dumps(self._point(question)).encode()).hexdigest()
            return {"type": "description", "hash": digest, "cell": CELL}
        if kind == "sample":
            return {"type": "samples", "configurations": [self._draw() for _ in range(question["count"])]}
        if kind == "mutate":
            return {"type": "mutant", "configuration": self._mutant(question["configuration"])}
        if kind == "end":
            self.ended = True
            return self._paid({"type": "ended"})
        raise Wrong(f"'{kind}' is no question")

    def _paid(self, answer):
        answer["spent"] = self.spent
        if self.horizon is not None:
            answer["left"] = self.horizon - self.spent
        return answer

    def _training(self, question):
        numbers = self._point(question)
        epochs = question.get("epochs", 9)
        if epochs not in SECONDS:
            raise Wrong(f"there are no trainings of {epochs} epochs, only of 1, 3, 9")
        digest = hashlib.sha256(json.dumps([numbers, epochs]).encode()).digest()
        training = {"epochs": epochs, "validation": 0.5 + digest[0] / 1024 + epochs / 100, "seconds": SECONDS[epochs]}
        if epochs > 1:  # as in a table that has no more
            training.update(halfway=training["validation"] - 0.1, train=training["validation"] + 0.1)
        return training

    def _point(self, question):
        """The numbers of a configuration, or a cell's text."""
        if "cell" in question:
            cell = question["cell"]
            if not isinstance(cell, str):
                cell = "|".join(cell["adjacency"]) + " " + ",".join(cell["operations"])
            if not cell.endswith("output"):
                raise Wrong(f"the cell {cell} does not end in an output")
            return cell
        configuration = question["configuration"]
        if isinstance(configuration, dict):
            names = [p["name"] for p in PARAMETERS]
            for name in configuration:
                if name not in names:
                    raise Wrong(f"'{name}' is no parameter of the space {self.space}")
            try:
                return [
                    p["choices"].index(configuration[p["name"]]) if "choices" in p else configuration[p["name"]]
                    for p in PARAMETERS
                ]
            except (KeyError, ValueError) as error:
                raise Wrong(f"the configuration is no point of the space: {error}")
        if len(configuration) != len(PARAMETERS):
            raise Wrong(f"it has {len(configuration)} values where there are {len(PARAMETERS)} parameters")
        return configuration

    def _draw(self):
        return {
            "operation-1": self.random.choice(PARAMETERS[0]["choices"]),
            "size": self.random.choice(PARAMETERS[1]["choices"]),
            "population": self.random.randint(10, 200), "learning-rate": 10 ** self.random.uniform(-3, 0),
        }

    def _mutant(self, configuration):
        if isinstance(configuration, list):
            return [(configuration[0] + 1) % 3, *configuration[1:]]
        choices = PARAMETERS[0]["choices"]
        other = choices[(choices.index(configuration["operation-1"]) + 1) % 3]
        return {**configuration, "operation-1": other}


def say(stream, message):
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def session(options):
    space = options.get("space", "fake")
    if space == "refuses":
        sys.exit("there is no search space 'refuses'")
    if space == "talks":
        print("good morning", flush=True)
    horizon = None if "free" in options else float(options["horizon"])
    ledger = Ledger(horizon, int(options["seed"]), space)
    say(sys.stdout.buffer, ledger.first())
    for line in sys.stdin.buffer:
        question = json.loads(line)
        if space == "slow":
            time.sleep(0.5)
        if space == "dies" and len(ledger.evaluations) == 2:
            sys.stderr.write("the table was cut short\n")
            sys.exit(3)
        say(sys.stdout.buffer, ledger.answer(question))
        if ledger.ended:
            break
    if "store" in options:
        if os.path.isdir(options["store"]):
            sys.exit(f"{options['store']} is a folder; name another store")
        with open(options["store"], "w") as file:
            json.dump({**options, "spent": ledger.spent, "evaluations": ledger.evaluations}, file)


class Failed(Exception):
    """A guest has failed; the text is the reason."""


def play(command, runs=1, horizon=20.0, settings=None, seed=4711, timeout=30, cwd=None, env=None):
    """Makes runs of a guest in one process, as strictly as the program does. Returns their ledgers.

    Raises Failed with the reason and the last lines of standard error.
    """
    guest = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=env)
    ledgers = []

    def fail(reason):
        guest.kill()
        raise Failed(f"{reason}: {guest.communicate()[1].decode()}")

    def read():
        line = guest.stdout.readline()
        if not line:
            return None
        try:
            message = json.loads(line)
            return message if isinstance(message, dict) else fail(f"no message: {line}")
        except ValueError:
            fail(f"no message: {line}")

    for number in range(runs):
        ledger = Ledger(horizon, seed + number, settings=settings, number=number)
        ledgers.append(ledger)
        say(guest.stdin, ledger.first())
        while not ledger.ended:
            question = read()
            if question is None:
                if ledger.over and guest.wait() == 0:
                    return ledgers
                fail(f"it ended with status {guest.wait()}")
            if question.get("type") == "ready" and not ledger.questions and number == 0:
                continue
            answer = ledger.answer(question)
            if answer["type"] == "error":
                fail(answer["message"])
            say(guest.stdin, answer)
    _, said = guest.communicate(timeout=timeout)
    if guest.returncode != 0:
        raise Failed(f"it ended with status {guest.returncode}: {said.decode()}")
    for ledger in ledgers:
        ledger.said = said.decode()
    return ledgers


EXPORTS = {
    "curves": "experiment,space,method,metric,accounting,spent,currency,runs,n,mean,standard_error,interval_low,"
    "interval_high,median,lower_quartile,upper_quartile\n"
    "fake,1,NA,test,recommended-now,1.0,seconds,2,1,0.1,,,,0.1,0.1,0.1\n"
    "fake,1,NA,test,recommended-now,2.0,seconds,2,2,0.08,0.01,,,0.08,0.07,0.09\n",
    "events": "experiment,space,method,seed,amount,spent_seconds,spent_epochs,evaluations,cell,epochs,"
    "validation_regret,test_regret,final_training_seconds\n"
    "fake,1,NA,18446744073709551615,1.0,1.0,9.0,1.0,00005c142e6f48ac74fdcf73e3439874,9,0.2,,0.0\n",
    "ranks": "experiment,method,spent,seeds,mean_rank\nfake,NA,1.0,2,1.0\n",
    "ecdf": "experiment,method,spent,pairs,reached\nfake,NA,1.0,62,0.5\n",
    "targets": "experiment,method,target,runs,successes\nfake,NA,0.1,2,2\n",
    "leaderboard": "experiment,rank,method,mean\nfake,1.5,NA,0.08\n",
    "significance": "experiment,budget,first,second,holm_p,better\nfake,1.0,NA,\"tpe, \"\"b\"\"\",0.5,\n",
}


def main():
    words, options, others = sys.argv[1:], {}, []
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name = word[2:]
            options[name] = "true" if name in ("free", "quiet", "retry-failed") else words.pop(0)
        else:
            others.append(word)
    if others[0] == "session":
        return session(options)
    if "missing.sqlite" in others:
        sys.exit("missing.sqlite: there is no such file")
    if others[0] == "run":
        print("1 of 2 runs", file=sys.stderr)
        print("2 runs are in", options.get("store"))
        if "store" in options:
            with open(options["store"], "w") as file:
                json.dump(options, file)
        sys.exit(1 if options.get("space") == "refuses" else 0)
    if others[:2] == ["export", "curves"]:
        for name, text in EXPORTS.items():
            with open(os.path.join(options["output"], f"fake-{name}.csv"), "w") as file:
                file.write(text)
        with open(os.path.join(options["output"], "fake-experiment.json"), "w") as file:
            json.dump({"version": "0", "failures": [], "options": options}, file)
    if others[0] == "plot":
        with open(options["output"], "w") as file:
            json.dump(options, file)


if __name__ == "__main__":
    main()
