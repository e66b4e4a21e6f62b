"""Analysis of models, logs and thresholds: what ``tools/analysis_tools`` call."""
