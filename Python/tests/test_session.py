import json
import os
import signal
import time
import unittest

from support import FAKE, Case, an, python, session

from anytime_nas._channel import Channel

POINT = {"operation-1": "maxpool3x3", "size": "low", "population": 20, "learning-rate": 0.01}


class ASession(Case):
    def test_tells_the_space_the_fidelities_and_the_seed(self):
        with session(horizon=20, seed=7) as s:
            self.assertEqual([p.name for p in s.space], ["operation-1", "size", "population", "learning-rate"])
            self.assertEqual(s.space["size"], an.Ordinal("size", ("low", "middle", "high")))
            self.assertEqual(s.space["population"], an.Integer("population", 10, 200, log=True))
            self.assertEqual(s.space["learning-rate"], an.Real("learning-rate", 0.001, 1, log=True))
            self.assertEqual(s.fidelities, (1, 3, 9))
            self.assertEqual(s.seconds[9], 9)
            self.assertEqual((s.seed, s.horizon, s.currency, s.spent, s.left), (7, 20, "seconds", 0, 20))
            self.assertEqual(s.policy["charge-overhead"], "false")

    def test_seeds_its_random_numbers_by_the_run(self):
        draws = []
        for seed in (7, 7, 8):
            with session(horizon=20, seed=seed) as s:
                draws.append((s.random.random(), s.sample()["learning-rate"]))
        self.assertEqual(draws[0], draws[1])
        self.assertNotEqual(draws[0], draws[2])

    def test_evaluates_at_a_fidelity_and_charges_it(self):
        with session(horizon=20) as s:
            short = s.evaluate(POINT, epochs=1)
            self.assertEqual((short.epochs, short.seconds, short.charged), (1, 1, 1))
            self.assertIsNone(short.halfway)
            self.assertEqual((s.spent, s.left), (1, 19))
            long = s.evaluate(POINT)
            self.assertEqual(long.epochs, 9)
            self.assertAlmostEqual(long.train - long.halfway, 0.2)

    def test_takes_names_numbers_and_cells(self):
        with session(horizon=90) as s:
            named = s.evaluate(POINT)
            self.assertEqual(s.evaluate(s.space.values(POINT)), named)
            self.assertEqual(s.evaluate((2, 0, 20, 0.01)), named)
            cell = s.describe(POINT).cell
            self.assertEqual(cell, an.Cell(("011", "001", "000"), ("input", "conv3x3-bn-relu", "output")))
            self.assertEqual(str(cell), "011|001|000 input,conv3x3-bn-relu,output")
            self.assertEqual(s.evaluate(cell), s.evaluate(str(cell)))
            self.assertEqual(s.evaluate(cell).validation, s.evaluate(vars(cell)).validation)

    def test_refuses_what_is_no_point(self):
        with session(horizon=90) as s:
            with self.assertRaises(TypeError):
                s.evaluate(7)

    def test_answers_in_the_form_of_the_question(self):
        with session(horizon=20) as s:
            self.assertEqual(s.mutate(POINT), {**POINT, "operation-1": "conv1x1-bn-relu"})
            self.assertEqual(s.mutate([2, 0, 20, 0.01]), [0, 0, 20, 0.01])
            self.assertEqual(len(s.sample(3)), 3)
            self.assertEqual(s.sample(0), [])
            s.recommend(POINT)
            self.assertEqual(s.spent, 0)

    def test_ends_quietly_where_the_budget_is_spent(self):
        seen = []
        with session(horizon=20, store=self.path("s.json"), name="mine") as s:
            while True:
                seen.append(s.evaluate(s.sample()))
        self.assertEqual(len(seen), 2)
        self.assertEqual((s.spent, s.left), (20, 0))
        with open(self.path("s.json")) as file:
            stored = json.load(file)
        self.assertEqual((stored["method-name"], stored["spent"], len(stored["evaluations"])), ("mine", 20, 2))

    def test_says_how_much_budget_was_spent_to_whoever_catches_it(self):
        with session(horizon=5) as s:
            for _ in range(2):
                with self.assertRaises(an.BudgetSpent) as caught:
                    s.evaluate(POINT)
                self.assertIs(caught.exception.session, s)
                self.assertEqual(str(caught.exception), "the budget of 5 seconds is spent")

    def test_lets_the_budget_of_another_session_through(self):
        with self.assertRaises(an.BudgetSpent):
            with session(horizon=20):
                inner = session(horizon=1)
                self.addCleanup(inner.close)
                inner.evaluate(POINT)

    def test_evaluates_several_at_once(self):
        with session(horizon=20) as s:
            several = s.evaluate_all([POINT, (POINT, 3), ([2, 0, 20, 0.01], None)], epochs=1)
            self.assertEqual([e.epochs for e in several], [1, 3, 1])
            self.assertEqual((several[0], s.spent), (several[2], 5))
            self.assertEqual(s.evaluate_all([]), [])

    def test_evaluates_thousands_at_once(self):
        with session(horizon=2_100) as s:
            self.assertEqual(len(s.evaluate_all([POINT] * 1_001, epochs=1)), 1_001)
            with self.assertRaises(an.BudgetSpent) as caught:
                s.evaluate_all([POINT] * 1_200, epochs=1)
            self.assertEqual(len(caught.exception.evaluations), 1_099)

    def test_gives_those_of_several_that_ended_in_time(self):
        with session(horizon=20) as s:
            with self.assertRaises(an.BudgetSpent) as caught:
                s.evaluate_all([(POINT, 1), (POINT, 9), (POINT, 9), (POINT, 9)])
            self.assertEqual([e.epochs for e in caught.exception.evaluations], [1, 9, 9])
            self.assertEqual(s.left, 0)

    def test_goes_on_after_a_question_that_makes_no_sense(self):
        with session(horizon=20) as s:
            with self.assertRaisesRegex(an.ProtocolError, "'operation-9' is no parameter of the space 1"):
                s.evaluate({"operation-9": "x"})
            with self.assertRaisesRegex(an.ProtocolError, "no trainings of 2 epochs"):
                s.evaluate(POINT, epochs=2)
            with self.assertRaisesRegex(an.ProtocolError, "a message cannot hold"):
                s.evaluate({**POINT, "learning-rate": float("nan")})
            self.assertEqual(s.evaluate(POINT, epochs=1).epochs, 1)

    def test_takes_numbers_that_are_not_pythons_own(self):
        class Number:
            def item(self):
                return 20

        class Array:
            def tolist(self):
                return [2, 0, 20, 0.01]

            def __iter__(self):
                return iter(self.tolist())

        with session(horizon=90) as s:
            plain = s.evaluate(POINT)
            self.assertEqual(s.evaluate({**POINT, "population": Number()}), plain)
            self.assertEqual(s.evaluate(Array()), plain)

    def test_answers_nothing_after_its_end(self):
        with session(horizon=20) as s:
            s.end()
            with self.assertRaisesRegex(an.ProtocolError, "the run has ended"):
                s.evaluate(POINT)
        s = session(horizon=20)
        s.close()
        with self.assertRaisesRegex(an.ProtocolError, "the run has ended"):
            s.sample()

    def test_stores_nothing_after_an_exception(self):
        with self.assertRaises(ZeroDivisionError):
            with session(horizon=20, store=self.path("s.json")) as s:
                s.evaluate(POINT)
                1 / 0
        self.assertFalse(os.path.exists(self.path("s.json")))
        self.assertIsNotNone(s._process.poll())

    def test_without_a_budget_says_what_it_would_have_cost(self):
        with an.free("1", program=FAKE) as s:
            for _ in range(10):
                s.evaluate(POINT)
            self.assertEqual((s.spent, s.left, s.horizon), (90, float("inf"), float("inf")))


