"""Any facade of SMAC3 (pip install smac).

    - external: {command: "python3 smac_facade.py", name: smac3, files: [smac_facade.py, config_space.py]}
    - external: {command: "python3 smac_facade.py", name: gaussian process, files: [smac_facade.py, config_space.py],
        settings: {facade: BlackBoxFacade}}

`facade` is the name of a class in `smac` (default HyperparameterOptimizationFacade; MultiFidelityFacade trains at
several fidelities); other settings are parameters of `smac.Scenario`, such as {n_trials: 1000}, on which the facades'
initial designs depend. MultiFidelityFacade is reproducible only where Python's sets keep their order:
`command: "env PYTHONHASHSEED=0 python3 smac_facade.py"`.
"""

import tempfile

import anytime_nas as an
import smac
from config_space import config_space, values
from smac.runhistory import TrialValue


def search(s):
    settings = {"n_trials": 1_000, **s.settings}
    facade = getattr(smac, settings.pop("facade", "HyperparameterOptimizationFacade"))
    if facade is smac.MultiFidelityFacade:
        settings = {"min_budget": s.fidelities[0], "max_budget": s.fidelities[-1], **settings}
    seed = s.seed % 2**32
    with tempfile.TemporaryDirectory() as folder:
        scenario = smac.Scenario(config_space(s.space, seed), seed=seed, output_directory=folder, **settings)
        search = facade(scenario, lambda config, seed=0, budget=0: 0.0, overwrite=True, logging_level=False)
        while True:
            trial = search.ask()
            epochs = None if trial.budget is None else min(s.fidelities, key=lambda e: abs(e - trial.budget))
            search.tell(trial, TrialValue(cost=1 - s.evaluate(values(s.space, trial.config), epochs).validation))


if __name__ == "__main__":
    an.serve(search)
