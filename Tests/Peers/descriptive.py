"""Golden values for Statistics. Run with NumPy and SciPy: python3 descriptive.py"""

import numpy as np
from scipy import stats

a = np.array([3, 1, 4, 1, 5, 9, 2, 6.0])
b = np.array([2, 7, 1, 8, 2, 8, 1, 8.0])
print("mean", repr(a.mean()), "sd", repr(a.std(ddof=1)), "se", repr(stats.sem(a)))
print("quantiles", np.quantile(a, [0, 0.25, 0.5, 0.75, 1]))
print("spearman", repr(stats.spearmanr(a, b).statistic))
print("kendall", repr(stats.kendalltau(a, b).statistic))
long = [(i * i * 7 + 13 * i) % 31 for i in range(500)]
there = [(i * i * 3 + 5 * i) % 47 for i in range(500)]
print("kendall of 500 pairs", repr(stats.kendalltau(long, there).statistic))
print("linear fit", stats.linregress(a, b))
