"""Analysis of models, logs and thresholds, used by ``schanger curves``, ``thresholds`` and ``browse``."""
