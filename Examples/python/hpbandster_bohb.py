"""BOHB and Hyperband by HpBandSter 0.7.4 (pip install hpbandster==0.7.4 ConfigSpace 'setuptools<81').

    - external: {command: "python3 hpbandster_bohb.py", name: bohb, files: [hpbandster_bohb.py, config_space.py]}
    - external: {command: "python3 hpbandster_bohb.py", name: hyperband, files: [hpbandster_bohb.py, config_space.py],
        settings: {model: false}}

`model` (default true) chooses BOHB; without it configurations are random. `eta` (default 3) is the factor between the
sizes of rungs. Other settings are parameters of HpBandSter's generator, such as {min_bandwidth: 0.3}.

HpBandSter's own loop needs a name server and workers; here are its brackets and promotions, with one worker
(`optimizers/bohb.py`, `core/base_iteration.py`), around its own generators of configurations.
"""

from types import SimpleNamespace

import anytime_nas as an
import ConfigSpace
import hpbandster.optimizers.config_generators.bohb as bohb
import numpy as np
from config_space import config_space


def successive_halving(s, generator, eta):
    count, iteration = len(s.fidelities), 0
    while True:
        rungs = count - 1 - iteration % count
        first = int(np.floor(count / (rungs + 1)) * eta**rungs)
        numbers = [max(int(first * eta ** (-i)), 1) for i in range(rungs + 1)]
        survivors = None
        for number, epochs in zip(numbers, s.fidelities[-rungs - 1 :]):
            if survivors is None:
                configurations = [None] * number
            else:
                order = np.argsort([loss for _, loss in survivors], kind="stable")[:number]
                configurations = [survivors[i][0] for i in order]
            survivors = []
            for configuration in configurations:
                if configuration is None:
                    configuration = generator.get_config(epochs)[0]
                loss = 1 - s.evaluate([configuration[p.name] for p in s.space], epochs).validation
                generator.new_result(SimpleNamespace(
                    result={"loss": loss}, kwargs={"budget": epochs, "config": configuration}, exception=None))
                survivors.append((configuration, loss))
        iteration += 1


def adapted(space):
    """A recent ConfigSpace under the names that HpBandSter 0.7.4 calls."""
    order = list(space.values())

    class Configuration(dict):
        def get_dictionary(self):
            return dict(self)

        def get_array(self):
            return np.array([float(h.to_vector(self[h.name])) for h in order])

    class Space:
        get_hyperparameters = staticmethod(lambda: order)
        get_hyperparameter = staticmethod(lambda name: space[name])
        get_hyperparameter_by_idx = staticmethod(lambda index: order[index].name)
        sample_configuration = staticmethod(lambda: Configuration(dict(space.sample_configuration())))

    def make(_, values=None, vector=None):
        return Configuration(values if vector is None else {h.name: h.to_value(v) for h, v in zip(order, vector)})

    class Names:
        class util:
            @staticmethod
            def deactivate_inactive_hyperparameters(configuration, configuration_space):
                return Configuration(configuration)

        hyperparameters = ConfigSpace.hyperparameters
        Configuration = staticmethod(make)

    bohb.ConfigSpace = Names
    return Space()


def search(s):
    settings = dict(s.settings)
    model, eta = settings.pop("model", True), settings.pop("eta", 3)
    seed = s.seed % 2**32
    np.seterr(all="ignore")
    np.random.seed(seed)
    space = config_space(s.space, seed)
    if model:
        generator = bohb.BOHB(configspace=adapted(space), **settings)
    else:
        # HpBandSter's RandomSampling, which calls a method that recent ConfigSpace lacks.
        generator = SimpleNamespace(
            get_config=lambda budget: (dict(space.sample_configuration()), {}), new_result=lambda job: None)
    successive_halving(s, generator, eta)


if __name__ == "__main__":
    an.serve(search)
