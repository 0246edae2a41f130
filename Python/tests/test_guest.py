import os
import random
import signal
import subprocess
import sys
import unittest

from support import Case, an, environment, python, session

from fake_anytime import Failed, Ledger, say

RANDOM = """
import anytime_nas as an

def search(s):
    while True:
        s.evaluate(s.sample())

if __name__ == "__main__":
    an.serve(search)
"""

NOISE = """
import os, subprocess, sys
import anytime_nas as an

print("before", end="")

def search(s):
    print("from Python")
    sys.stdout.flush()
    os.write(1, b"from the descriptor\\n")
    subprocess.run(["echo", "from a child"])
    subprocess.run([sys.executable, "-c", "import sys; print('read', repr(sys.stdin.read()))"])
    assert sys.stdin.read() == ""
    while True:
        s.evaluate(s.sample())
        print("again", flush=True)

an.serve(search)
"""

PAIRS = """
import anytime_nas as an

class Search:
    def __init__(self, space, seed, fidelities, population=1, random_fraction=0.5):
        self.space, self.seed, self.fidelities = space, seed, fidelities
        self.population, self.told = population, []
        assert random_fraction == 0.25

    def ask(self):
        if len(self.told) == self.population:
            return None
        point = self.space.configuration([len(self.told) % 3, 0, 10 + self.seed % 7, 0.1])
        return (point, self.fidelities[0]) if len(self.told) % 2 == 0 else point

    def tell(self, configuration, evaluation):
        self.told.append((configuration, evaluation.validation))

an.serve(Search)
"""


