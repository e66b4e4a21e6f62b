"""Train in one and two forked processes, kill one, resume with as many or with another number.

    python distributed_trainings.py DATA OUT

Prints one JSON object. A script for the reason given in `killed_trainings.py`.
"""

import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

import torch
from killed_trainings import compare, toy_config, wait
from mmengine.hooks import Hook

from schanger_mm.apis import build_runner, resume_from
from schanger_mm.commands.cli import report_errors
from schanger_mm.registry import HOOKS

LENGTH, SAVED, KILLED_AFTER, BATCH = 12, 6, 7, 2


@HOOKS.register_module()
class Names(Hook):
    """Writes down every loss and the samples it is of, and may kill its process."""

    priority = 'VERY_LOW'

    def __init__(self, path, kill_after=None):
        self.path, self.kill_after = path, kill_after

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        names = [sample.name for sample in data_batch['data_samples']]
        with open(self.path, 'a') as file:
            file.write(json.dumps([runner.iter, outputs['loss'].item().hex(), names]) + '\n')


def settings(data, work_dir, rank, processes, batch, sync_bn, kill_after=None):
    cfg = toy_config(data, work_dir)
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook['type'] != 'Witness']
    cfg.custom_hooks.append(dict(type='Names', path=f'{work_dir}.{rank}.txt', kill_after=kill_after))
    cfg.train_cfg.update(max_iters=LENGTH, val_interval=3)
    cfg.default_hooks.checkpoint.update(interval=3, max_keep_ckpts=-1)
    cfg.default_hooks.logger.interval = 1
    cfg.param_scheduler[1].end = LENGTH
    cfg.train_dataloader.batch_size = batch
    cfg.launcher = 'pytorch' if processes > 1 else 'none'
    cfg.sync_bn = sync_bn
    return cfg


def stand_still(cfg):
    """Let nothing but the statistics of the batch norm move, and let them see each sample alike in any process."""
    cfg.train_cfg.max_iters, cfg.optim_wrapper.optimizer.lr, cfg.data_preprocessor.swap_prob = 3, 0.0, 0.0


def start(data, work_dir, processes, resume=None, batch=BATCH, killed=None, sync_bn=None, change=None):
    """Fork the processes and return their exit statuses."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(processes):
        if pid := os.fork():
            children.append(pid)
            continue
        status = 1
        try:
            os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), LOCAL_RANK=str(rank),
                              WORLD_SIZE=str(processes))
            torch.set_num_threads(1)
            os.dup2(os.open(f'{work_dir}.{rank}.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
            os.dup2(1, 2)
            cfg = settings(data, work_dir, rank, processes, batch, sync_bn, KILLED_AFTER if rank == killed else None)
            if change:
                change(cfg)

            def main(cfg=cfg):
                if resume:
                    resume_from(cfg, resume)
                build_runner(cfg).train()

            status = report_errors(main)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return [wait(pid) for pid in children]


def record(work_dir, rank):
    """What a process wrote down, by iteration; what was repeated after a kill must be the same."""
    found = {}
    for line in Path(f'{work_dir}.{rank}.txt').read_text().splitlines():
        iteration, loss, names = json.loads(line)
        assert found.setdefault(iteration, [loss, names]) == [loss, names], line
    return found


def drawn(work_dir, processes, iterations):
    """Samples in the order in which all processes together drew them."""
    records = [record(work_dir, rank) for rank in range(processes)]
    return [names[place] for iteration in iterations
            for place in range(len(records[0][iteration][1])) for names in (r[iteration][1] for r in records)]


def said(work_dir):
    """Lines of the log about the resume."""
    return [line.split(' - ')[-1] for line in Path(f'{work_dir}.0.log').read_text().splitlines()
            if 'not bit for bit' in line or 'sampler continues' in line]


def state(work_dir, iteration):
    saved = torch.load(Path(work_dir) / f'iter_{iteration}.pth', weights_only=False)
    return dict(iter=saved['meta']['iter'], entry=saved['exact_resume'],
                steps=sorted({int(value['step']) for value in saved['optimizer']['state'].values()}),
                averaged=int(saved['ema_state_dict']['steps']))


def statistics(work_dir):
    saved = torch.load(Path(work_dir) / 'iter_3.pth', weights_only=False)['state_dict']
    return [value.tolist() for key, value in saved.items() if 'running' in key]


def main(data, out):
    out = Path(out)
    straight, killed = out / 'straight', out / 'killed'
    codes = dict(straight=start(data, straight, 2), killed=start(data, killed, 2, killed=1))
    codes['resumed'] = start(data, killed, 2, resume='auto')
    checkpoint = str(straight / f'iter_{SAVED}.pth')
    later = range(SAVED, LENGTH)
    report = dict(
        found=compare(straight, killed, LENGTH)[0],
        losses=[[record(run, rank) for rank in range(2)] for run in (straight, killed)],
        lost=Path(f'{killed}.0.log').read_text().count('the connection to another process is lost'),
        said_exact=said(killed), files=sorted(str(f.relative_to(straight)) for f in straight.rglob('*')
                                              if f.is_file() and f.suffix == '.pth'))
    draws = dict(straight=drawn(straight, 2, range(LENGTH)))
    for name, processes, batch in (('two_to_one', 1, 2 * BATCH), ('smaller', 1, BATCH)):
        codes[name] = start(data, out / name, processes, checkpoint, batch)
        draws[name] = drawn(out / name, processes, later)
        report[name] = dict(state(out / name, LENGTH), said=said(out / name))
    codes['more'] = start(data, out / 'more', 2, str(out / 'two_to_one' / 'iter_9.pth'), BATCH)
    draws['more'] = drawn(out / 'more', 2, range(9, LENGTH))
    codes['smaller_again'] = start(data, out / 'smaller_again', 2, str(out / 'smaller' / 'iter_9.pth'), BATCH)
    draws['smaller_again'] = drawn(out / 'smaller_again', 2, range(9, LENGTH))
    report['straight'] = state(straight, LENGTH)
    for name, processes, sync_bn in (('synced', 2, 'torch'), ('apart', 2, None), ('joint', 1, 'torch')):
        codes[name] = start(data, out / name, processes, batch=2 * BATCH // processes, sync_bn=sync_bn,
                            change=stand_still)
    report['statistics'] = {name: statistics(out / name) for name in ('synced', 'apart', 'joint')}
    return dict(report, codes=codes, draws=draws)


if __name__ == '__main__':
    print(json.dumps(main(*sys.argv[1:])))
