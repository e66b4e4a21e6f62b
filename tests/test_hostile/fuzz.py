"""Read damaged files in processes of their own, and say what did not end in an answer or an error of ours.

    python fuzz.py run CASES [FIRST]      so many damaged files, of all kinds; from case FIRST of each kind on
    python fuzz.py replay TARGET CASE     one of them, with the traceback
    python fuzz.py found                  the files of found/, which went wrong once

A damaged file that goes wrong is kept in FUZZ_OUT (default: fuzz_findings).
A process that takes longer than SECONDS over one is a hang, one that ends a
crash; memory beyond MEMORY is refused to it.
"""

import collections
import faulthandler
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from mutations import mutated
from targets import TARGETS, file_of

from schanger_mm.commands.cli import user_message
from schanger_mm.utils.images import VARIABLE

SECONDS = 60  # of the clock, of a machine that has much else to do
MEMORY = 1 << 30
PIXELS = 1 << 20
FOUND = Path(__file__).with_name('found')


def outcome(target: str, folder: Path, name: str, damaged: bytes) -> str:
    """Read one file; ``read``, ``refused``, or what went wrong."""
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(damaged)
    try:
        TARGETS[target].read(folder, name, before)
        return 'read'
    except Exception as error:
        said = user_message(error)
        if said is None:
            return ''.join(traceback.format_exception(error)[-3:])
        if path.name not in said and str(folder.parent) not in said:
            return f'neither the file nor its folder is named: {said}'
        return 'refused'
    finally:
        path.write_bytes(before)


def cases_of(target: str, names: list[str], folder: Path, numbers: range):
    """Yield number, file name and damaged content."""
    for number in numbers:
        rng, name = file_of(target, number, names)
        yield number, name, mutated(rng, (folder / name).read_bytes())


def child(target: str, folder: Path, names: list[str], numbers: range, pipe: int) -> None:
    """Read files; before each its number is written, after each its outcome."""
    size = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize() if os.path.exists(
        '/proc/self/statm') else 0
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, name, damaged in cases_of(target, names, folder, numbers):
        os.write(pipe, f'{number}\n'.encode())
        said = outcome(target, folder, name, damaged)
        os.write(pipe, json.dumps(said[-3000:]).encode() + b'\n')


def watch(target: str, numbers: range, root: Path) -> tuple[collections.Counter, dict[int, str]]:
    """Run the cases in child processes; a new one goes on after one that ended."""
    counts: collections.Counter = collections.Counter()
    findings: dict[int, str] = {}
    while numbers:
        folder = root / f'{target}-{numbers.start}'
        names = TARGETS[target].make(folder)
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                os.close(read)
                log = os.open(root / 'stderr', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(log, 2)
                faulthandler.enable()
                child(target, folder, names, numbers, write)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write)
        last, waits = numbers.start, False
        pending, hung = b'', False
        while True:
            if not select.select([read], [], [], SECONDS)[0]:
                hung = True
                os.kill(pid, signal.SIGKILL)
            got = os.read(read, 1 << 16)
            if not got:
                break
            *lines, pending = (pending + got).split(b'\n')
            for line in lines:
                if not waits:
                    last = int(line)
                elif (said := json.loads(line)) in ('read', 'refused'):
                    counts[said] += 1
                else:
                    counts['wrong'] += 1
                    findings[last] = said
                waits = not waits
        os.close(read)
        status = os.waitpid(pid, 0)[1]
        shutil.rmtree(folder, ignore_errors=True)
        if not status and not waits:
            break
        counts['hang' if hung else 'crash'] += 1
        findings[last] = f'{"hang" if hung else "crash"}, status {status}: {(root / "stderr").read_text()[-1500:]}'
        numbers = range(last + 1, numbers.stop)
    return counts, findings


def keep(target: str, number: int, out: Path, root: Path) -> Path:
    folder = root / 'keep'
    names = TARGETS[target].make(folder)
    (_, name, damaged), = cases_of(target, names, folder, range(number, number + 1))
    shutil.rmtree(folder)
    path = out / target / str(number) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damaged)
    return path


def run(total: int, first: int, root: Path) -> int:
    """Print a line per target and one per finding; return the number of findings."""
    shares, wrong = sum(target.share for target in TARGETS.values()), 0
    out = Path(os.environ.get('FUZZ_OUT', 'fuzz_findings')).absolute()
    for name, target in TARGETS.items():
        count, started = -(-total * target.share // shares), time.perf_counter()
        counts, findings = watch(name, range(first, first + count), root)
        print(f'{name}: {sum(counts.values())} cases in {time.perf_counter() - started:.0f} s, '
              f'{counts["read"]} read, {counts["refused"]} refused, {counts["hang"]} hangs, {counts["crash"]} crashes, '
              f'{counts["wrong"]} other findings', flush=True)
        for number, said in findings.items():
            print(f'FINDING {name} {number}, kept in {keep(name, number, out, root)}:\n{said}', flush=True)
        wrong += len(findings)
    return wrong


def found(root: Path) -> int:
    """Read every file of found/."""
    wrong = 0
    files = sorted(path for path in FOUND.glob('*/*/**/*') if path.is_file())
    for path in files:
        target, _, *parts = path.relative_to(FOUND).parts
        folder = root / target
        if not folder.exists():
            TARGETS[target].make(folder)
        said = outcome(target, folder, str(Path(*parts)), path.read_bytes())
        if said not in ('read', 'refused'):
            wrong += 1
            print(f'FINDING {path}:\n{said}')
    print(f'found: {len(files)} cases')
    return wrong


def main() -> int:
    warnings.simplefilter('ignore')
    os.environ[VARIABLE] = str(PIXELS)
    with tempfile.TemporaryDirectory(prefix='fuzz-') as name:
        root, words = Path(name), sys.argv[1:]
        if words[0] == 'run':
            return min(1, run(int(words[1]), int(words[2]) if len(words) > 2 else 0, root))
        if words[0] == 'found':
            return min(1, found(root))
        names = TARGETS[words[1]].make(root / 'one')
        number = int(words[2])
        (_, file, damaged), = cases_of(words[1], names, root / 'one', range(number, number + 1))
        print(file, outcome(words[1], root / 'one', file, damaged))
        return 0


if __name__ == '__main__':
    sys.exit(main())
