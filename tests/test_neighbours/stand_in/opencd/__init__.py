"""Stand-in for Open-CD 1.1: its interfaces, not its code."""

__version__ = '1.1.0'
