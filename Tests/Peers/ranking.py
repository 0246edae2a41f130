"""Golden values of how a supernet ranks cells. Run with NumPy and SciPy: python3 ranking.py

Precision and ranks as in examples/research/surgery/evaluation.py of walkerning/aw_nas (Ning et al., NeurIPS 2021): of
the 5 % with the greatest predicted scores, those that are among the truly best 5 %, and their least and greatest rank.
"""

import numpy as np
from scipy import stats

count = 60
n = np.arange(count)
truth = 0.1 + 0.05 * np.sin(1.3 * n) + 0.001 * n
errors = truth + 0.03 * np.sin(2.9 * n + 1)
losses = 2 * truth + 0.05 * np.cos(1.7 * n)
parameters = 1000 + 37 * n % 411
before = truth + 0.04 * np.sin(0.7 * n)

print("spearman", repr(stats.spearmanr(errors, truth).statistic))
print("kendall", repr(stats.kendalltau(errors, truth).statistic))
print("spearman by loss", repr(stats.spearmanr(losses, truth).statistic))
print("spearman with parameters", repr(stats.spearmanr(errors, parameters).statistic))
print("kendall with the probe before", repr(stats.kendalltau(errors, before).statistic))
k = int(0.05 * count)
rank = stats.rankdata(truth)
top, bottom = np.argsort(errors)[:k], np.argsort(errors)[count - k:]
print("precision at top", np.mean(rank[top] <= k), "at bottom", np.mean(rank[bottom] > count - k))
print("ranks", rank[top].min() / count, rank[top].max() / count)
