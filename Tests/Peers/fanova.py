"""Golden values of functional ANOVA: Optuna's on trees of scikit-learn and as a whole; sums of squares of a balanced
design by statsmodels.

    python3 fanova.py
"""

import itertools

import numpy as np
import optuna
import pandas
import statsmodels.api as sm
from optuna.importance import FanovaImportanceEvaluator
from optuna.importance._fanova._tree import _FanovaTree
from sklearn.tree import DecisionTreeRegressor
from statsmodels.formula.api import ols

# The same numbers as in the test: congruences, no generator of either side.
values = np.array([[(i * i * 7 + 13 * i * (j + 1) + 5 * j) % 101 for j in range(3)] for i in range(60)], dtype=float)
a, b, c = values.T / 100
targets = 4 * a + 2 * b * b + 3 * a * b + c / 2
domains = np.array([[0.0, 101], [-10, 120], [2.5, 100]])
pairs = list(itertools.combinations(range(3), 2))


def show(name, numbers):
    print(name, ", ".join(repr(float(n)) for n in numbers))


print("# two trees: feature (-1: leaf), threshold, right child, value; fractions of features and pairs")
for part in (slice(0, 30), slice(30, 60)):
    tree = DecisionTreeRegressor(max_depth=3, min_samples_leaf=2, random_state=0).fit(values[part], targets[part]).tree_
    assert all(left in (-1, node + 1) for node, left in enumerate(tree.children_left))
    for node in range(tree.node_count):
        split = f"{tree.feature[node]}, {tree.threshold[node]:g}, {tree.children_right[node]}"
        leaf = f"-1, 0, {node}"
        print(f"({leaf if tree.feature[node] < 0 else split}, {float(tree.value[node][0][0])!r}),")
    fanova = _FanovaTree(tree, domains)
    alone = [fanova.get_marginal_variance(np.array([f])) for f in range(3)]
    show("fractions", [v / fanova.variance for v in alone]
         + [(fanova.get_marginal_variance(np.array(p)) - sum(alone[f] for f in p)) / fanova.variance for p in pairs])

print("# the evaluator, with five seeds")
optuna.logging.set_verbosity(optuna.logging.WARNING)
names = ["a", "b", "c"]
study = optuna.create_study()
space = {name: optuna.distributions.FloatDistribution(0, 100) for name in names}
for row, target in zip(values, targets):
    study.add_trial(optuna.trial.create_trial(params=dict(zip(names, row)), distributions=space, value=target))
for seed in range(5):
    importance = FanovaImportanceEvaluator(seed=seed).evaluate(study)
    show(f"seed {seed}", [importance[name] for name in names])

print("# a balanced design: sums of squares over their total, of factors and pairs")
rows = [(i, j, k, (i * i * 37 + 11 * j * j + 29 * k + 17 * i * j + 5 * j * k + 7 * i * k) % 103)
        for i in range(3) for j in range(4) for k in range(2)]
frame = pandas.DataFrame(rows, columns=["a", "b", "c", "y"])
table = sm.stats.anova_lm(ols("y ~ (C(a) + C(b) + C(c)) ** 2", frame).fit())
show("fractions", (table["sum_sq"] / table["sum_sq"].sum())[:6])
