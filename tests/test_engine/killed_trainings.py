"""Train in forked processes that SIGKILL ends; a script, because a process that forks must not have computed before.

    python killed_trainings.py exact CONFIG DATA OUT           40 iterations straight, and killed after 17 and resumed
    python killed_trainings.py soak DATA OUT KILLS SEED        a toy killed at random moments, and resumed each time

Each prints one JSON object.
"""

import gc
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch
import torch._dynamo  # by the first optimiser otherwise, in every run
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

import schanger_mm.utils.files
from schanger_mm.apis import build_runner, load_config, prepare, resume_from
from schanger_mm.engine.resume import latest_checkpoint
from schanger_mm.registry import HOOKS, MODELS

ROOT = Path(__file__).parents[2]
TINY = (8, 8, 12, 16, 20, 24)
LENGTH, KILLED_AFTER, SIZE = 40, 17, 32
SOAK_LENGTH = 24
SLOW = 0.02  # seconds that a slowed write takes

# every checkpoint holds the config; laying it out by yapf takes longer than all else here
Config.pretty_text = property(lambda cfg: '\n'.join(f'{key} = {value!r}' for key, value in cfg.to_dict().items()))


@HOOKS.register_module()
class Witness(Hook):
    """Writes down every loss, tells a pipe that training starts, and may kill its process."""

    priority = 'VERY_LOW'

    def __init__(self, path, kill_after=None, pipe=None):
        self.path, self.kill_after, self.pipe = path, kill_after, pipe

    def before_train(self, runner):
        with open(self.path, 'a') as file:
            file.write(f'start {runner.iter}\n')
        if self.pipe is not None:
            os.write(self.pipe, b'!')

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with open(self.path, 'a') as file:
            file.write(f'{runner.iter} {outputs["loss"].item().hex()}\n')


@MODELS.register_module()
class Pixelwise(BaseModel):
    """A network of a few weights with a norm, and dropout so that random numbers matter."""

    def __init__(self, data_preprocessor):
        super().__init__(data_preprocessor)
        self.layers = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3),
                                    nn.Conv2d(8, 1, 1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.layers(inputs)
        if mode == 'loss':
            truth = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).float()
            return dict(loss=nn.functional.binary_cross_entropy_with_logits(logits, truth))
        for sample, logit in zip(data_samples, logits):
            sample.set_data(dict(pred_sem_seg=type(sample.gt_sem_seg)(data=(logit > 0).long())))
        return data_samples


def config(name, data, work_dir, workers, kill_after=None, pipe=None, length=LENGTH):
    cfg = load_config(ROOT / 'configs/schanger' / name)
    prepare(cfg, name, str(work_dir))
    cfg.load_from, cfg.train_cfg.max_iters, cfg.train_cfg.val_interval = None, length, 10
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    cfg.model.decode_head.drop_rate = cfg.model.backbone.drop_rate = 0.2
    cfg.model.test_cfg = dict(mode='whole')
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=workers if split == 'train' else 0, persistent_workers=split == 'train', batch_size=2)
        loader.dataset.data_root = data
        for step in loader.dataset.pipeline:
            if step.get('cache_dir'):
                step.cache_dir = str(Path(work_dir).parent / 'decoded')
    cfg.train_dataloader.dataset.pipeline[2].transforms[0].crop_size = (SIZE, SIZE)
    (average, ) = (hook for hook in cfg.custom_hooks if hook.type == 'EMAHook')
    average.update(momentum=0.1, interval=3)
    cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = 8
    cfg.param_scheduler[1].end = length
    cfg.default_hooks.checkpoint.interval = KILLED_AFTER
    cfg.custom_hooks.append(dict(type='Witness', path=f'{work_dir}.txt', kill_after=kill_after, pipe=pipe))
    return cfg


def toy_config(data, work_dir, pipe=None):
    cfg = config('demo.py', data, work_dir, 0, pipe=pipe, length=SOAK_LENGTH)
    cfg.model = dict(type='Pixelwise')
    cfg.train_cfg.val_interval = 6
    cfg.default_hooks.checkpoint.update(interval=2, max_keep_ckpts=2)
    cfg.optim_wrapper.pop('paramwise_cfg')
    return cfg


