import contextlib
import io
import json
import math
import pathlib
import sys
import unittest
from unittest import mock

from support import FAKE, Case, an


def quietly():
    return contextlib.redirect_stderr(io.StringIO())


class Running(Case):
    def test_returns_the_store_beside_the_experiment(self):
        with quietly() as said:
            self.assertEqual(an.run("a/first.yaml", program=FAKE, quiet=True), pathlib.Path("a/first.sqlite"))
        self.assertIn("1 of 2 runs", said.getvalue())

    def test_passes_options_on(self):
        store = self.path("s.sqlite")
        with quietly():
            made = an.run(
                space=1, horizon=500, seeds=50, method=["tpe", "dehb:eta=3"], policy={"name": "fair", "resume": True},
                retry_failed=True, quiet=False, store=store, program=FAKE,
            )
        self.assertEqual(made, pathlib.Path(store))
        with open(store) as file:
            options = json.load(file)
        self.assertEqual(options["policy"], "fair,resume=true")
        self.assertEqual((options["method"], options["retry-failed"]), ("dehb:eta=3", "true"))
        self.assertNotIn("quiet", options)

    def test_says_why_the_program_failed(self):
        with quietly(), self.assertRaisesRegex(an.ProgramError, "1 of 2 runs"):
            an.run(space="refuses", store=self.path("s"), program=FAKE)


class Reading(Case):
    def test_gives_lists_of_dictionaries(self):
        results = an.results("s.sqlite", frame=False, currency="evaluations", program=FAKE)
        self.assertEqual(results.curves[0]["method"], "NA")
        self.assertEqual((results.curves[1]["n"], results.curves[1]["mean"]), (2, 0.08))
        self.assertIsNone(results.curves[0]["standard_error"])
        self.assertEqual(results.events[0]["seed"], 2**64 - 1)
        self.assertEqual(results.events[0]["cell"], "00005c142e6f48ac74fdcf73e3439874")
        self.assertEqual(results.leaderboard[0]["rank"], 1.5)
        self.assertEqual(results.significance[0]["second"], 'tpe, "b"')
        self.assertIsNone(results.significance[0]["better"])
        self.assertEqual(results.experiment["options"]["currency"], "evaluations")

    def test_gives_data_frames(self):
        try:
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("pandas is missing")
        curves = an.results("s.sqlite", program=FAKE).curves
        self.assertEqual(list(curves.method), ["NA", "NA"])
        self.assertTrue(math.isnan(curves.standard_error[0]))
        self.assertEqual(str(curves["mean"].dtype), "float64")

    def test_asks_for_pandas_where_it_is_missing(self):
        with mock.patch.dict(sys.modules, pandas=None):
            with self.assertRaisesRegex(an.Error, "pandas is missing: pip install pandas, or give frame=False"):
                an.results("s.sqlite", program=FAKE)

    def test_says_why_the_program_failed(self):
        with self.assertRaisesRegex(an.ProgramError, "missing.sqlite: there is no such file"):
            an.results("missing.sqlite", frame=False, program=FAKE)


class Plotting(Case):
    def test_lets_the_program_write_a_picture(self):
        picture = an.plot("s.sqlite", self.path("a.svg"), kind="rank", program=FAKE)
        self.assertEqual(json.loads(picture.read_text())["kind"], "rank")

    def test_draws_by_matplotlib(self):
        try:
            import matplotlib
        except ImportError:
            self.skipTest("matplotlib is missing")
        matplotlib.use("Agg")
        axes = an.plot("s.sqlite", program=FAKE)
        (line,) = axes.get_lines()
        self.assertEqual((line.get_label(), list(line.get_xdata())), ("NA", [2.0]))

    def test_asks_for_matplotlib_where_it_is_missing(self):
        with mock.patch.dict(sys.modules, {"matplotlib": None, "matplotlib.pyplot": None}):
            with self.assertRaisesRegex(an.Error, "matplotlib is missing"):
                an.plot("s.sqlite", program=FAKE)


if __name__ == "__main__":
    unittest.main()
