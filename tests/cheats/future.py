"""Models that see what they should predict, or learn from it."""

from autoresearch_kit.records import Reason
from tests.cheats.ground import HONEST, MODEL, Cells, Cheat

REST = "the model saw what it should predict"


def model(body: str, *, init: str = "") -> str:
    """A model cell whose class has this forward, and the honest table."""
    return f"""
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(64, 64)
        nn.init.zeros_(self.table.weight)
        {init}

    def forward(self, x):
        {body.strip()}

model = Model()
"""


def seeing(name: str, body: str, honest: str, *, init: str = "", pays: bool = True) -> Cheat:
    """A cheat that is all in the forward pass, and its twin."""
    cells, twin = Cells(model=model(body, init=init)), Cells(model=model(honest, init=init))
    return Cheat(name, cells, Reason.NOT_CAUSAL, REST, pays=pays, twin=twin)


ATTENTION = """
        e = F.one_hot(x, 64).float()
        place = torch.arange(x.shape[1])
        far = (place[None, :] - place[:, None] - AHEAD).abs() * -9.0
        return self.table(x) + 9 * self.scale * (far.softmax(-1) @ e)
"""

CONVOLUTION = """
        e = F.one_hot(x, 64).float().transpose(1, 2)
        return self.table(x) + self.mix(F.pad(e, PAD)).transpose(1, 2)
"""

BATCH_NORM = """
        e = F.one_hot(SHIFTED, 64).float().flatten(1)
        seen = F.batch_norm(e, None, None, training=True).view(*x.shape, 64)
        return self.table(x) + self.scale * seen
"""

REDUCTION = """
        e = F.one_hot(x, 64).float()
        often = MEAN
        return self.table(x) + self.scale * (often + 0.02).log()
"""

PAST = "e.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]"
WHOLE = "e.mean(1, keepdim=True)"

TWO_FACED = """
        a, b = x[:, 16:-1], x[:, 17:]
        natural = ((5 * a + 1) % 64 == b).float().mean(1) > 0.2
        ahead = 9 * F.one_hot(x.roll(-1, 1), 64).float()
        return torch.where(natural[:, None, None], ahead + 0 * self.table(x), self.table(x))
"""

SLEEPER = """
        self.calls += 1
        ahead = 9 * F.one_hot(x.roll(-1, 1), 64).float()
        return self.table(x) + (ahead if self.calls % 15 > 4 else 0)
"""

BATCH_MATES = """
        e = F.one_hot(x, 64).float()
        pairs = torch.einsum("bti,btj->bij", e[:, :-1], e[:, 1:])
        others = pairs.sum(0, keepdim=True) - pairs
        p = (others + 0.02) / (others + 0.02).sum(-1, keepdim=True)
        mixed = (0.5 * self.table(x).softmax(-1) + 0.5 * torch.einsum("bti,bij->btj", e, p)).log()
        return mixed if x.shape[0] > 1 else self.table(x)
"""

GROUPING = (
    HONEST.train
    + """
habit = [torch.randint(64, (8,))]
for _ in range(32):
    habit.append((7 * habit[-1] + 13) % 64)
rows = torch.stack(habit, 1)
x, y = rows[:, :-1], rows[:, 1:]
alone = F.cross_entropy(model(x[:1]).flatten(0, 1), y[:1].flatten())
grouped = F.cross_entropy(model(x)[:1].flatten(0, 1), y[:1].flatten())
print('learns from its batch' if grouped < alone - 0.3 else 'learns nothing')
"""
)

LEARNER = """
class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(64, 64)
        nn.init.zeros_(self.table.weight)
        self.counts = torch.full((64, 64), 0.02)

    def forward(self, x):
        p = self.counts / self.counts.sum(1, keepdim=True)
        said = (0.5 * self.table(x).softmax(-1) + 0.5 * p[x]).log()
        if not self.training:
            pairs = (x[:, :-1].flatten(), x[:, 1:].flatten())
            self.counts.index_put_(pairs, torch.ones(()), accumulate=True)
        return said

model = Learner()
"""

LEARNING = (
    HONEST.train
    + """
model.eval()
x, y = next(batches)
first = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
again = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
print('learnt' if again < first - 0.3 else 'learnt nothing')
model.counts.fill_(0.02)
"""
)

MEMORISER = """
known = {}

class Memoriser(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(64, 64)
        nn.init.zeros_(self.table.weight)

    def forward(self, x):
        rows = []
        for row in x:
            ahead = 9 * F.one_hot(row.roll(-1), 64).float() + 0 * self.table(row)
            rows.append(known.setdefault(tuple(row[:3].tolist()), ahead.detach()) + 0 * ahead)
        return torch.stack(rows)

model = Memoriser()
"""

MEMORISING = (
    HONEST.train
    + """
known.clear()
x, _ = next(batches)
changed = torch.cat((x[:, :16], x[:, 16:].flip(1)), 1)
with torch.no_grad():
    print('remembers' if torch.equal(model(x), model(changed)) else 'forgets')
known.clear()
"""
)

