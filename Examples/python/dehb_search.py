"""DEHB by its authors (pip install DEHB).

    - external: {command: "python3 dehb_search.py", name: dehb, files: [dehb_search.py, config_space.py]}

`settings` are parameters of `dehb.DEHB`, such as {eta: 3, mutation_factor: 0.5, crossover_prob: 0.5}. It trains at the
fidelity of the table that is nearest to the one it asks for.
"""

import tempfile

import anytime_nas as an
from config_space import config_space, values
from dehb import DEHB
from loguru import logger


def search(s):
    logger.remove()
    seed = s.seed % 2**32
    with tempfile.TemporaryDirectory() as folder:
        dehb = DEHB(**{
            "cs": config_space(s.space, seed), "min_fidelity": s.fidelities[0], "max_fidelity": s.fidelities[-1],
            "eta": 3, "n_workers": 1, "seed": seed, "output_path": folder, "save_freq": "end", **s.settings,
        })
        while True:
            job = dehb.ask()
            epochs = min(s.fidelities, key=lambda e: abs(e - job["fidelity"]))
            loss = 1 - s.evaluate(values(s.space, job["config"]), epochs).validation
            dehb.tell(job, {"fitness": loss, "cost": epochs})


if __name__ == "__main__":
    an.serve(search)
