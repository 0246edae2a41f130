"""Any sampler of Optuna (pip install optuna).

    - external: {command: "python3 optuna_sampler.py", name: optuna, files: [optuna_sampler.py]}
    - external: {command: "python3 optuna_sampler.py", name: cma-es, files: [optuna_sampler.py],
        settings: {sampler: CmaEsSampler}}

`sampler` is the name of a class in `optuna.samplers` (default TPESampler); other settings are its parameters, such as
{multivariate: true}.
"""

import anytime_nas as an
import optuna


def suggest(trial, parameter):
    if isinstance(parameter, an.Categorical):
        return trial.suggest_categorical(parameter.name, list(range(len(parameter.choices))))
    if isinstance(parameter, an.Ordinal):
        return trial.suggest_int(parameter.name, 0, len(parameter.choices) - 1)
    if isinstance(parameter, an.Integer):
        return trial.suggest_int(parameter.name, parameter.low, parameter.high, log=parameter.log)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)


def search(s):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    settings = dict(s.settings)
    sampler = getattr(optuna.samplers, settings.pop("sampler", "TPESampler"))
    study = optuna.create_study(sampler=sampler(seed=s.seed % 2**32, **settings))
    study.optimize(
        lambda trial: 1 - s.evaluate([suggest(trial, parameter) for parameter in s.space]).validation,
        n_trials=100_000,
    )


if __name__ == "__main__":
    an.serve(search)
