"""Search spaces: parameters and their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Union


@dataclass(frozen=True)
class Categorical:
    """A parameter whose choices have no order."""

    name: str
    choices: Tuple[str, ...]


@dataclass(frozen=True)
class Ordinal:
    """A parameter whose choices have an order, but no distances."""

    name: str
    choices: Tuple[str, ...]


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``, both included; ``log``: on a logarithmic scale."""

    name: str
    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Real:
    """A number from ``low`` to ``high``, both included; ``log``: on a logarithmic scale."""

    name: str
    low: float
    high: float
    log: bool = False


Parameter = Union[Categorical, Ordinal, Integer, Real]

#: A configuration by names, ``{"operation-1": "maxpool3x3", "learning-rate": 0.01}``, or by numbers in the order of
#: the parameters, where a choice is its index from 0.
Configuration = Union[Mapping[str, Any], Sequence[float]]


def _parameter(message: Mapping[str, Any]) -> Parameter:
    name, kind = message["name"], message["kind"]
    if kind == "categorical":
        return Categorical(name, tuple(message["choices"]))
    if kind == "ordinal":
        return Ordinal(name, tuple(message["choices"]))
    if kind == "integer":
        return Integer(name, int(message["low"]), int(message["high"]), bool(message.get("log", False)))
    if kind == "real":
        return Real(name, float(message["low"]), float(message["high"]), bool(message.get("log", False)))
    raise ValueError(f"parameter '{name}' is of a kind that this package does not know: '{kind}'; upgrade anytime-nas")


@dataclass(frozen=True)
class Space:
    """A search space."""

    name: str
    parameters: Tuple[Parameter, ...]
    #: Whether its configurations are architectures; others are, for example, hyperparameters of a method.
    architectures: bool = True

    @staticmethod
    def _from(message: Mapping[str, Any]) -> Space:
        parameters = tuple(_parameter(p) for p in message["parameters"])
        return Space(message["name"], parameters, bool(message.get("architectures", True)))

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def values(self, configuration: Mapping[str, Any]) -> List[float]:
        """The numbers of a configuration, in the parameters' order; a choice is its index from 0.

        Raises ``KeyError`` for a parameter that it lacks, ``ValueError`` for a choice that there is not.
        """
        numbers: List[float] = []
        for parameter in self.parameters:
            value = configuration[parameter.name]
            if isinstance(parameter, (Categorical, Ordinal)):
                if value not in parameter.choices:
                    raise ValueError(f"'{value}' is no choice of parameter '{parameter.name}'")
                numbers.append(parameter.choices.index(value))
            else:
                numbers.append(value)
        return numbers

    def configuration(self, values: Sequence[float]) -> Dict[str, Any]:
        """The configuration, by names, of numbers in the parameters' order.

        Raises ``ValueError`` for another count of numbers, ``IndexError`` for a choice that there is not.
        """
        if len(values) != len(self.parameters):
            raise ValueError(f"there are {len(values)} numbers for the {len(self.parameters)} parameters of the space")
        named: Dict[str, Any] = {}
        for parameter, value in zip(self.parameters, values):
            if isinstance(parameter, (Categorical, Ordinal)):
                if not 0 <= value < len(parameter.choices):
                    raise IndexError(f"parameter '{parameter.name}' has no choice number {value}")
                named[parameter.name] = parameter.choices[int(value)]
            else:
                named[parameter.name] = int(value) if isinstance(parameter, Integer) else float(value)
        return named
