"""Tree-structured Parzen estimators by hyperopt (pip install hyperopt).

    - external: {command: "python3 hyperopt_tpe.py", name: hyperopt, files: [hyperopt_tpe.py]}

`settings` are parameters of `hyperopt.tpe.suggest`, such as {n_startup_jobs: 20, gamma: 0.25, n_EI_candidates: 24}.
"""

import functools
import math

import anytime_nas as an
import hyperopt
import numpy as np
from hyperopt import hp


def dimension(parameter):
    if isinstance(parameter, (an.Categorical, an.Ordinal)):
        return hp.choice(parameter.name, list(range(len(parameter.choices))))
    low, high = parameter.low, parameter.high
    if isinstance(parameter, an.Integer):
        if parameter.log:
            return hp.qloguniform(parameter.name, math.log(low), math.log(high), 1)
        return hp.uniformint(parameter.name, low, high)
    if parameter.log:
        return hp.loguniform(parameter.name, math.log(low), math.log(high))
    return hp.uniform(parameter.name, low, high)


def search(s):
    hyperopt.fmin(
        lambda point: 1 - s.evaluate(point).validation,
        [dimension(parameter) for parameter in s.space],
        algo=functools.partial(hyperopt.tpe.suggest, **s.settings),
        max_evals=100_000,
        rstate=np.random.default_rng(s.seed),
        show_progressbar=False,
        verbose=False,
    )


if __name__ == "__main__":
    an.serve(search)
