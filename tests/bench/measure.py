"""Rivals in turns. A contest has sides, each a function that does the same work once and gives its
seconds (or a dict of quantities); a round asks every side, in a new order each time, so that what
else this machine does disturbs all alike. A figure is the ratio of ours to one rival within a round:
its median over the rounds, and its quartiles as the spread."""
import dataclasses
import random
import statistics
import time
import typing


class Missing(Exception):
    """What a side or a contest needs and this machine has not."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """`most`: ours takes at most so many times the rival's time. `least`: ours is at least so many
    times as fast. Neither: shown, as a time or, with `fast`, as times as fast. Of several keys
    the ratio of a round is `of` their ratios."""

    rival: str
    most: typing.Optional[float] = None
    least: typing.Optional[float] = None
    fast: bool = False
    keys: typing.Sequence[str] = ("seconds",)
    of: typing.Callable = statistics.median
    name: str = ""  # of the figure, where a contest has several

    @property
    def is_speed(self):
        return self.fast or self.least is not None

    @property
    def target(self):
        if self.most is not None:
            return f"<= {self.most:g} t"
        return f">= {self.least:g} x" if self.least is not None else ""

    def ratio(self, ours, theirs):
        """Of two dicts."""
        pairs = [(ours[key], theirs[key]) for key in self.keys]
        return self.of(b / a if self.is_speed else a / b for a, b in pairs)

    def met(self, ratio):
        if self.most is not None:
            return bool(ratio <= self.most)
        return bool(ratio >= self.least) if self.least is not None else None


@dataclasses.dataclass(frozen=True)
class Contest:
    """`open` is a context manager of the sides by name, `ours` among them; a side may be a Missing."""

    name: str
    open: typing.Callable
    figures: typing.Sequence[Figure]
    seconds: float = 3  # of measuring, about
    least: int = 5  # rounds
    most: int = 41
    warm: bool = True  # each side once before it counts: caches, pages, sizes


def quartiles(values):
    values = sorted(values)
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, statistics.median(values), high


def _play(contest, sides):
    """What each side said in each round."""
    present = [name for name, side in sides.items() if callable(side)]
    said, order = {name: [] for name in present}, random.Random(1)
    for name in present if contest.warm else []:
        sides[name]()
    ending = time.monotonic() + contest.seconds
    for turn in range(contest.most):
        if turn >= contest.least and time.monotonic() > ending:
            break
        order.shuffle(present)
        for name in present:
            answer = sides[name]()
            said[name].append(answer if isinstance(answer, dict) else {"seconds": answer})
    return said


def _median(figure, said):
    """What one side said in the middle, summed over the keys."""
    return statistics.median(sum(one[key] for key in figure.keys) for one in said)


def _result(contest, figure, said, sides):
    name = contest.name + (", " + figure.name if figure.name else "")
    row = {"figure": name, "rival": figure.rival, "target": figure.target}
    if figure.rival not in said:
        return {**row, "skipped": str(sides.get(figure.rival, "not measured"))}
    ours, theirs = said["ours"], said[figure.rival]
    low, middle, high = quartiles([figure.ratio(a, b) for a, b in zip(ours, theirs)])
    return {
        **row,
        "sense": "speed" if figure.is_speed else "time",
        "ratio": middle,
        "low": low,
        "high": high,
        "rounds": len(ours),
        "ours": _median(figure, ours),
        "theirs": _median(figure, theirs),
        "unit": figure.keys[0] if len(figure.keys) == 1 else "seconds",
        "met": figure.met(middle),
    }


def results(contest, late=None):
    """A dict for each figure; those of which the rival is missing say so in `skipped`, and all do
    when it is too late to begin."""
    reason = late
    try:
        if not late:
            with contest.open() as sides:
                said = _play(contest, sides)
                return [_result(contest, figure, said, sides) for figure in contest.figures]
    except (Missing, ImportError, RuntimeError) as failed:
        reason = failed
    return [_result(contest, figure, {}, {figure.rival: reason}) for figure in contest.figures]
