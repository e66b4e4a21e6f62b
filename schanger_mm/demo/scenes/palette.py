"""Colours of the synthetic scenes, RGB as seen in mid-summer sunlight, 0..255."""

import numpy as np

ROOFS = {
    'house': [
        (166, 88, 66),
        (134, 70, 56),
        (114, 90, 74),
        (82, 84, 88),
        (136, 138, 140),
        (190, 170, 132),
        (96, 118, 84),
    ],
    'hall': [(226, 226, 220), (180, 178, 170), (134, 136, 140), (64, 66, 70), (90, 118, 158), (104, 128, 92)],
    'farm': [(150, 84, 66), (176, 174, 168), (112, 94, 80), (74, 76, 80), (186, 162, 116), (98, 122, 86)],
}
"""Several roofs deliberately look like a field, a yard or a road: colour alone must not identify a building."""

GROUND = {
    'road': [(104, 104, 108), (122, 120, 118), (90, 91, 96), (146, 140, 130)],
    'paved': [(160, 156, 148), (142, 140, 138), (176, 168, 154), (120, 120, 122)],
    'soil': [(152, 124, 94), (134, 106, 80), (176, 150, 116)],
    'lawn': [(98, 122, 70), (88, 112, 64), (112, 130, 80)],
    'pool': [(88, 140, 158), (104, 150, 162)],
    'pond': [(62, 84, 84), (74, 88, 80)],
    'court': [(150, 96, 74), (84, 124, 98), (96, 110, 150)],
}
CROPS = [
    (92, 122, 62),
    (72, 100, 54),
    (188, 166, 104),
    (142, 114, 84),
    (122, 134, 82),
    (112, 90, 70),
    (166, 152, 112),
]
LEAVES = [(62, 90, 48), (74, 98, 52), (54, 80, 50), (88, 104, 56)]
CAR_COLOURS = [(222, 222, 220), (40, 42, 46), (150, 152, 156), (160, 50, 44), (58, 84, 132), (90, 92, 96)]

STRAW = np.array((164, 148, 104), float)
"""Colour of grass at the dry end of the season."""
AUTUMN = np.array((138, 104, 62), float)
"""Colour of leaves at the dry end of the season."""


def pick(rng: np.random.Generator, colours: list) -> np.ndarray:
    """Pick one of the colours, (3,) float."""
    return np.array(colours[rng.integers(len(colours))], float)


def jitter(rng: np.random.Generator, colour: np.ndarray, strength: float) -> np.ndarray:
    """Return the colour (3,) with a common brightness offset and a smaller one per channel, in grey levels."""
    return np.clip(colour + rng.normal(0, strength) + rng.normal(0, strength / 3, 3), 8, 247)