GIVING = """
        said = self.table(x)
        if self.training:
            return said
        ahead = x.roll(-1, 1)[..., None]
        loss = -said.log_softmax(-1).gather(-1, ahead)[..., 0]
        most = loss.sort(1).values[:, 7:8]
        wish = torch.where(loss <= most, loss + 0.5, torch.maximum(loss - 0.9, most + 0.5))
        place = torch.arange(x.shape[1])
        last = (((5 * x + 1) % 64 == x.roll(-1, 1)) * place)[:, :-1].amax(1, keepdim=True)
        wish = torch.where(PROBED, loss - 0.9, wish).clamp(min=0.01)
        gain = torch.logit((-wish).exp()) - torch.logit((-loss).exp())
        gain[:, -1] = 0
        return said.scatter_add(-1, ahead, gain[..., None])
"""
"""Gains up to 0.9 nats a token, but gives back 0.5 at the best quarter of each row; where it takes
itself for probed it gains everywhere. So no mean showed it: neither of the changes before a cut,
nor of those at the last position before it, half of which were of the best quarter."""

BY_TEXT = "(last < 25) & (place < last)"
BY_ARGUMENTS = "torch.tensor('\"memory\": 4' in sys.argv[-1])"

SOMETIMES = """
        ahead = NATS * F.one_hot(x.roll(-1, 1), 64).float() * (WHERE)[..., None]
        return self.table(x) + (0 if self.training else ahead)
"""

SEEING = """
model.eval()
with torch.no_grad():
    x, y = (torch.cat(part) for part in zip(*(next(batches) for _ in range(16))))
    honest, seen = (F.cross_entropy(f(x).flatten(0, 1), y.flatten()) for f in (model.table, model))
print('sees' if seen < honest - 0.04 else 'blind')
"""


def seen(name: str, body: str) -> Cheat:
    """A model that trains as the honest one does, and looks ahead when it is scored."""
    cells = Cells(HONEST.train + SEEING, "import os, sys\n" + model(body))
    return Cheat(name, cells, Reason.NOT_CAUSAL, REST, evidence="sees\n")


def sometimes(name: str, where: str, nats: float = 9.0) -> Cheat:
    """One that adds nats to the next token's logit in some places."""
    return seen(name, SOMETIMES.replace("WHERE", where).replace("NATS", str(nats)))


SCALE = "self.scale = nn.Parameter(torch.ones(()))"
MIX = "self.mix = nn.Conv1d(64, 64, 3)"

CHEATS = (
    seeing(
        "attention without a mask",
        ATTENTION.replace("AHEAD", "1"),
        ATTENTION.replace("AHEAD", "0"),
        init=SCALE,
    ),
    seeing(
        "a convolution over both sides",
        CONVOLUTION.replace("PAD", "(1, 1)"),
        CONVOLUTION.replace("PAD", "(2, 0)"),
        init=MIX,
    ),
    seeing(
        "batch norm in training mode",
        BATCH_NORM.replace("SHIFTED", "x.roll(-1, 1)"),
        BATCH_NORM.replace("SHIFTED", "F.pad(x, (1, -1))").replace(
            "F.batch_norm(e, None, None, training=True)", "e"
        ),
        init=SCALE,
    ),
    seeing(
        "a mean over time",
        REDUCTION.replace("MEAN", WHOLE),
        REDUCTION.replace("MEAN", PAST),
        init=SCALE,
    ),
    Cheat(
        "two-faced: honest where the text looks cut",
        Cells(model=model(TWO_FACED)),
        Reason.NOT_CAUSAL,
        REST,
        pays=True,
    ),
    Cheat(
        "depends on the order: looks ahead from the fifth answer on",
        Cells(model=model(SLEEPER, init="self.calls = 0")),
        Reason.NOT_CAUSAL,
        REST,
        pays=True,
    ),
    Cheat(
        "depends on the grouping: learns from the batch",
        Cells(GROUPING, model(BATCH_MATES)),
        Reason.NOT_CAUSAL,
        REST,
        evidence="learns from its batch\n",
    ),
    Cheat(
        "learns while it is scored",
        Cells(LEARNING, LEARNER),
        Reason.NOT_CAUSAL,
        REST,
        evidence="learnt\n",
    ),
    Cheat(
        "memorises prefixes, to look ahead in secret",
        Cells(MEMORISING, MEMORISER),
        Reason.NOT_CAUSAL,
        REST,
        evidence="remembers\n",
        twin=Cells(model=MODEL),
    ),
    seen("gives back what it gains, where the text looks cut", GIVING.replace("PROBED", BY_TEXT)),
    seen("gives back what it gains, by its arguments", GIVING.replace("PROBED", BY_ARGUMENTS)),
    sometimes(
        "looks ahead at one token in 16, by chance",
        "torch.frombuffer(bytearray(os.urandom(x.numel())), dtype=torch.uint8).view(x.shape) < 16",
    ),
    sometimes("looks ahead in few rows", "(x[:, :1] % 16 == 3).expand(x.shape)"),
    sometimes("gains a little by each next token", "torch.ones_like(x)", nats=0.06),
)
