#!/usr/bin/env python3
"""Builds the wheel, installs it with Optuna into a fresh environment, and uses it there without Swift.

    ./anytime test --slow

Whatever is missing is a failure: nothing is left out. The wheel, the environment and what was made in it stay in
.build/wheel, the build in .build-wheel; other arguments than -v are those of Python/wheel.py.
"""

import base64
import csv
import hashlib
import io
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".build/wheel"
ENVIRONMENT = FOLDER / "environment"
ARGUMENTS = []

METHOD = """
import anytime_nas as an

def search(s, population=20):
    best, accuracy = None, 0
    while True:
        point = s.mutate(best) if s.random.random() < 0.7 and best else s.sample()
        evaluation = s.evaluate(point)
        if evaluation.validation > accuracy:
            best, accuracy = point, evaluation.validation

an.serve(search)
"""

EXPERIMENT = """
name: mine
space: 1
horizon: 100
seeds: 3
methods:
  - regularized-evolution
  - external: {command: "python3 my_search.py", name: mine, files: [my_search.py]}
  - external: {command: "python3 optuna_sampler.py", name: optuna, files: [optuna_sampler.py]}
"""

NOTEBOOK = """
import anytime_nas as an

with an.session(space="1", horizon=100, seed=0, store="by-hand.sqlite", name="by-hand") as s:
    rung = [s.sample() for _ in range(9)]
    scores = s.evaluate_all(rung, epochs=s.fidelities[0])
    best = max(zip(scores, rung), key=lambda pair: pair[0].validation)[1]
    print(s.evaluate(best).validation, s.spent)
with an.free(space="1") as s:
    print(s.describe(s.sample()))
store = an.run("mine.yaml", threads=2)
for row in an.results(store, frame=False).leaderboard:
    print(row["method"], row["n"], row["mean"])
for row in an.results("by-hand.sqlite", frame=False).leaderboard:
    print(row["method"], row["n"], row["mean"])
"""


