"""Golden values of StatisticsTests for tests, effect sizes, bootstrap and distributions, by SciPy, statsmodels and
scikit-posthocs:

    python3 significance.py
"""

import itertools
import math

import numpy as np
import scikit_posthocs
from scipy import integrate, stats
from statsmodels.distributions.empirical_distribution import ECDF
from statsmodels.stats.multitest import multipletests

from xoshiro import draws

# No generator of either side: congruences. a and b together have no ties.
a = [(i * i * 37 + 11 * i) % 101 / 10 for i in range(12)]
b = [(i * 53 + 29) % 103 / 10 + 1.05 for i in range(9)]
tied = [float((i * i * 7 + 3 * i) % 8) for i in range(10)]
other = [float((i * i * 5 + i) % 9) for i in range(10)]
long_a = [float((i * i * 37 + 11 * i) % 101) for i in range(80)]
long_b = [float((i * i * 53 + 29 * i) % 97) + 4 for i in range(80)]


def show(name, *values):
    print(name, *(repr(float(v)) for v in values))


print("# Mann-Whitney: u, p")
show("exact", *stats.mannwhitneyu(a, b, method="exact"))
ways = stats.PermutationMethod(n_resamples=math.inf)
show("exact with ties", *stats.mannwhitneyu(tied[:7], other[:6], method=ways))
show("approximate", *stats.mannwhitneyu(long_a, long_b, method="asymptotic"))
show("approximate, few", *stats.mannwhitneyu(tied, other, method="asymptotic"))

print("# Wilcoxon: the smaller rank sum, p")
show("exact", *stats.wilcoxon(a[:9], b, method="exact"))
show("exact with ties and zeros", *stats.wilcoxon(tied, other, method=ways))
show("approximate", *stats.wilcoxon(long_a, long_b, method="asymptotic"))
for zeros in ["wilcox", "pratt"]:
    show("approximate, few, " + zeros, *stats.wilcoxon(tied, other, zero_method=zeros, method="asymptotic"))

print("# Friedman: chi-squared, p; Nemenyi; Holm")
blocks = np.array([[(i * i * 7 + 13 * i * (j + 1) + 5 * j * j) % 17 + (9 if j == 3 else 0) for j in range(4)]
                   for i in range(15)], dtype=float)
test = stats.friedmanchisquare(*blocks.T)
show("chi-squared", *test)
n, k = blocks.shape
f = (n - 1) * test.statistic / (n * (k - 1) - test.statistic)
show("Iman-Davenport p", stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
ranks = stats.rankdata(blocks, axis=1).mean(axis=0)
show("average ranks", *ranks)
nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(blocks).to_numpy()
pairs = list(itertools.combinations(range(k), 2))
show("Nemenyi", *(nemenyi[i, j] for i, j in pairs))
z = [abs(ranks[i] - ranks[j]) / math.sqrt(k * (k + 1) / (6 * n)) for i, j in pairs]
show("Holm", *multipletests([2 * stats.norm.sf(v) for v in z], method="holm")[1])
show("critical difference", stats.studentized_range.isf(0.05, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n)))

print("# studentized range, infinite degrees of freedom: by quadrature of its definition")
for q, groups in [(3.5, 3), (9.0, 10), (0.5, 2)]:
    mass, _ = integrate.quad(
        lambda v: stats.norm.pdf(v) * (stats.norm.cdf(v) ** (groups - 1) - (stats.norm.cdf(v) - stats.norm.cdf(v - q)) ** (groups - 1)),
        -12, 22, epsabs=0, epsrel=1e-13, limit=500, points=[0, q / 2, q])
    show(f"{q} {groups}", groups * mass, stats.studentized_range.sf(q, groups, np.inf))
show("quantile 0.05, 10", stats.studentized_range.isf(0.05, 10, np.inf))

print("# effect sizes by counting pairs: A12, Cliff's delta")
for x, y in [(a, b), (tied, other)]:
    greater = sum(p > q for p in x for q in y)
    less = sum(p < q for p in x for q in y)
    pairs_count = len(x) * len(y)
    show("", (greater + (pairs_count - greater - less) / 2) / pairs_count, (greater - less) / pairs_count)

print("# bootstrap of the mean and of the median: percentile, BCa")
for name, statistic in [("mean", np.mean), ("median", np.median)]:
    # Lemire's bounded integers; a rejection has probability 12 / 2^64.
    numbers = (value * len(a) >> 64 for value in draws(11, "bootstrap", 999 * len(a)))
    drawn = [statistic([a[next(numbers)] for _ in a]) for _ in range(999)]
    made = stats._resampling.BootstrapResult(
        confidence_interval=None, bootstrap_distribution=np.array(drawn), standard_error=0)
    for kind in ["percentile", "bca"]:
        interval = stats.bootstrap((a,), statistic, n_resamples=0, method=kind, vectorized=False, bootstrap_result=made)
        show(f"{name} {kind}", *interval.confidence_interval)

