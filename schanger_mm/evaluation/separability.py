"""How well a linear classifier separates foreground from background in a feature space."""

from __future__ import annotations

import numpy as np


def linear_probe(train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray,
                 ridge: float = 1e-3) -> float:
    """Fit ridge regression on features and return its balanced accuracy on other features, in percent.

    50 is chance: a linear classifier finds nothing about the classes in the
    features.

    Args:
        train: ``(P, C)`` features, standardised here.
        train_labels: ``(P,)`` of 0 and 1.
        test: ``(Q, C)``.
        test_labels: ``(Q,)``.
        ridge: penalty, relative to the number of points.

    Returns:
        The mean of both classes' recalls, times 100; ``nan`` if either set
        lacks a class.
    """
    if any(len(np.unique(labels)) < 2 for labels in (train_labels, test_labels)):
        return float('nan')
    mean, std = train.mean(axis=0), train.std(axis=0) + 1e-8
    x = np.c_[(train - mean) / std, np.ones(len(train))].astype(np.float64)
    weight = np.where(train_labels == 1, 0.5 / (train_labels == 1).mean(), 0.5 / (train_labels == 0).mean())
    gram = (x * weight[:, None]).T @ x + ridge * len(x) * np.eye(x.shape[1])
    rule = np.linalg.solve(gram, (x * weight[:, None]).T @ (2.0 * train_labels - 1))
    found = np.c_[(test - mean) / std, np.ones(len(test))] @ rule > 0
    return 100 * float(np.mean([(found == label)[test_labels == label].mean() for label in (0, 1)]))
