"""Figures: AUC, sensitivity, specificity, calibration error, bootstrap."""

import numpy as np


def sigmoid(logit):
    return 1.0 / (1.0 + np.exp(-np.asarray(logit, dtype=np.float64)))


def auc(labels, scores):
    """Area under the ROC curve by ranks, ties counted half."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = labels == 1
    n1, n0 = positive.sum(), (~positive).sum()
    if n1 == 0 or n0 == 0:
        return float("nan")
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def sensitivity(labels, scores, threshold):
    return float((scores[labels == 1] >= threshold).mean())


def specificity(labels, scores, threshold):
    return float((scores[labels == 0] < threshold).mean())


def ece(labels, scores, bins=15):
    """Expected calibration error of P(positive), equal-width bins."""
    slot = np.minimum((scores * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        own = slot == b
        if own.any():
            total += own.mean() * abs(scores[own].mean() - labels[own].mean())
    return float(total)


def bootstrap(statistic, labels, scores, patients, seed=0, rounds=1000):
    """95 % interval of statistic(labels, scores), resampling patients."""
    rng = np.random.default_rng(seed)
    groups = {}
    for i, patient in enumerate(patients):
        groups.setdefault(patient, []).append(i)
    groups = [np.array(g) for g in groups.values()]
    values = []
    for _ in range(rounds):
        chosen = rng.integers(0, len(groups), len(groups))
        rows = np.concatenate([groups[g] for g in chosen])
        value = statistic(labels[rows], scores[rows])
        if np.isfinite(value):
            values.append(value)
    return tuple(float(v) for v in np.percentile(values, [2.5, 97.5]))


def ece_balanced(labels, scores, bins=15):
    """Calibration error with both classes weighted alike (prevalence one half)."""
    weight = np.where(labels == 1, 0.5 / (labels == 1).mean(), 0.5 / (labels == 0).mean())
    weight = weight / weight.sum()
    slot = np.minimum((scores * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        own = slot == b
        if own.any():
            total += abs((weight[own] * (scores[own] - labels[own])).sum())
    return float(total)


def fit_temperature(labels, logits):
    """Temperature of least class-balanced cross-entropy, by golden section."""
    weight = np.where(labels == 1, 0.5 / (labels == 1).mean(), 0.5 / (labels == 0).mean())

    def loss(log_t):
        z = np.asarray(logits, dtype=np.float64) / np.exp(log_t)
        return float((weight * (np.logaddexp(0.0, z) - labels * z)).mean())

    low, high = np.log(0.2), np.log(5.0)
    ratio = (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def top_of_plateau(labels, scores, width=0.003):
    """Highest threshold (two decimals) whose balanced accuracy is within `width` of the best."""
    steps = np.arange(1, 100) / 100
    balanced = [(sensitivity(labels, scores, t) + specificity(labels, scores, t)) / 2 for t in steps]
    return float(steps[np.flatnonzero(np.array(balanced) >= max(balanced) - width)[-1]])