print("# empirical distribution of tied at 2.5, 3, 7; its quantiles 0.1, 0.5, 0.95")
show("", *ECDF(tied)([2.5, 3, 7]), *np.quantile(tied, [0.1, 0.5, 0.95], method="inverted_cdf"))

print("# mean height of a step curve over 2...50, linear and logarithmic, by quadrature")
places, heights = [1, 4, 10, 10, 30], [0.5, 0.25, 0.2, 0.125, 0.0625]
curve = lambda x: heights[max(i for i, place in enumerate(places) if place <= x)]
edges = [2, 4, 10, 30, 50]
linear = sum(integrate.quad(curve, lo, hi - 1e-12)[0] for lo, hi in zip(edges, edges[1:])) / 48
log = sum(integrate.quad(lambda t: curve(math.exp(t)), math.log(lo), math.log(hi) - 1e-12)[0]
          for lo, hi in zip(edges, edges[1:])) / math.log(25)
show("", linear, log)

print("# least p-values of exact tests: Mann-Whitney 3 and 200, 1 and 200, 4 and 4; Wilcoxon 6; Nemenyi 3 blocks, 5 methods")
for m, n in [(3, 200), (1, 200), (4, 4)]:
    show(f"{m} {n}", stats.mannwhitneyu(range(m), range(m, m + n), method="exact").pvalue)
show("6", stats.wilcoxon(range(1, 7), method="exact").pvalue)
show("3 blocks", stats.studentized_range.sf(4 / math.sqrt(5 * 6 / 18) * math.sqrt(2), 5, np.inf))

print("# Noether's sample sizes at 80 % power: two samples, A12 and level; signed ranks, part of ranks and level")
for a12, level in [(0.7, 0.05), (0.9, 0.05 / 105), (0.398148148148148, 0.05)]:
    z = stats.norm.ppf(1 - level / 2) + stats.norm.ppf(0.8)
    show(f"{a12}", z ** 2 / (12 * 0.25 * (a12 - 0.5) ** 2) / 2)
ranks = stats.rankdata(np.abs(np.array(a[:9]) - np.array(b)))
part = ranks[np.array(a[:9]) > np.array(b)].sum() / ranks.sum()
show("signed ranks", part, (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 / (3 * (part - 0.5) ** 2))
average = stats.rankdata(blocks, axis=1).mean(axis=0)
z = stats.studentized_range.isf(0.05, 4, np.inf) / math.sqrt(2) + stats.norm.ppf(0.8)
show("Nemenyi, first and second", z ** 2 * (4 * 5 / 6) / (average[0] - average[1]) ** 2)

print("# interval of the mean by Student's t")
show("a", *stats.t.interval(0.95, len(a) - 1, np.mean(a), stats.sem(a)))
show("three", *stats.t.interval(0.95, 2, 2, stats.sem([1, 2, 3])))

print("# samples with an order: Kendall's tau-b and p between level and value, Jonckheere and Terpstra's J; H and p")
levels = [a[:4], a[4:9], b[:6]]
tied_levels = [tied[:5], other[:7], [v + 2 for v in tied[5:]]]
for name, groups in [("no ties", levels), ("ties", tied_levels)]:
    index = [level for level, group in enumerate(groups) for _ in group]
    values = [v for group in groups for v in group]
    j = sum((v < w) + (v == w) / 2 for g, h in itertools.combinations(groups, 2) for v in g for w in h)
    show(name, *stats.kendalltau(index, values, method="asymptotic"), j)
    show(name, *stats.kruskal(*groups))
show("exact, single values", *stats.kendalltau(range(7), a[:7], method="exact"))
small, index = a[:3] + [v + 3 for v in b[:2]] + [v + 5 for v in a[3:6]], (0, 0, 0, 1, 1, 2, 2, 2)
count = lambda index: sum(small[i] < small[j] for i, j in itertools.product(range(8), repeat=2) if index[i] < index[j])
dealt = np.array([count(way) for way in set(itertools.permutations(index))])
show("exact, 3 levels: J, p, ways", count(index), 2 * min(np.mean(dealt <= count(index)), np.mean(dealt >= count(index))), len(dealt))

print("# Spearman: rho, p")
show("no ties", *stats.spearmanr(a[:9], b))
show("ties", *stats.spearmanr(tied, other))
show("long", *stats.spearmanr(long_a, long_b))
