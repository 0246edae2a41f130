"""Methods of Syne Tune (pip install syne-tune).

    - external: {command: "python3 syne_tune_search.py", name: syne-tune, files: [syne_tune_search.py]}
    - external: {command: "python3 syne_tune_search.py", name: asha, files: [syne_tune_search.py],
        settings: {scheduler: ASHA}}

`scheduler` is the name of a class in `syne_tune.optimizer.baselines` of one objective (default TPE);
other settings are its parameters. Where it stops trials early, a trial climbs the fidelities until it is
stopped. Each is a training of its own, from scratch, unless the policy has `resume: true`.
"""

import datetime
import inspect

import anytime_nas as an
import numpy as np
import syne_tune.config_space as cs
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer import baselines
from syne_tune.optimizer.scheduler import SchedulerDecision


def dimension(parameter):
    if isinstance(parameter, an.Categorical):
        return cs.choice(list(range(len(parameter.choices))))
    if isinstance(parameter, an.Ordinal):
        return cs.ordinal(list(range(len(parameter.choices))))
    if isinstance(parameter, an.Integer):
        return (cs.lograndint if parameter.log else cs.randint)(parameter.low, parameter.high)
    return (cs.loguniform if parameter.log else cs.uniform)(parameter.low, parameter.high)


def search(s):
    settings = dict(s.settings)
    seed = s.seed % 2**31
    np.random.seed(seed)  # brackets are drawn from NumPy's own generator
    kind = getattr(baselines, settings.pop("scheduler", "TPE"))
    known = inspect.signature(kind).parameters
    given = {"metric": "error"} if "metric" in known else {"metrics": ["error"]}
    fidelities = s.fidelities[-1:]
    if "max_t" in known:
        fidelities = s.fidelities
        given.update(time_attr="epochs", max_t=fidelities[-1])
        if "grace_period" in known:
            given["grace_period"] = fidelities[0]
    space = {parameter.name: dimension(parameter) for parameter in s.space}
    scheduler = kind(space, **{**given, "random_seed": seed, **settings})
    number = 0
    while True:
        suggestion = scheduler.suggest()
        if suggestion is None:
            return
        trial = Trial(trial_id=number, config=suggestion.config, creation_time=datetime.datetime(2000, 1, 1))
        number += 1
        scheduler.on_trial_add(trial)
        for epochs in fidelities:
            evaluation = s.evaluate([trial.config[parameter.name] for parameter in s.space], epochs)
            result = {"error": 1 - evaluation.validation, "epochs": epochs}
            if epochs < fidelities[-1] and scheduler.on_trial_result(trial, result) != SchedulerDecision.CONTINUE:
                scheduler.on_trial_remove(trial)
                break
        else:
            scheduler.on_trial_complete(trial, result)


if __name__ == "__main__":
    an.serve(search)
