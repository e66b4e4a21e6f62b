"""Colour, noise and blur for single uint8 images, as defined by albumentations 1.4.0.

Default magnitudes are those of that library. Each class is always applied; use
mmcv's ``RandomApply`` and ``RandomChoice`` for probabilities. Drawing parameters
(``draw``) is separate from using them (``apply``). Values are rounded, not
truncated, so images do not darken on average.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.errors import SettingError

LEVELS = np.arange(256, dtype=np.float64)


class Photometric(BaseTransform):
    """Changes ``img`` (H, W, 3) uint8 B, G, R; labels are not changed.

    Raises:
        TypeError: ``img`` is anything else.
    """

    def transform(self, results: dict) -> dict:
        """Draw and apply."""
        image = results['img']
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
            found = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image)
            raise TypeError(f'{type(self).__name__}: expected `img` as uint8 (H, W, 3), found {found}; it '
                            'comes before normalisation, and for two dates into ForBothDates.')
        results['img'] = self.apply(image, self.draw(image.shape))
        return results

    @abstractmethod
    def draw(self, shape: tuple[int, int, int]) -> Any:
        """Draw the parameters for an image of this shape from ``numpy.random``."""

    @abstractmethod
    def apply(self, image: np.ndarray, drawn: Any) -> np.ndarray:
        """Return the changed image for drawn parameters."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}({", ".join(f"{key}={value}" for key, value in vars(self).items())})'


