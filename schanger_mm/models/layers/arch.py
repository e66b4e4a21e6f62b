"""Channel widths of the published sizes."""

from __future__ import annotations

from collections.abc import Sequence

from schanger_mm.utils.errors import SettingError

ARCHS: dict[str, tuple[int, ...]] = {
    'base': (24, 32, 48, 64, 104, 120),
    'small': (8, 16, 32, 40, 48, 48),
}


def resolve_arch(arch: str | Sequence[int]) -> tuple[int, ...]:
    """Return the six widths ``c0 .. c5`` of an architecture.

    Args:
        arch: ``'base'``, ``'small'`` or six widths: the stem's, then those of
            the stages at strides 1, 2, 4, 8 and 16.

    Raises:
        SettingError: the name is unknown or there are not six positive widths.
    """
    widths = ARCHS.get(arch) if isinstance(arch, str) else tuple(arch)
    if widths is None or len(widths) != 6 or min(widths) < 1:
        raise SettingError(
            f'arch={arch!r}: expected one of {sorted(ARCHS)} or six positive widths (stem, then strides '
            f'1, 2, 4, 8, 16), for example {list(ARCHS["small"])}.')
    return widths
