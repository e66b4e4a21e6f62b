"""Procedurally drawn, aerial-like scenes: a demo set that needs no download and is not solved by differencing."""

from schanger_mm.demo.scenes.kinds import KindPair, draw_kind_pair, write_kind_pair
from schanger_mm.demo.scenes.render import (
    MAX_SHIFT,
    Conditions,
    draw_conditions,
    draw_pair,
    draw_pair_with_masks,
    draw_single,
    render,
)
from schanger_mm.demo.scenes.scene import Scene, draw_scene
from schanger_mm.demo.scenes.writer import DemoSizes, write_demo_set

__all__ = [
    'MAX_SHIFT',
    'Conditions',
    'DemoSizes',
    'KindPair',
    'Scene',
    'draw_conditions',
    'draw_kind_pair',
    'draw_pair',
    'draw_pair_with_masks',
    'draw_scene',
    'draw_single',
    'render',
    'write_demo_set',
    'write_kind_pair',
]