@TRANSFORMS.register_module()
class GaussianNoise(Photometric):
    """Add independent normal noise to every pixel and channel.

    Args:
        var (tuple[float, float]): range of the variance, in grey levels
            squared.
    """

    def __init__(self, var: tuple[float, float] = (10, 50)) -> None:
        self.var = _range(self, 'var', var, 0)

    def draw(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Draw a noise field of the image's shape."""
        return np.random.normal(0, np.random.uniform(*self.var) ** 0.5, shape)

    def apply(self, image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Add the field."""
        return _to_uint8(image + drawn)


@TRANSFORMS.register_module()
class HueSaturationValue(Photometric):
    """Shift hue, saturation and value by uniform draws from [-limit, limit].

    Args:
        hue (float): limit in OpenCV's units (2 degrees each, 180 a turn).
        saturation (float): limit in levels of 255.
        value (float): limit in levels of 255.
    """

    def __init__(self, hue: float = 20, saturation: float = 30, value: float = 20) -> None:
        self.limits = tuple(_range(self, name, (0, limit), 0)[1] for name, limit in (
            ('hue', hue), ('saturation', saturation), ('value', value)))

    def draw(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Draw three shifts."""
        return np.random.uniform(-1, 1, 3) * self.limits

    def apply(self, image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Shift by (hue, saturation, value)."""
        hue, saturation, value = drawn
        tables = (_hue_table(hue), _to_uint8(LEVELS + saturation), _to_uint8(LEVELS + value))
        hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), np.stack(tables, axis=-1)[:, None])
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


@TRANSFORMS.register_module()
class BrightnessContrast(Photometric):
    """``image * (1 + c) + 255 * b``, c and b uniform in [-limit, limit].

    Args:
        brightness (float): limit of b.
        contrast (float): limit of c.
    """

    def __init__(self, brightness: float = 0.2, contrast: float = 0.2) -> None:
        self.brightness = _range(self, 'brightness', (0, brightness), 0)[1]
        self.contrast = _range(self, 'contrast', (0, contrast), 0)[1]

    def draw(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Draw (b, c)."""
        return np.random.uniform(-1, 1, 2) * (self.brightness, self.contrast)

    def apply(self, image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Look up every level."""
        brightness, contrast = drawn
        return cv2.LUT(image, _to_uint8(LEVELS * (1 + contrast) + 255 * brightness))


@TRANSFORMS.register_module()
class RandomGamma(Photometric):
    """``255 * (image / 255) ** gamma``.

    Args:
        gamma (tuple[float, float]): range of gamma in per cent.
    """

    def __init__(self, gamma: tuple[float, float] = (80, 120)) -> None:
        self.gamma = _range(self, 'gamma', gamma, 1)

    def draw(self, shape: tuple[int, int, int]) -> float:
        """Draw gamma."""
        return np.random.uniform(*self.gamma) / 100

    def apply(self, image: np.ndarray, drawn: float) -> np.ndarray:
        """Look up every level."""
        return cv2.LUT(image, _to_uint8(255 * (LEVELS / 255) ** drawn))


@TRANSFORMS.register_module()
class Emboss(Photometric):
    """Blend the image with its relief, lit from the top left; the mean level is kept.

    Args:
        alpha (tuple[float, float]): range of the relief's share, 0 to 1.
        strength (tuple[float, float]): range of the relief's strength.
    """

    def __init__(self, alpha: tuple[float, float] = (0.2, 0.5),
                 strength: tuple[float, float] = (0.2, 0.7)) -> None:
        self.alpha = _range(self, 'alpha', alpha, 0, 1)
        self.strength = _range(self, 'strength', strength, 0)

    def draw(self, shape: tuple[int, int, int]) -> tuple[float, float]:
        """Draw (alpha, strength)."""
        return np.random.uniform(*self.alpha), np.random.uniform(*self.strength)

    def apply(self, image: np.ndarray, drawn: tuple[float, float]) -> np.ndarray:
        """Filter with a 3x3 kernel."""
        alpha, s = drawn
        relief = np.array([[-1 - s, -s, 0], [-s, 1, s], [0, s, 1 + s]])
        same = np.zeros((3, 3))
        same[1, 1] = 1
        return cv2.filter2D(image, -1, (1 - alpha) * same + alpha * relief)


@TRANSFORMS.register_module()
class MotionBlur(Photometric):
    """Average along a random line; as in the original the line may be off-centre, which shifts slightly.

    Args:
        kernel (tuple[int, int]): smallest and largest side of the kernel in
            pixels, both odd, at least 3; odd sides are drawn.
    """

    def __init__(self, kernel: tuple[int, int] = (3, 7)) -> None:
        self.kernel = _range(self, 'kernel', kernel, 3)
        if any(side % 2 != 1 for side in self.kernel):
            raise SettingError(f'MotionBlur.kernel: expected odd sides, found {kernel}')

    def draw(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Draw a (k, k) float64 kernel of sum 1 with a line of at least two pixels."""
        side = np.random.randint(self.kernel[0] // 2, self.kernel[1] // 2 + 1) * 2 + 1
        start, end = np.random.choice(side * side, 2, replace=False)
        line = np.zeros((side, side), np.uint8)
        cv2.line(line, _corner(start, side), _corner(end, side), 1)
        return line / line.sum()

    def apply(self, image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Filter with the kernel."""
        return cv2.filter2D(image, -1, drawn)


@TRANSFORMS.register_module()
class GaussianBlur(Photometric):
    """Blur with a Gaussian of a random width.

    Args:
        sigma (tuple[float, float]): range of the standard deviation in px.
    """

    def __init__(self, sigma: tuple[float, float] = (0.1, 2.0)) -> None:
        self.sigma = _range(self, 'sigma', sigma, 0.01)

    def draw(self, shape: tuple[int, int, int]) -> float:
        """Draw the standard deviation."""
        return np.random.uniform(*self.sigma)

    def apply(self, image: np.ndarray, drawn: float) -> np.ndarray:
        """Filter; the border is reflected."""
        return cv2.GaussianBlur(image, (0, 0), drawn, borderType=cv2.BORDER_REFLECT_101)


@TRANSFORMS.register_module()
class ColourJitter(Photometric):
    """Change brightness, contrast, saturation and hue in random order, as torchvision's ``ColorJitter``.

    Factors are uniform in [1 - limit, 1 + limit], the hue shift in
    [-hue, hue] turns. Contrast blends with the mean grey, saturation with the
    grey image.

    Args:
        brightness (float): limit, 0 to 1.
        contrast (float): limit, 0 to 1.
        saturation (float): limit, 0 to 1.
        hue (float): limit, 0 to 0.5.
    """

    def __init__(self, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2,
                 hue: float = 0.2) -> None:
        self.brightness, self.contrast, self.saturation, self.hue = (
            _range(self, name, (0, limit), 0, top)[1] for name, limit, top in (
                ('brightness', brightness, 1), ('contrast', contrast, 1), ('saturation', saturation, 1),
                ('hue', hue, 0.5)))

    def draw(self, shape: tuple[int, int, int]) -> list[tuple[str, float]]:
        """Draw four steps (name, factor or shift) in the order of application."""
        draws = np.random.uniform(-1, 1, 4)
        steps = [('brightness', 1 + draws[0] * self.brightness), ('contrast', 1 + draws[1] * self.contrast),
                 ('saturation', 1 + draws[2] * self.saturation), ('hue', draws[3] * self.hue)]
        return [steps[i] for i in np.random.permutation(4)]

    def apply(self, image: np.ndarray, drawn: list[tuple[str, float]]) -> np.ndarray:
        """Apply the steps."""
        for name, value in drawn:
            if name == 'hue':
                image = HueSaturationValue().apply(image, np.array([180 * value, 0, 0]))
            elif name == 'saturation':
                grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
                image = cv2.addWeighted(image, value, grey, 1 - value, 0)
            else:
                fixed = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean() if name == 'contrast' else 0
                image = cv2.LUT(image, _to_uint8(LEVELS * value + fixed * (1 - value)))
        return image


def _to_uint8(array: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(array), 0, 255).astype(np.uint8)


def _hue_table(shift: float) -> np.ndarray:
    return (np.rint(LEVELS + shift) % 180).astype(np.uint8)


def _corner(index: int, side: int) -> tuple[int, int]:
    return int(index % side), int(index // side)


def _range(owner: BaseTransform, name: str, value: tuple[float, float], low: float,
           high: float = float('inf')) -> tuple[float, float]:
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        raise SettingError(f'{type(owner).__name__}.{name}: expected (min, max) between {low} and {high}, '
                           f'found {value}')
    return value[0], value[1]