def build():
    """The path of a wheel that is built now."""
    words = [sys.executable, ROOT / "Python/wheel.py", "-o", FOLDER, *ARGUMENTS]
    return pathlib.Path(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wheel = build()
        cls.archive = zipfile.ZipFile(cls.wheel)
        cls.addClassCleanup(cls.archive.close)
        cls.version = re.search(r'"(.+)"', (ROOT / "Sources/Anytime/Version.swift").read_text())[1]
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        requirements = (ROOT / "Tests/Peers/requirements.txt").read_text()
        optuna = re.search("^optuna==.*$", requirements, re.MULTILINE)[0]
        pip = [ENVIRONMENT / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, cls.wheel, optuna], check=True)
        cls.program = ENVIRONMENT / "bin/anytime"

    def setUp(self):
        self.folder = FOLDER / "trial"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def run_there(self, *words, status=0, **variables):
        """What a command says, in an empty folder, with the new environment alone on the path."""
        done = subprocess.run(
            words, cwd=self.folder, env={"PATH": str(ENVIRONMENT / "bin"), **variables}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr if status else done.stdout

    def text(self, name):
        return self.archive.read(f"anytime_nas-{self.version}.dist-info/{name}").decode()

    def test_is_the_same_file_when_it_is_built_again(self):
        first = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        self.assertEqual(hashlib.sha256(build().read_bytes()).hexdigest(), first)

    def test_lists_its_files_with_their_digests(self):
        rows = list(csv.reader(io.StringIO(self.text("RECORD"))))
        self.assertEqual(sorted(row[0] for row in rows), sorted(self.archive.namelist()))
        for path, digest, size in rows:
            if path.endswith("/RECORD"):
                continue
            content = self.archive.read(path)
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            self.assertEqual((f"sha256={found}", str(len(content))), (digest, size), path)

    def test_states_its_licences(self):
        self.assertIn("\nLicense-Expression: Apache-2.0 AND GPL-3.0-or-later\n", self.text("METADATA"))
        for name in re.findall("^License-File: (.+)$", self.text("METADATA"), re.MULTILINE):
            self.assertTrue(self.text(f"licenses/{name}"))
        self.assertIn("Apache License", self.text("licenses/LICENSE"))
        self.assertRegex(self.text("licenses/GPL-3.txt"), r"GNU GENERAL PUBLIC LICENSE\s+Version 3, 29 June 2007")

    def test_needs_the_c_library_of_its_tag_and_no_other_library(self):
        major, minor = re.search(r"manylinux_(\d+)_(\d+)_x86_64", self.wheel.name).groups()
        self.assertEqual(self.text("WHEEL").splitlines()[-1], f"Tag: py3-none-manylinux_{major}_{minor}_x86_64")
        said = subprocess.check_output(["readelf", "-W", "-d", "-V", self.program], text=True)
        libraries = re.findall(r"\(NEEDED\).*\[(.+?)\.so", said)
        self.assertIn("libc", libraries)
        self.assertLessEqual(set(libraries), {"libc", "libm", "libdl", "libpthread", "librt", "ld-linux-x86-64"})
        versions = {tuple(map(int, found)) for found in re.findall(r"Name: GLIBC_(\d+)\.(\d+)", said)}
        self.assertEqual(max(versions), (int(major), int(minor)))
        self.assertLessEqual(max(versions), (2, 31))  # Debian 11's

    def test_has_program_module_and_table(self):
        self.assertEqual(self.run_there("anytime", "--version").strip(), self.version)
        asked = "import anytime_nas, anytime_nas._program as p; print(anytime_nas.__version__, *p.command())"
        self.assertEqual(self.run_there("python3", "-c", asked).split(), [self.version, str(self.program)])
        table = "share/anytime-nas/AnytimeNAS_TabularBenchmark.resources/embedded.table"
        self.assertEqual(self.run_there("anytime", "table", "info").splitlines()[0], str(ENVIRONMENT / table))

    def test_compares_methods_in_python_with_ours_from_a_notebook(self):
        (self.folder / "my_search.py").write_text(METHOD)
        (self.folder / "mine.yaml").write_text(EXPERIMENT)
        shutil.copy(ROOT / "Examples/python/optuna_sampler.py", self.folder)
        (self.folder / "notebook.py").write_text(NOTEBOOK)
        said = self.run_there("python3", "notebook.py").splitlines()
        print(textwrap.indent("\n".join(said), "  "))
        rows = [line.split() for line in said[-4:]]
        self.assertEqual({row[0] for row in rows[:3]}, {"regularized-evolution", "mine", "optuna"})
        self.assertEqual([row[1] for row in rows], ["3", "3", "3", "1"])
        for row in rows:
            self.assertLess(float(row[2]), 0.1)
        self.assertEqual(rows[3][0], "by-hand")

    def test_writes_a_page(self):
        shutil.copy(ROOT / "Examples/first.yaml", self.folder)
        self.run_there("anytime", "compare", "first.yaml", "--quiet")
        self.run_there("anytime", "report", "first.sqlite", "-o", "page.html", "--vega", "nowhere")
        self.assertIn("color-scheme: light dark", (self.folder / "page.html").read_text())

    def test_says_how_to_train_networks(self):
        said = self.run_there(
            "anytime", "compare", "--space", "mini", "--horizon", "6", "--seeds", "1", "--quiet", "--method",
            "darts:preset=quick", status=1, ANYTIME_DATA="/usr/share/datasets/fashion-mnist")
        self.assertEqual(len(said.splitlines()), 1, said)
        for words in ("apt-get install libtorch-dev", "--product AnytimeTorch", "let ANYTIME_TORCH_LIBRARY name"):
            self.assertIn(words, said)


if __name__ == "__main__":
    ARGUMENTS = [word for word in sys.argv[1:] if word != "-v"]
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(Wheel)
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    # Tests that were left out, or that were not there, are no success.
    sys.exit(0 if result.wasSuccessful() and result.testsRun == 8 and not result.skipped else 1)
