"""Budgets in minutes and in iterations."""

import pytest

from schanger_mm.experiments.arms import Arm
from schanger_mm.experiments.budget import Budget


@pytest.mark.parametrize('budget, message', [
    (dict(minutes=0), '--minutes 0: expected'), (dict(minutes=float('nan')), '--minutes nan'),
    (dict(pretrain_minutes=-1), '--pretrain-minutes -1'), (dict(iters=0), '--iters 0: expected'),
    (dict(pretrain_iters=5), '--pretrain-iters 5: needs --iters'), (dict(iters=5, pretrain_iters=0), '-iters 0')])
def test_budgets_that_make_no_sense(budget, message):
    with pytest.raises(ValueError, match=message):
        Budget(**budget)


def test_pretrainings_are_taken_off_the_minutes_of_an_arm():
    assert Budget(120, 30).minutes_of(Arm('sadl-supervised', 3)) == 60
    Budget(61, 30).check(Arm('sadl-supervised'))
    Budget(iters=5).check(Arm('scratch'))
    with pytest.raises(ValueError, match='--minutes 60: sadl-supervised:all has nothing left after 2 '):
        Budget(60, 30).check(Arm('sadl-supervised'))