def run_training(cfg, resume):
    """Fork; the child trains and never returns. Returns its process id."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        torch.set_num_threads(1)
        os.dup2(os.open(f'{cfg.work_dir}.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
        os.dup2(1, 2)
        if resume:
            resume_from(cfg, resume)
        build_runner(cfg).train()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def differences(a, b, path=''):
    """Paths at which two checkpoints are not equal bit for bit."""
    if isinstance(a, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [path]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [f'{path}: {sorted(map(str, a.keys() ^ b.keys()))}']
        return [found for key in a for found in differences(a[key], b[key], f'{path}.{key}')]
    if isinstance(a, (list, tuple)):
        return [found for i, (x, y) in enumerate(zip(a, b, strict=True)) for found in differences(x, y, f'{path}.{i}')]
    return [] if a == b else [path]


def compare(one, other, length):
    """Compare the last checkpoints of two runs, all that training goes on with, and the best scores."""
    parts = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'exact_resume')
    a, b = (torch.load(Path(run) / f'iter_{length}.pth', weights_only=False) for run in (one, other))
    found = differences({part: a[part] for part in parts}, {part: b[part] for part in parts})
    scores = [run['message_hub']['runtime_info']['best_score'] for run in (a, b)]
    return found + ([] if scores[0] == scores[1] else ['best_score']), sum(v.numel() for v in a['state_dict'].values())


def losses(work_dir):
    """Losses by iteration; where one was repeated after a kill, both must be one."""
    found = {}
    for line in Path(f'{work_dir}.txt').read_text().splitlines():
        iteration, loss = line.split()
        if iteration != 'start':
            found.setdefault(int(iteration), set()).add(loss)
    return found


def exact(name, data, out):
    straight, killed, other = (Path(out) / run for run in ('straight', 'killed', 'other'))
    codes = [wait(run_training(config(name, data, straight, 0), None)),
             wait(run_training(config(name, data, killed, 2, kill_after=KILLED_AFTER), None))]
    state = str(latest_checkpoint(killed).path)
    codes.append(wait(run_training(config(name, data, other, 0), state)))
    codes.append(wait(run_training(config(name, data, killed, 2), 'auto')))
    return dict(codes=codes, resumed_from=Path(state).name, found=[compare(straight, run, LENGTH)[0]
                                                                   for run in (killed, other)],
                values=compare(straight, killed, LENGTH)[1], losses=len(losses(straight)),
                same_losses=losses(straight) == losses(killed),
                starts=[line for run in (straight, killed, other)
                        for line in Path(f'{run}.txt').read_text().splitlines() if line.startswith('start')])


class SlowFile:
    """Writes in two halves, with a pause after each."""

    def __init__(self, *args):
        self.file = open(*args)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        for half in (content[:len(content) // 2], content[len(content) // 2:]):
            self.file.write(half)
            self.file.flush()
            time.sleep(SLOW / 2)


def soak(data, out, kills, seed):
    """Kill and resume; a run that comes to its end is compared with one that nobody killed, and the next one begins."""
    chance, out = random.Random(seed), Path(out)
    straight, work_dir = out / 'straight', out / 'run0'
    wait(run_training(toy_config(data, straight), None))
    counts = dict(kills=0, starting=0, half_written=0, runs_compared=0)
    problems = []
    while not problems:
        spared = counts['kills'] >= kills
        read, write = os.pipe()
        pid = run_training(toy_config(data, work_dir, write), 'auto')
        os.close(write)
        starting = not spared and run_until_killed(pid, work_dir, read, chance)
        os.close(read)
        if not spared:
            os.kill(pid, signal.SIGKILL)  # it may have ended, but was not waited for
        code = wait(pid)
        problems += check(work_dir)
        if code == -signal.SIGKILL:
            counts['kills'] += 1
            counts['starting'] += starting
            counts['half_written'] += bool(half_written(work_dir))
        elif code:
            problems.append(f'exit {code}: {Path(f"{work_dir}.log").read_text()[-2000:]}')
        else:
            problems += compare(straight, work_dir, SOAK_LENGTH)[0]
            problems += [] if losses(straight) == losses(work_dir) else ['losses']
            counts['runs_compared'] += 1
            if spared:
                break
            work_dir = out / f'run{counts["runs_compared"]}'
    return dict(counts, problems=problems)


def run_until_killed(pid, work_dir, pipe, chance):
    """Wait until it is time to die: while the run starts (True), trains and writes, or has just begun to write."""
    how = chance.random()
    if how < 0.1:
        time.sleep(chance.uniform(0, 0.5))
        return True
    os.read(pipe, 1)  # training starts, or the process has ended
    if how < 0.6:
        time.sleep(chance.uniform(0, 0.4))
        return False
    for turn in range(2 * chance.randint(0, 4) + 1):
        while bool(half_written(work_dir)) == turn % 2 and not ended(pid):
            time.sleep(0.001)
    time.sleep(chance.uniform(0, SLOW))
    return False


def half_written(work_dir):
    return list(work_dir.glob('.*.partial'))


def ended(pid):
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def check(work_dir):
    """What a kill must never leave behind."""
    problems = []
    for path in work_dir.glob('*.pth'):
        try:
            torch.load(path, weights_only=False)
        except Exception as error:
            problems.append(f'{path.name}: {error}')
    states, best = list(work_dir.glob('iter_*.pth')), list(work_dir.glob('best_*.pth'))
    pointer = work_dir / 'last_checkpoint'
    if pointer.exists() and not Path(pointer.read_text()).is_file():
        problems.append(f'last_checkpoint holds {pointer.read_text()!r}')
    if states and latest_checkpoint(work_dir) is None:
        problems.append('nothing to resume from')
    if len(states) > 3 or len(best) > 2:
        problems.append(f'not removed: {sorted(path.name for path in states + best)}')
    return problems


if __name__ == '__main__':
    command, *words = sys.argv[1:]
    gc.freeze()  # a collection would touch all that was imported, in every run
    if command == 'exact':
        print(json.dumps(exact(*words)))
    else:
        schanger_mm.utils.files.open = SlowFile
        print(json.dumps(soak(words[0], words[1], int(words[2]), int(words[3]))))