class AGuest(Case):
    def test_makes_a_run_until_its_budget_is_spent(self):
        (ledger,) = self.play(RANDOM)
        self.assertEqual((len(ledger.evaluations), ledger.spent, ledger.ended), (2, 20, True))

    def test_makes_many_runs_in_one_process(self):
        ledgers = self.play(RANDOM, runs=50)
        self.assertEqual([len(ledger.evaluations) for ledger in ledgers], [2] * 50)
        (again,) = self.play(RANDOM, seed=4711 + 49)
        self.assertEqual(again.evaluations, ledgers[49].evaluations)

    def test_makes_one_run_where_it_can_make_no_more(self):
        text = RANDOM.replace("an.serve(search)", "an.serve(search, many=False)")
        (ledger,) = self.play(text)
        self.assertTrue(ledger.ended)
        self.assertNotIn("ready", [q["type"] for q in ledger.questions])

    def test_gives_every_question_an_id(self):
        (ledger,) = self.play(RANDOM)
        self.assertEqual([q["id"] for q in ledger.questions], list(range(1, len(ledger.questions) + 1)))
        self.assertEqual(ledger.questions[-1]["type"], "end")

    def test_ends_where_its_function_returns(self):
        text = RANDOM.replace("while True:", "for _ in range(1):")
        first, second = self.play(text, runs=2)
        self.assertEqual((first.spent, second.spent, second.ended), (9, 9, True))

    def test_may_write_to_standard_output(self):
        ledgers = self.play(NOISE, runs=2)
        self.assertEqual([len(ledger.evaluations) for ledger in ledgers], [2, 2])
        for words in ("before", "from Python", "from the descriptor", "from a child", "read ''", "again"):
            self.assertIn(words, ledgers[0].said)

    def test_may_write_while_it_is_loaded(self):
        text = """
import os
import anytime_nas as an
os.write(1, b"a library says hello\\n")

@an.optimizer
def search(s, population=20):
    assert population == 5
    while True:
        s.evaluate(s.sample())
"""
        command = f"{sys.executable} -m anytime_nas search.py"
        ledgers = self.play(text, command, runs=2, settings={"population": 5})
        self.assertEqual(ledgers[1].spent, 20)
        with self.assertRaisesRegex(Failed, "0 methods are marked"):
            self.play(text.replace("@an.optimizer", ""), command)

    def test_asks_and_tells(self):
        first, second = self.play(PAIRS, runs=2, horizon=99, settings={"population": 4, "random-fraction": 0.25})
        self.assertEqual([e["epochs"] for e in first.evaluations], [1, 9, 1, 9])
        self.assertNotEqual(first.evaluations, second.evaluations)

    def test_refuses_settings_that_it_does_not_have(self):
        with self.assertRaisesRegex(Failed, "'populaton' is no setting of Search, which has population, random_fra"):
            self.play(PAIRS, settings={"populaton": 4})

    def test_reads_settings(self):
        text = RANDOM.replace("while True:", "for _ in range(s.settings['population']):")
        (ledger,) = self.play(text, horizon=99, settings={"population": 3})
        self.assertEqual(len(ledger.evaluations), 3)

    def test_fails_with_the_traceback_of_its_exception(self):
        text = RANDOM.replace("s.evaluate(s.sample())", "s.evaluate(s.sample()); 1 / 0")
        with self.assertRaisesRegex(Failed, "(?s)status 1.*line 6, in search.*ZeroDivisionError"):
            self.play(text)

    def test_fails_at_once_even_if_a_thread_goes_on(self):
        text = """
import threading, time
import anytime_nas as an

def search(s):
    threading.Thread(target=time.sleep, args=(20,)).start()
    raise RuntimeError("no more")

an.serve(search)
"""
        file = self.script(text)
        guest = python(file)
        say(guest.stdin, Ledger(20, 0).first())
        self.assertIn(b"ready", guest.stdout.readline())
        self.assertEqual(guest.stdout.readline(), b"")  # although the process lives
        self.assertIsNone(guest.poll())
        guest.kill()
        guest.communicate()

    def test_fails_by_what_makes_no_sense(self):
        text = RANDOM.replace("s.sample()", "{'operation-9': 0}")
        with self.assertRaisesRegex(Failed, "'operation-9' is no parameter"):
            self.play(text)

    def test_fails_where_the_program_is_dead(self):
        guest = self.guest("s.evaluate(s.sample())")
        say(guest.stdin, Ledger(20, 0).first())
        self.assertIn(b"ready", guest.stdout.readline())
        self.assertIn(b"sample", guest.stdout.readline())
        _, errors = guest.communicate(timeout=30)  # closes its standard input
        self.assertEqual(guest.returncode, 1)
        self.assertIn(b"the program has ended", errors)

    def test_ends_by_an_interrupt(self):
        guest = self.guest("import time; time.sleep(20)")
        say(guest.stdin, Ledger(20, 0).first())
        self.assertIn(b"ready", guest.stdout.readline())
        guest.send_signal(signal.SIGINT)
        _, errors = guest.communicate(timeout=10)
        self.assertNotEqual(guest.returncode, 0)
        self.assertIn(b"KeyboardInterrupt", errors)

    def test_may_catch_the_end_of_its_budget(self):
        text = """
import anytime_nas as an

def search(s):
    try:
        s.evaluate_all([(s.sample(), 9) for _ in range(5)])
    except an.BudgetSpent as end:
        assert len(end.evaluations) == 2, end.evaluations
        s.recommend(s.sample())

an.serve(search)
"""
        (ledger,) = self.play(text)
        self.assertEqual((len(ledger.evaluations), ledger.questions[-2]["type"]), (2, "recommend"))

    def test_has_pythons_random_numbers_seeded(self):
        text = RANDOM.replace("s.sample()", "[0, 0, random.randint(10, 200), random.random()]")
        text = "import random\n" + text
        first, second = self.play(text, runs=2)
        self.assertNotEqual(first.evaluations, second.evaluations)
        (again,) = self.play(text, seed=4712)
        self.assertEqual(again.evaluations, second.evaluations)

    def test_ends_where_no_run_is_asked_for(self):
        guest = self.guest("pass")
        output, _ = guest.communicate(timeout=30)
        self.assertEqual((guest.returncode, output), (0, b""))

    @unittest.skipUnless(hasattr(os, "openpty"), "there are no terminals")
    def test_says_what_it_is_for_when_started_by_hand(self):
        master, terminal = os.openpty()
        file = self.script(RANDOM)
        ended = subprocess.run(
            [sys.executable, file], stdin=terminal, stderr=subprocess.PIPE, text=True, env=environment())
        os.close(master)
        os.close(terminal)
        self.assertEqual(ended.returncode, 1)
        self.assertIn('- external: {command: "python3 search.py"}', ended.stderr)

    def guest(self, line):
        file = self.script(RANDOM.replace("s.evaluate(s.sample())", line))
        return python(file)


class Driving(Case):
    def test_lets_a_method_search_in_a_session(self):
        class Search:
            def __init__(self, space, seed):
                self.random = random.Random(seed)

            def ask(self):
                return [self.random.randrange(3), 0, 10, 0.5]

            def tell(self, configuration, evaluation):
                pass

        with session(horizon=20) as s:
            an.drive(Search, s)
        self.assertEqual(s.spent, 20)


if __name__ == "__main__":
    unittest.main()
