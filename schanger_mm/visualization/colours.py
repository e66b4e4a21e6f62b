"""Colours of change maps that colour-blind readers can distinguish.

Error colours are the vermillion and sky blue of Okabe and Ito's palette
(B. Wong, "Color blindness", Nature Methods 8, 2011); correct pixels are white,
which stands out by lightness alone.
"""

from __future__ import annotations

import numpy as np

from schanger_mm.evaluation.confusion import outcome_codes

GROUND = (16, 20, 26)
POSITIVE = (240, 240, 240)
FALSE_ALARM = (213, 94, 0)
MISSED = (86, 180, 233)
IGNORED = (112, 112, 112)

#: colour of each code of :func:`outcome_codes`
OUTCOME_COLOURS = np.array([GROUND, FALSE_ALARM, MISSED, POSITIVE, IGNORED], dtype=np.uint8)


def colour_outcome(prediction: np.ndarray, truth: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Colour a prediction by comparison with the truth, both ``(H, W)``, as RGB ``(H, W, 3)``.

    White: correctly found; vermillion: false alarm; sky blue: missed; grey: ignored.
    """
    return OUTCOME_COLOURS[outcome_codes(prediction, truth, ignore_index)]


def colour_map(values: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Colour a truth or a lone prediction ``(H, W)``: 1 white, ``ignore_index`` grey, the rest ground."""
    out = np.empty((*values.shape, 3), dtype=np.uint8)
    out[:] = GROUND
    out[values == 1] = POSITIVE
    out[values == ignore_index] = IGNORED
    return out
