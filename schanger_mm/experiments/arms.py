"""The arms of a comparison: where a network starts from, what it learns from, which network it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schanger_mm.data_tools.draw import group_names, rank_groups
from schanger_mm.utils.errors import SettingError
from schanger_mm.utils.names import natural_key

STARTS: dict[str, tuple[str, ...]] = {
    'scratch': (),
    'supervised': ('supervised_schanger', ),
    'sadl': ('sadl_schanger', ),
    'sadl-supervised': ('sadl_schanger', 'supervised_schanger'),
}
"""Pre-trainings of SChanger-small, one after the other; names of configs."""
HALF = '-half'
"""Behind the start: at half resolution, by the configs of the same names that end in ``_half``."""
SEMI = '-semi'
"""End of the name of an arm that learns from the other pairs, too, without their labels."""
PEERS = ('upernet', 'segformer', 'fc-siam')
"""Other networks, from random weights; each is the name of its config."""
ARMS = (*(start + form for form in ('', HALF, SEMI, HALF + SEMI) for start in STARTS), *PEERS)
ALL = 'all'


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison.

    Args:
        name: one of :data:`ARMS`.
        labelled: number of pairs whose labels are used; None for all.
    """

    name: str
    labelled: int | None = None

    @property
    def config(self) -> str:
        """Name of the config that trains it, without suffix."""
        return self.name if self.name in PEERS else self._form('semi_schanger' if self.semi else 'finetune_schanger')

    @property
    def chain(self) -> tuple[str, ...]:
        """Names of the configs of its pre-trainings."""
        return tuple(map(self._form, STARTS.get(self.name.removesuffix(SEMI).removesuffix(HALF), ())))

    @property
    def semi(self) -> bool:
        """Whether it learns from the other pairs, too, without their labels."""
        return self.name.endswith(SEMI)

    def _form(self, config: str) -> str:
        return f'{config}_half' if self.name.removesuffix(SEMI).endswith(HALF) else config

    def __str__(self) -> str:
        return f'{self.name}:{self.labelled or ALL}'


def parse_arms(words: Sequence[str], labelled: Sequence[str] = (ALL, )) -> tuple[Arm, ...]:
    """Read arms such as ``scratch`` and ``supervised-semi:6``.

    Args:
        words: names, with ``:N`` or ``:all`` for the number of labelled pairs.
        labelled: numbers for the names that have none; each makes an arm of its own.

    Raises:
        SettingError: there is no arm, a name or number that makes no sense, or an arm twice.
    """
    arms = []
    for word in words:
        name, colon, number = word.partition(':')
        if name not in ARMS:
            raise SettingError(f'--arms {word}: expected NAME or NAME:LABELLED, NAME one of {", ".join(ARMS)}.')
        arms += [Arm(name, _number(text, word if colon else f'--labelled {text}'))
                 for text in ([number] if colon else labelled)]
    if not arms or len(set(arms)) < len(arms):
        raise SettingError(f'--arms {" ".join(map(str, arms))}: expected different arms, and at least one.')
    return tuple(arms)


def draw_labelled(names: Sequence[str], count: int, seed: int) -> tuple[list[str], list[str]]:
    """Draw pairs by the rule of ``schanger split``, by which fewer pairs are a part of more.

    Args:
        names: all pairs.
        count: number of pairs to draw.
        seed: of the draw.

    Returns:
        The drawn names and the others, in natural order.
    """
    ranked = rank_groups(group_names(names), seed)
    return sorted(ranked[:count], key=natural_key), sorted(ranked[count:], key=natural_key)


def _number(text: str, where: str) -> int | None:
    if text == ALL:
        return None
    if not re.fullmatch(r'[1-9]\d*', text):
        raise SettingError(f'{where}: expected a number of labelled pairs from 1 up, or {ALL}.')
    return int(text)
