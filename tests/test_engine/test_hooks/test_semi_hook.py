"""The warning about a threshold; what else the hook does is tested in test_semi_training.py."""

from types import SimpleNamespace

import torch

from schanger_mm.engine.hooks import SemiHook


def test_a_threshold_that_lets_nothing_through_is_reported():
    lines = []
    runner = SimpleNamespace(model=SimpleNamespace(patience=3, threshold=0.95),
                             logger=SimpleNamespace(warning=lines.append))
    hook = SemiHook()
    shares = [0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0]
    warned = []
    for number, share in enumerate(shares, start=1):
        before = len(lines)
        hook.after_train_iter(runner, 0, outputs=dict(confident=torch.tensor(float(share))))
        warned += [number] * (len(lines) - before)
    assert warned == [3, 9]
    assert lines[0].startswith('for 3 iterations no pixel of an unlabelled pair reached semi.threshold=0.95')
    hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(1.0)))
    assert len(lines) == 2
