#!/usr/bin/env python3
"""Changes the library at one place at a time and names the changes that no unit test sees.

It works in a copy of the tree as it is here, committed or not; nothing here is changed. A change that does not build counts
for nothing. What the tests of the file's own types let through is tried against the rest of them, without those that take
long or measure time. "survived" is either a missing test or a change that changes nothing: look at each.

  tests/mutation/mutate.py --sample 60 --seed 1
  tests/mutation/mutate.py --files '*/LockTable.cs' --sample 0            (all of one file)
  tests/mutation/mutate.py --mutant src/.../LockTable.cs 'old text' 'new text'
"""
import argparse
import fnmatch
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORE = 'src/PassthroughFs.Core'
TESTS = 'tests/PassthroughFs.Core.Tests'
PROGRAM = f'{TESTS}/bin/Release/net10.0/PassthroughFs.Core.Tests'
LIBRARY = f'{CORE}/bin/hooks/Release/net10.0/PassthroughFs.Core.dll'
SLOW = ['FileSystemStressTests', 'MemoryTests', 'VfsCostTests', 'VfsRaceTests', 'NoTraceTests', 'FuseFuzzTests',
        'StoreInterleavingTests']

# What is looked for in a line, and what comes in its place; each find is a mutant of its own.
SWAPS = [
    (r' == ', ' != '), (r' != ', ' == '), (r' < ', ' <= '), (r' <= ', ' < '), (r' > ', ' >= '), (r' >= ', ' > '),
    (r' && ', ' || '), (r' \|\| ', ' && '), (r' \+ ', ' - '), (r' - ', ' + '), (r' << ', ' >> '), (r' & ', ' | '),
    (r'\btrue\b', 'false'), (r'\bfalse\b', 'true'), (r'\+\+', '--'), (r'\+= ', '-= '), (r'-= ', '+= '),
    (r'Errno\.E[A-Z]+\b', 'Errno.OK'), (r'(?<![\w.])0(?![\w.])', '1'), (r'(?<![\w.])1(?![\w.])', '2'),
]
STATEMENT = re.compile(r'^\s+(?:_ = )?[\w.\[\]!()?]+(?:\(.*\)| [-+|&]?= .*|\+\+|--);$')
CONDITION = re.compile(r'^(\s+(?:else )?(?:if|while) \()(.*)(\))$')


class Mutant:
    def __init__(self, path, line, old, new):
        self.path, self.line, self.old, self.new = path, line, old, new

    def __str__(self):
        return f'{self.path}:{self.line}: {self.old.strip()}  ->  {self.new.strip() or "(nothing)"}'


