"""What each arm of a comparison may cost."""

from __future__ import annotations

from dataclasses import dataclass

from schanger_mm.experiments.arms import Arm
from schanger_mm.utils.errors import SettingError


@dataclass(frozen=True)
class Budget:
    """What an arm may cost, in minutes or in iterations.

    Minutes are those of one processor core (``core_minutes``), or of the clock where there is a GPU. The pre-trainings
    of an arm are taken off its minutes; they are not taken off its iterations, which are too unlike for that.

    Args:
        minutes: of an arm, its pre-trainings included.
        pretrain_minutes: of each pre-training.
        iters: of training on pairs; then ``minutes`` do not matter.
        pretrain_iters: of each pre-training.

    Raises:
        SettingError: numbers below 1, or one of ``iters`` and ``pretrain_iters`` only.
    """

    minutes: float = 120.0
    pretrain_minutes: float = 30.0
    iters: int | None = None
    pretrain_iters: int | None = None

    def __post_init__(self) -> None:
        for option, value in (('--minutes', self.minutes), ('--pretrain-minutes', self.pretrain_minutes)):
            if not 0 < value < float('inf'):
                raise SettingError(f'{option} {value}: expected a number of minutes above 0.')
        for option, number in (('--iters', self.iters), ('--pretrain-iters', self.pretrain_iters)):
            if number is not None and number < 1:
                raise SettingError(f'{option} {number}: expected a whole number from 1 up.')
        if self.pretrain_iters is not None and self.iters is None:
            raise SettingError(f'--pretrain-iters {self.pretrain_iters}: needs --iters as well; budgets are all in '
                               'iterations or all in minutes.')

    def check(self, arm: Arm) -> None:
        """Raise a SettingError if nothing is left for an arm after its pre-trainings, or their length is unknown."""
        if not arm.chain:
            return
        if self.iters is not None and self.pretrain_iters is None:
            raise SettingError(f'--arms {arm}: it is pre-trained; add --pretrain-iters N to --iters {self.iters}.')
        if self.iters is None and self.minutes_of(arm) <= 0:
            raise SettingError(f'--minutes {self.minutes:g}: {arm} has nothing left after {len(arm.chain)} '
                               f'x {self.pretrain_minutes:g} minutes of pre-training; give it more, or lower '
                               '--pretrain-minutes.')

    def minutes_of(self, arm: Arm) -> float:
        """Return the minutes for training on pairs."""
        return self.minutes - self.pretrain_minutes * len(arm.chain)
