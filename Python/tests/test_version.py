import os
import re

from support import TESTS, Case, an

PYTHON = os.path.dirname(TESTS)


class Version(Case):
    def test_is_the_programs(self):
        with open(os.path.join(PYTHON, os.pardir, "Sources/Anytime/Version.swift")) as file:
            program = re.search(r'anytimeVersion = "([^"]+)"', file.read())[1]
        with open(os.path.join(PYTHON, "pyproject.toml")) as file:
            package = re.search(r'^version = "([^"]+)"$', file.read(), re.MULTILINE)[1]
        self.assertEqual((package, an.__version__), (program, program))