class AProgram(Case):
    def test_that_refuses_says_why(self):
        with self.assertRaisesRegex(an.ProgramError, "there is no search space 'refuses'"):
            session(space="refuses")

    def test_that_dies_says_why(self):
        with self.assertRaisesRegex(an.ProgramError, "the table was cut short"):
            with session(space="dies", horizon=90) as s:
                while True:
                    s.evaluate(POINT)

    def test_that_was_killed_is_noticed(self):
        with self.assertRaisesRegex(an.ProgramError, "status -9"):
            with session(horizon=90) as s:
                s._process.kill()
                s._process.wait()
                s.evaluate(POINT)

    def test_that_was_killed_is_noticed_at_the_end(self):
        s = session(horizon=90)
        s._process.kill()
        with self.assertRaises(an.ProgramError):
            s.close()

    def test_that_cannot_store_says_why(self):
        with self.assertRaisesRegex(an.ProgramError, "is a folder"):
            with session(store=self.folder) as s:
                s.evaluate(POINT)

    def test_that_writes_no_message_is_refused(self):
        with self.assertRaisesRegex(an.ProtocolError, "good morning"):
            session(space="talks")

    def test_of_another_version_is_refused(self):
        with self.assertRaisesRegex(an.ProtocolError, "version 2 of the protocol"):
            session(space="future")

    def test_that_is_missing_is_asked_for(self):
        with self.assertRaisesRegex(an.ProgramError, "could not be started"):
            an.session(program=self.path("nothing"))
        before = dict(os.environ)
        try:
            os.environ["ANYTIME"] = self.path("nothing")
            with self.assertRaisesRegex(an.ProgramError, "the environment variable ANYTIME names"):
                an.session()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def test_is_found_by_the_environment(self):
        launcher = self.script("#!/bin/sh\nexec " + " ".join(FAKE) + ' "$@"\n', "anytime")
        os.chmod(launcher, 0o755)
        before = dict(os.environ)
        try:
            os.environ["ANYTIME"] = launcher
            with an.session(horizon=20) as s:
                self.assertEqual(s.horizon, 20)
        finally:
            os.environ.clear()
            os.environ.update(before)


class AnInterrupt(Case):
    def test_leaves_the_program_and_its_answers_in_order(self):
        # As in a notebook: the cell that waits for a slow answer is interrupted, the next one goes on.
        script = python(
            "-c",
            "import support\nfrom support import *\n"
            "s = session(space='slow', horizon=90)\n"
            f"point = {POINT!r}\n"
            "print('waiting', flush=True)\n"
            "try:\n    s.evaluate(point, epochs=9)\n    print('not interrupted')\n"
            "except KeyboardInterrupt:\n    pass\n"
            "print(s.evaluate(point, epochs=1).epochs, s.spent, flush=True)\ns.close()\n",
        )
        self.assertEqual(script.stdout.readline(), b"waiting\n")
        time.sleep(0.2)
        script.send_signal(signal.SIGINT)
        output, _ = script.communicate(timeout=30)
        # The interrupted training was paid all the same.
        self.assertEqual(output, b"1 10.0\n")

    def test_ends_the_run_without_storing_it(self):
        script = python(
            "-c",
            "import support\nfrom support import *\n"
            f"with session(space='slow', horizon=90, store={self.path('s.json')!r}) as s:\n"
            f"    print(s._process.pid, flush=True)\n    s.evaluate({POINT!r})\n    s.evaluate({POINT!r})\n",
        )
        pid = int(script.stdout.readline())
        script.send_signal(signal.SIGINT)
        _, errors = script.communicate(timeout=30)
        self.assertIn(b"KeyboardInterrupt", errors)
        self.assertFalse(os.path.exists(self.path("s.json")))
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)


class AChannel(unittest.TestCase):
    def setUp(self):
        self.reading, self.other_writing = os.pipe()
        self.other_reading, self.writing = os.pipe()
        self.channel = Channel(self.reading, self.writing)
        self.addCleanup(lambda: [os.close(d) for d in (self.reading, self.other_reading, self.writing)])

    def close_other(self):
        os.close(self.other_writing)

    def test_reads_messages_in_pieces(self):
        os.write(self.other_writing, b'{"a": 1}\n\n{"b"')
        self.assertEqual(self.channel.read(), {"a": 1})
        os.write(self.other_writing, b': "\xc3\xa9"}\n')
        self.assertEqual(self.channel.read(), {"b": "é"})
        self.close_other()
        self.assertIsNone(self.channel.read())

    def test_numbers_questions_and_passes_over_answers_to_earlier_ones(self):
        for answer in (b'{"id": 0}', b'{"id": 1}', b'{"id": 1, "x": 2}', b'{"id": 2, "x": 3}'):
            os.write(self.other_writing, answer + b"\n")
        self.assertEqual(self.channel.ask({"type": "a"}), {"id": 1})
        self.assertEqual(self.channel.ask({"type": "b"})["x"], 3)
        self.assertEqual(os.read(self.other_reading, 99), b'{"type":"a","id":1}\n{"type":"b","id":2}\n')
        self.close_other()

    def test_refuses_lines_that_are_no_messages(self):
        for line in (b"noise\n", b"[1]\n", b"\xff\n"):
            os.write(self.other_writing, line)
            with self.assertRaises(an.ProtocolError):
                self.channel.read()
        self.close_other()


class ASpace(unittest.TestCase):
    space = an.Space("x", (an.Categorical("a", ("p", "q")), an.Integer("n", 1, 5), an.Real("r", 0, 1)))

    def test_translates_configurations(self):
        named = {"a": "q", "n": 3, "r": 0.5}
        self.assertEqual(self.space.values(named), [1, 3, 0.5])
        self.assertEqual(self.space.configuration([1, 3, 0.5]), named)
        self.assertEqual(len(self.space), 3)

    def test_refuses_what_is_not_in_it(self):
        with self.assertRaisesRegex(ValueError, "'z' is no choice of parameter 'a'"):
            self.space.values({"a": "z", "n": 3, "r": 0.5})
        with self.assertRaises(KeyError):
            self.space.values({"a": "p"})
        with self.assertRaises(ValueError):
            self.space.configuration([1])
        with self.assertRaises(IndexError):
            self.space.configuration([2, 3, 0.5])
        with self.assertRaises(KeyError):
            self.space["b"]


if __name__ == "__main__":
    unittest.main()
