"""The package from this checkout, the fake program, and a table that is made up."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(os.path.dirname(TESTS), "src")
sys.path[:0] = [SOURCES, TESTS]

# A shell that starts the tests in the background has them, and all that they start, ignore interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

import anytime_nas as an  # noqa: E402

FAKE = [sys.executable, os.path.join(TESTS, "fake_anytime.py")]


def session(**options):
    return an.session(program=FAKE, **options)


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = self._folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def script(self, text, name="search.py"):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def play(self, text, command=None, **options):
        """The runs of a guest with this text, played strictly, as the program does."""
        from fake_anytime import play

        file = self.script(text)
        words = shlex.split(command) if command else [sys.executable, file]
        return play(words, cwd=self.folder, env=environment(), **options)


def environment():
    """That of a process with the package on its path, whose output is buffered, as it is by default."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "PYTHONPATH": os.pathsep.join([SOURCES, TESTS])}


def python(*arguments):
    """A Python process with the package on its path."""
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )
