"""Any optimizer of Nevergrad (pip install nevergrad).

    - external: {command: "python3 nevergrad_search.py", name: nevergrad, files: [nevergrad_search.py]}
    - external: {command: "python3 nevergrad_search.py", name: "1+1", files: [nevergrad_search.py],
        settings: {optimizer: DiscreteOnePlusOne}}

`optimizer` is a name in Nevergrad's registry (default NGOpt). Those that plan by their number of evaluations are told
how many trainings of median length at the highest fidelity the horizon pays for, or `budget`, if it is given.
"""

import math

import anytime_nas as an
import nevergrad as ng
import numpy as np


def dimension(parameter):
    if isinstance(parameter, an.Categorical):
        return ng.p.Choice(list(range(len(parameter.choices))))
    if isinstance(parameter, an.Ordinal):
        return ng.p.TransitionChoice(list(range(len(parameter.choices))))
    if parameter.log:
        scalar = ng.p.Log(lower=parameter.low, upper=parameter.high)
    else:
        scalar = ng.p.Scalar(lower=parameter.low, upper=parameter.high)
    return scalar.set_integer_casting() if isinstance(parameter, an.Integer) else scalar


def trainings(s):
    """The number of trainings at the highest fidelity within the horizon; `None` without one."""
    if math.isinf(s.horizon):
        return None
    epochs = s.fidelities[-1]
    cost = {"seconds": s.seconds.get(epochs, 1), "epochs": epochs, "evaluations": 1}[s.currency]
    return max(1, int(s.horizon / cost))


def search(s):
    space = ng.p.Tuple(*[dimension(parameter) for parameter in s.space])
    space.random_state = np.random.RandomState(s.seed % 2**32)
    optimizer = ng.optimizers.registry[s.settings.get("optimizer", "NGOpt")](
        space, budget=s.settings.get("budget", trainings(s)), num_workers=1)
    while True:
        candidate = optimizer.ask()
        optimizer.tell(candidate, 1 - s.evaluate(candidate.value).validation)


if __name__ == "__main__":
    an.serve(search)