def mutants_of(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        lines = file.read().split('\n')
    for number, line in enumerate(lines, 1):
        code = line.split(' // ')[0]
        text = code.strip()
        if not line.startswith('        ') and '=>' not in line:
            continue
        if text.startswith(('//', '*', '[', '"', 'TestPoint(', 'using ', 'throw ', 'case ')) or 'const ' in text or 'Log.' in text:
            continue
        at = len(code)
        found = []
        for pattern, new in SWAPS:
            for match in re.finditer(pattern, code):
                if code[:match.start()].count('"') % 2 == 0:
                    found.append(code[:match.start()] + new + code[match.end():] + line[at:])
        condition = CONDITION.match(code)
        if condition:
            found.append(f'{condition[1]}!({condition[2]}){condition[3]}')
        if STATEMENT.match(code) and not text.startswith(('return', 'var ')):
            found.append('')
        for new in found:
            yield Mutant(path, number, line, new)


def own_classes(path, sources):
    """The test classes that speak of a type of this file; all of the folder's for the parts of a large type."""
    name = os.path.basename(path)[:-3]
    first = name.split('.')[0]
    words = {first} if first != 'PassthroughFileSystem' else {name.split('.')[-1]}
    result = {c for c, text in sources.items() if any(re.search(rf'\b{re.escape(w)}', text) for w in words)}
    return sorted(result - set(SLOW))


def test_sources():
    sources = {}
    for folder, _, names in os.walk(os.path.join(ROOT, TESTS)):
        for name in names:
            if name.endswith('.cs') and '/obj' not in folder and '/bin' not in folder:
                with open(os.path.join(folder, name), encoding='utf-8') as file:
                    text = file.read()
                if re.search(r'\[(Fact|Theory)', text):
                    sources[name[:-3].split('.')[0]] = sources.get(name[:-3].split('.')[0], '') + text
    return sources


class Copy:
    def __init__(self, path, nice):
        self.path, self.nice = path, nice
        if os.path.exists(path):
            shutil.rmtree(path)
        os.makedirs(path)
        names = subprocess.run(
            ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT, check=True,
            capture_output=True).stdout
        tar = subprocess.Popen(['tar', 'cf', '-', '--null', '-T', '-'], cwd=ROOT, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        untar = subprocess.Popen(['tar', 'xf', '-'], cwd=path, stdin=tar.stdout)
        tar.stdin.write(names)
        tar.stdin.close()
        untar.wait()
        tar.wait()

    def run(self, command, seconds):
        """The exit code and what it said; None for one that did not end in time."""
        environment = dict(os.environ, MSBUILDDISABLENODEREUSE='1', DOTNET_CLI_TELEMETRY_OPTOUT='1', PTFS_CASES='300',
                           DOTNET_GCHeapHardLimit='0x180000000')
        process = subprocess.Popen(
            ['nice', '-n', str(self.nice), *command], cwd=self.path, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output.decode(errors='replace')
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None, 'no end'

    def build(self, project, *more):
        return self.run(
            ['dotnet', 'build', project, '-c', 'Release', '-v', 'q', '--nologo', '-p:RunAnalyzers=false', *more], 900)

    def build_library(self):
        """The tests' own build of the library, in the place of the one that they have."""
        code, output = self.build(CORE, '-p:PtfsTestHooks=true', '--no-restore')
        if code == 0:
            shutil.copy(os.path.join(self.path, LIBRARY), os.path.join(self.path, os.path.dirname(PROGRAM)))
        return code, output

    def test(self, classes, seconds, but=False):
        sign = '-class-' if but else '-class'
        chosen = [word for name in classes for word in (sign, f'*.{name}')]
        return self.run([PROGRAM, '-noLogo', '-noColor', '-stopOnFail', *chosen], seconds)

    def write(self, path, text):
        with open(os.path.join(self.path, path), 'w', encoding='utf-8') as file:
            file.write(text)


def fault(output):
    match = re.search(r'^\s+\S+\.(\w+\.\w+)(\(.*\))? \[FAIL\]', output, re.M)
    return match[1] if match else (output.strip().split('\n') or [''])[-1][:100]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sample', type=int, default=60, help='how many, by chance; 0 for all')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--files', action='append', help='patterns; Passthrough, Protocol and Vfs without')
    parser.add_argument('--mutant', nargs=3, action='append', metavar=('FILE', 'OLD', 'NEW'), help='one of your own')
    parser.add_argument('--minutes', type=float, help='begin none after so many')
    parser.add_argument('--seconds', type=int, default=180, help='how long tests may take before a change counts as seen')
    parser.add_argument('--work', default=os.path.join(os.environ.get('TMPDIR', '/tmp'), 'ptfs-mutation'))
    parser.add_argument('--nice', type=int, default=19)
    parser.add_argument('--list', action='store_true', help='only say what there is')
    options = parser.parse_args()
    patterns = options.files or [f'{CORE}/{part}/*' for part in ('Passthrough', 'Protocol', 'Vfs')]
    names = subprocess.run(['git', 'ls-files', f'{CORE}/*.cs'], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [n for n in names.stdout.split() if any(fnmatch.fnmatch(n, p) for p in patterns)]
    mutants = [m for path in files for m in mutants_of(path)]
    total = len(mutants)
    if options.mutant:
        mutants = [Mutant(path, 0, old, new) for path, old, new in options.mutant]
    elif options.sample:
        random.Random(options.seed).shuffle(mutants)
        mutants = mutants[:options.sample]
    if options.list:
        print('\n'.join(map(str, mutants)))
        return 0

    sources = test_sources()
    copy = Copy(options.work, options.nice)
    code, output = copy.build(TESTS)
    if code != 0:
        sys.exit(f'the tree itself does not build:\n{output}')
    code, output = copy.test(SLOW, 600, but=True)
    if code != 0:
        sys.exit(f'the tree itself fails: {fault(output)}')
    counts = {'seen': 0, 'survived': 0, 'does not build': 0}
    survivors = []
    begun = time.monotonic()
    for number, mutant in enumerate(mutants, 1):
        if options.minutes and time.monotonic() - begun > options.minutes * 60:
            break
        with open(os.path.join(copy.path, mutant.path), encoding='utf-8') as file:
            original = file.read()
        if mutant.line:
            lines = original.split('\n')
            lines[mutant.line - 1] = mutant.new
            changed = '\n'.join(lines)
        elif original.count(mutant.old) != 1:
            sys.exit(f'{mutant.path}: "{mutant.old}" is there {original.count(mutant.old)} times')
        else:
            changed = original.replace(mutant.old, mutant.new)
        copy.write(mutant.path, changed)
        try:
            outcome, by = 'does not build', ''
            if copy.build_library()[0] == 0:
                own = own_classes(mutant.path, sources)
                code, output = copy.test(own, options.seconds) if own else (0, '')
                if code == 0:
                    code, output = copy.test(SLOW, options.seconds, but=True)
                outcome, by = ('survived', '') if code == 0 else ('seen', fault(output))
        finally:
            copy.write(mutant.path, original)
        counts[outcome] += 1
        if outcome == 'survived':
            survivors.append(mutant)
        print(f'{number}/{len(mutants)} {outcome}{" by " + by if by else ""}: {mutant}', flush=True)

    print(f'{total} possible; seed {options.seed}: ' + ', '.join(f'{n} {what}' for what, n in counts.items()))
    for mutant in survivors:
        print(f'SURVIVED {mutant}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
