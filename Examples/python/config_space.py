"""A search space as ConfigSpace has it, for the libraries that use it: SMAC3, DEHB and HpBandSter.

A choice is its number, so that a configuration's values in the space's order are a configuration of the protocol. An
ordinal parameter is the whole number of its choice.
"""

import ConfigSpace
from anytime_nas import Categorical, Integer, Ordinal


def hyperparameter(parameter):
    if isinstance(parameter, Categorical):
        return ConfigSpace.CategoricalHyperparameter(parameter.name, list(range(len(parameter.choices))))
    if isinstance(parameter, Ordinal):
        return ConfigSpace.UniformIntegerHyperparameter(parameter.name, 0, len(parameter.choices) - 1)
    if isinstance(parameter, Integer):
        kind = ConfigSpace.UniformIntegerHyperparameter
    else:
        kind = ConfigSpace.UniformFloatHyperparameter
    return kind(parameter.name, parameter.low, parameter.high, log=parameter.log)


def config_space(space, seed):
    result = ConfigSpace.ConfigurationSpace(seed=seed)
    result.add([hyperparameter(parameter) for parameter in space])
    return result


def values(space, configuration):
    """The numbers of a configuration of ConfigSpace."""
    return [configuration[parameter.name] for parameter in space]
