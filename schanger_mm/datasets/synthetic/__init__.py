"""Procedurally drawn aerial-like scenes: a demo set without a download, not solved by differencing."""

from .render import MAX_SHIFT, Conditions, draw_conditions, draw_pair, draw_single, render
from .scene import Scene, draw_scene
from .writer import DemoSizes, write_demo_set

__all__ = [
    'MAX_SHIFT',
    'Conditions',
    'DemoSizes',
    'Scene',
    'draw_conditions',
    'draw_pair',
    'draw_scene',
    'draw_single',
    'render',
    'write_demo_set',
]
