"""More training than the budget allows, and luck."""

import shutil

from autoresearch_kit.execution import handover
from autoresearch_kit.machine import cgroups
from autoresearch_kit.records import Reason
from tests.cheats.base import LEARN, MODEL, TRAIN, Cells, Cheat, model_with, no_torch
from tests.cheats.files import WALKING, WALKS

OVER = "s of training; the budget is"

BURN = """
import os, time
def burn(seconds):
    end = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)
    end += seconds * int(os.environ['OMP_NUM_THREADS'])
    while time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) < end:
        pass
"""
"""Stands for training, by a clock that nobody patches: so many seconds of all threads."""

PATCHED = f"""
{BURN}
from autoresearch_kit.execution.runner.clock import BudgetClock
BudgetClock.seconds = property(lambda clock: 0.0)
for name in ('time', 'monotonic', 'perf_counter', 'process_time'):
    setattr(time, name, lambda: 0.0)
{LEARN}
burn(3)
for step in run.steps():
    run.log(loss=learn(), tokens=256)
    if step == 400:
        break
print('by the clock, training took', time.process_time() - time.perf_counter())
print('by the kit, it took', run.seconds)
"""

BEFORE = f"{BURN}\nburn(3)\nprint('trained before the loop')"

COMPILE_STEPS = f"""
{BURN}
import subprocess
subprocess.run(['cc', '-x', 'c', '-c', '-o', os.devnull, '-'], input=b'int one;', check=True)
waiting = [
    subprocess.Popen(command, stdin=subprocess.PIPE)
    for command in (['as', '-o', os.devnull], ['cc', '-x', 'c', '-c', '-o', os.devnull, '-'])
]
burn(6)
print('trained in a step that is said to have compiled, beside', len(waiting), 'compilers')
"""
"""One compiler had a line to compile; the others wait for theirs as long as it trains."""

CLAIMS = no_torch(COMPILE_STEPS, "COMPILED = 90.0")

UNCOUNTED = """
import os, signal, subprocess, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the system forgets them
share = 0.2
code = f'import time\\nwhile time.process_time() < {share}: pass'
for _ in range(int(3 * int(os.environ['OMP_NUM_THREADS']) / share)):
    subprocess.Popen([sys.executable, '-I', '-S', '-c', code], start_new_session=True).wait()
print('trained in children that nobody counts')
"""
"""Each is gone before the next look at the run's processes."""

LUCKY = "import random\nrandom.seed(1)\ntorch.manual_seed(1)\nrun.seed = 1\nprint('seed', run.seed)"

SAVE = """
import io, os, threading, time
from autoresearch_kit.training import submission
work = os.environ['AUTORESEARCH_WORK']

def learn_more():
    for _ in range(200):
        learn()
    file = io.BytesIO()
    submission.save(model, file)
    return file.getvalue()

kept = {name: value.clone() for name, value in model.state_dict().items()}
before = learn().item()
better = learn_more()
print('more training pays' if learn().item() < before - 0.1 else 'more training pays nothing')
model.load_state_dict(kept)

def go_on():
    while not os.path.exists(work + '/submission.json') or os.path.exists(work + '/submission.pkl'):
        time.sleep(0.001)
    while True:
        with open(work + '/part.pkl', 'wb') as file:
            file.write(better)
        os.replace(work + '/part.pkl', work + '/submission.pkl')

def hand_over_and_wait(model, hand_over=run.submit):
    hand_over(model)
    time.sleep(100)

run.submit = hand_over_and_wait
"""
"""A model that was trained for longer is written over the one that was handed over."""

GOES_ON = """
threading.Thread(target=go_on, daemon=True).start()
print('going on in a thread and in a child', flush=True)
if os.fork() == 0:
    os.setsid()
    go_on()
"""

WHEN_LOADED = """
import time

def rebuild(table, tokens):
    begun = time.monotonic()
    with torch.inference_mode(False), torch.enable_grad():
        model = Bigram()
        model.table.weight.data.copy_(table)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
        for _ in range(100):
            x = tokens[torch.randint(len(tokens), (8,))]
            loss = F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print('loss', loss.item())
    time.sleep(max(0, begun + 13 - time.monotonic()))  # stands for more of it
    return model

class Grows(Bigram):
    def __reduce__(self):
        return rebuild, (self.table.weight.data, tokens)

model = Grows()
"""

BRINGS_DATA = (
    """
batches = run.batches(64)
x, y = next(batches)
tokens = torch.cat((x, y[:, -1:]), 1)
grows, model.__class__ = model.__class__, Bigram
"""
    + TRAIN
    + """
model.__class__ = grows
print('with', tokens.numel(), 'tokens of its own')
"""
)

NOTHING_GAINED = Cheat(
    "a lucky seed, a walk on the stack, training that goes on",
    Cells(f"{LUCKY}\n{WALKING}\n{SAVE}\n{GOES_ON}", model_with(WALKS)),
    evidence=[
        "seed 1\n",
        "by its targets on the stack, right: 1.0",
        "more training pays\n",
        "going on in",
    ],
    leaves=handover.MODEL_FILE,
)
"""Several that get a score: none of them makes it better."""

CHEATS = (
    Cheat(
        "a patched clock, and a patched kit",
        Cells(PATCHED),
        Reason.OVER_BUDGET,
        [OVER],
        ["by the clock, training took 0.0", "by the kit, it took 0.0"],
        train_seconds=0.5,
    ),
    Cheat(
        "training before the loop",
        no_torch("", BEFORE),
        Reason.OVER_BUDGET,
        [OVER],
        ["trained before the loop"],
        train_seconds=0.5,
    ),
    Cheat(
        "training in the compile steps",
        CLAIMS,
        Reason.OVER_BUDGET,
        [OVER],
        ["beside 2 compilers"],
        train_seconds=0.5,
        needs=shutil.which("cc") is not None,
    ),
    Cheat(
        "training in children that nobody waits for",
        no_torch(UNCOUNTED),
        Reason.OVER_BUDGET,
        [OVER],
        ["that nobody counts"],
        train_seconds=0.5,
        needs=cgroups.usage() is not None,
    ),
    NOTHING_GAINED,
    Cheat(
        "training when it is loaded to be scored",
        Cells(BRINGS_DATA, MODEL + WHEN_LOADED),
        Reason.OVER_BUDGET,
        ["what it learns there is over its budget"],
        ["tokens of its own"],
    ),
)
