"""Golden values of the kernel densities, bandwidths, Parzen estimators and acquisition functions. Needs NumPy,
SciPy, statsmodels 0.15 and hyperopt 0.2.7.

    python3 density.py
"""

import numpy as np
from hyperopt.tpe import GMM1_lpdf, adaptive_parzen_normal, linear_forgetting_weights
from scipy.stats import norm, truncnorm
from statsmodels.nonparametric.kernel_density import KDEMultivariate


def show(name, values):
    print(f"{name}: [" + ", ".join(f"{float(v):.15g}" for v in np.ravel(values)) + "]")


# Two categorical variables of 3 and 2 levels, all of which occur, and a real one.
data = np.array(
    [[0, 1, 0.10], [1, 0, 0.35], [2, 1, 0.40], [0, 0, 0.80], [1, 1, 0.55], [0, 1, 0.95], [2, 0, 0.05]]
)
kde = KDEMultivariate(data, var_type="uuc", bw="normal_reference")
show("normal reference", kde.bw)
kde.bw = np.clip(kde.bw, 0.3, None)
kde.bw[:2] = [0.4, 0.35]
points = [[0, 1, 0.2], [2, 0, 0.6], [1, 1, 1.0]]
show("density", [kde.pdf(p) for p in points])

show("forgetting 5 of 12", linear_forgetting_weights(12, 5))
for name, mus, lf in [
    ("parzen 0", [], 25),
    ("parzen 1", [0.9], 25),
    ("parzen 5", [0.2, 1.7, 0.25, 0.9, 1.0], 25),
    ("parzen 5, forgetting 2", [0.2, 1.7, 0.25, 0.9, 1.0], 2),
]:
    weights, means, sigmas = adaptive_parzen_normal(np.array(mus, dtype=float), 1.0, 1.0, 2.0, lf)
    show(name + " weights", weights)
    show(name + " means", means)
    show(name + " deviations", sigmas)
    x = np.array([0.1, 0.9, 1.5])
    show(name + " density", np.exp(GMM1_lpdf(x, weights, means, sigmas, low=0.0, high=2.0)))
weights, means, sigmas = adaptive_parzen_normal(np.array([3.0, 1.0, 4.0]), 1.0, 2.5, 6.0, 25)
x = np.array([0.0, 1.0, 3.0, 5.0])
show("whole numbers", np.exp(GMM1_lpdf(x, weights, means, sigmas, low=-0.5, high=5.5, q=1)))

mean, deviation, least = 0.30, 0.05, 0.28
z = (least - mean) / deviation
show("expected improvement", [(least - mean) * norm.cdf(z) + deviation * norm.pdf(z)])
show("truncated normal quantiles", truncnorm.ppf([0.1, 0.5, 0.9], -1.0, 4.0, loc=0.2, scale=0.2))
