"""Drawn scenes and the demo."""
