"""Colour, noise and blur for single images in 0..255, as defined by albumentations 1.4.0.

Default magnitudes are those of that library. Each class is always applied; use
mmcv's ``RandomApply`` and ``RandomChoice`` for probabilities. Drawing parameters
(``draw``) is separate from using them (``apply``). Values of uint8 images are rounded,
not truncated, so images do not darken on average; those of float32 images are not
rounded. All take any number of bands but those of hue and saturation, which act on
three of them, the colours.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from schanger_mm.datasets.transforms.channels import by_channels
from schanger_mm.registry import TRANSFORMS
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import SettingError

LEVELS = np.arange(256, dtype=np.float64)


class Photometric(BaseTransform):
    """Changes ``img`` (H, W, C), uint8 or float32 in 0..255, three bands as B, G, R; labels are not changed.

    Raises:
        TypeError: ``img`` is anything else.
    """

    def transform(self, results: dict) -> dict:
        """Draw and apply."""
        image = results['img']
        if not isinstance(image, np.ndarray) or not _in_levels(image):
            found = (f'{image.dtype} {image.shape}, {image.min():.4g} to {image.max():.4g}'
                     if isinstance(image, np.ndarray) else type(image))
            raise TypeError(f'{type(self).__name__}: expected `img` as uint8 or float32 (H, W, C) in 0..255, found '
                            f'{found}; it comes before normalisation, and for two dates into ForBothDates.')
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
        return _like(image, image + drawn)


class Colours(Photometric):
    """Changes the colours of three bands; the others stay.

    Args:
        rgb (Sequence[int], optional): numbers of the bands that are red,
            green and blue, from 1 in the order of ``img``; None: there are three bands.

    Raises:
        SettingError: ``img`` has other bands than these settings need.
    """

    def __init__(self, rgb: Sequence[int] | None = None) -> None:
        if rgb is not None and not (len(set(rgb)) == len(rgb) == COLOUR_BANDS and all(
                type(band) is int and band > 0 for band in rgb)):
            raise SettingError(f'{type(self).__name__}.rgb: expected the numbers of the red, green and blue band, from '
                               f'1, found {rgb!r}.')
        self.rgb = None if rgb is None else tuple(rgb)

    def apply(self, image: np.ndarray, drawn: Any) -> np.ndarray:
        """Apply ``recolour`` to the three bands."""
        count = image.shape[2]
        if self.rgb is None and count == COLOUR_BANDS:
            return self.recolour(image, drawn)
        if self.rgb is None or max(self.rgb) > count:
            raise SettingError(f'{type(self).__name__}: the image has {count} bands, and rgb={self.rgb}; name its red, '
                               'green and blue bands with `rgb`, or leave this transform out of the pipeline (for '
                               'bands that are no colours: BandGain).')
        places = [band - 1 for band in reversed(self.rgb)]
        changed = image.copy()
        changed[..., places] = self.recolour(np.ascontiguousarray(image[..., places]), drawn)
        return changed

    @abstractmethod
    def recolour(self, image: np.ndarray, drawn: Any) -> np.ndarray:
        """Return the changed colours of (H, W, 3), B, G, R."""


@TRANSFORMS.register_module()
class HueSaturationValue(Colours):
    """Shift hue, saturation and value by uniform draws from [-limit, limit].

    Args:
        hue (float): limit in OpenCV's units (2 degrees each, 180 a turn).
        saturation (float): limit in levels of 255.
        value (float): limit in levels of 255.
        rgb (Sequence[int], optional): see :class:`Colours`.
    """

    def __init__(self, hue: float = 20, saturation: float = 30, value: float = 20,
                 rgb: Sequence[int] | None = None) -> None:
        super().__init__(rgb)
        self.limits = tuple(_range(self, name, (0, limit), 0)[1] for name, limit in (
            ('hue', hue), ('saturation', saturation), ('value', value)))

    def draw(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Draw three shifts."""
        return np.random.uniform(-1, 1, 3) * self.limits

    def recolour(self, image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Shift by (hue, saturation, value)."""
        return _shift(image, *drawn)


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
        return _by_level(image, lambda levels: levels * (1 + contrast) + 255 * brightness)


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
        return _by_level(image, lambda levels: 255 * (levels / 255) ** drawn)


@TRANSFORMS.register_module()
class Emboss(Photometric):
    """Blend the image with its relief, lit from the top left; the mean level is kept.

    Edges move to the upper left, by 0.5 to 2.5 px (measured on smooth fields); labels stay, as in the original.

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
        return _filter(image, lambda layers: cv2.filter2D(layers, -1, (1 - alpha) * same + alpha * relief))


@TRANSFORMS.register_module()
class MotionBlur(Photometric):
    """Average along a random line.

    As in the original the line may be off-centre, which moves the image by 1.2 px on average, 4 at most, in any
    direction; labels stay.

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
        return _filter(image, lambda layers: cv2.filter2D(layers, -1, drawn))


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
        return _filter(image, lambda layers: cv2.GaussianBlur(layers, (0, 0), drawn,
                                                              borderType=cv2.BORDER_REFLECT_101))


@TRANSFORMS.register_module()
class ColourJitter(Colours):
    """Change brightness, contrast, saturation and hue in random order, as torchvision's ``ColorJitter``.

    Factors are uniform in [1 - limit, 1 + limit], the hue shift in
    [-hue, hue] turns. Contrast blends with the mean grey, saturation with the
    grey image.

    Args:
        brightness (float): limit, 0 to 1.
        contrast (float): limit, 0 to 1.
        saturation (float): limit, 0 to 1.
        hue (float): limit, 0 to 0.5.
        rgb (Sequence[int], optional): see :class:`Colours`.
    """

    def __init__(self, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2,
                 hue: float = 0.2, rgb: Sequence[int] | None = None) -> None:
        super().__init__(rgb)
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

    def recolour(self, image: np.ndarray, drawn: list[tuple[str, float]]) -> np.ndarray:
        """Apply the steps."""
        for name, value in drawn:
            if name == 'hue':
                image = _shift(image, 180 * value, 0, 0)
            elif name == 'saturation':
                grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
                image = _filter(image, lambda layers: cv2.addWeighted(layers, value, grey, 1 - value, 0))  # noqa: B023
            else:
                fixed = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean() if name == 'contrast' else 0
                image = _by_level(image, lambda levels: levels * value + fixed * (1 - value))  # noqa: B023
        return image


@TRANSFORMS.register_module()
class BandGain(Photometric):
    """Multiply each band by a factor of its own, uniform in [1 - limit, 1 + limit]: other light, air and sensors.

    Args:
        limit (float): 0 to 1.
    """

    def __init__(self, limit: float = 0.1) -> None:
        self.limit = _range(self, 'limit', (0, limit), 0, 1)[1]

    def draw(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Draw a factor per band."""
        return 1 + np.random.uniform(-1, 1, shape[2]) * self.limit

    def apply(self, image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Multiply."""
        return _like(image, image * drawn)


def _in_levels(image: np.ndarray) -> bool:
    if image.ndim != 3 or image.dtype == np.uint8:
        return image.ndim == 3
    return image.dtype == np.float32 and image.min() >= 0 and image.max() <= LEVELS[-1]


def _like(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Bring values into 0..255 and to the type of ``image``."""
    return _to_uint8(values) if image.dtype == np.uint8 else np.clip(values, 0, 255).astype(np.float32)


def _by_level(image: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a function to each value; of uint8, to each of the 256 levels once."""
    if image.dtype == np.uint8:
        return by_channels(lambda layers: cv2.LUT(layers, _to_uint8(function(LEVELS))), image)
    return _like(image, function(image))


def _filter(image: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a function of OpenCV, which keeps to 0..255 in uint8 only."""
    changed = by_channels(function, image)
    return changed if image.dtype == np.uint8 else _like(image, changed)


def _shift(image: np.ndarray, hue: float, saturation: float, value: float) -> np.ndarray:
    """Shift hue (180 a turn), saturation and value (levels of 255) of (H, W, 3), B, G, R."""
    if image.dtype == np.uint8:
        tables = (_hue_table(hue), _to_uint8(LEVELS + saturation), _to_uint8(LEVELS + value))
        hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), np.stack(tables, axis=-1)[:, None])
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    hsv = cv2.cvtColor(image / np.float32(255), cv2.COLOR_BGR2HSV)  # 0..360, 0..1, 0..1
    hsv[..., 0] = (hsv[..., 0] + 2 * hue) % 360
    hsv[..., 1:] = np.clip(hsv[..., 1:] + np.float32([saturation, value]) / 255, 0, 1)
    return _like(image, 255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


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
