"""The shortest guest: random search.

    - external: {command: "python3 random_search.py", name: random, files: [random_search.py]}
"""

import anytime_nas as an


def search(s):
    while True:
        s.evaluate(s.sample())


if __name__ == "__main__":
    an.serve(search)
