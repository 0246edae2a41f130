"""Golden values of a regression tree: scikit-learn 1.x with the settings of RandomForest, no bootstrap, every feature.

    python3 forest.py
"""

import numpy as np
from sklearn.tree import DecisionTreeRegressor

# The same numbers as in the test: a quadratic congruence, no generator of either side.
values = np.array([[(i * i * 7 + 13 * i * (j + 1) + 5 * j) % 101 for j in range(3)] for i in range(24)], dtype=float)
targets = np.array([(3 * a - 2 * b + a * c / 10) for a, b, c in values])
tree = DecisionTreeRegressor(min_samples_split=3, min_samples_leaf=3, random_state=0).fit(values, targets)
print(", ".join(f"{v:.12g}" for v in tree.predict(values)))
