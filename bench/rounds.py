"""Rounds: the cases of a group in turn, A B A B, and what the samples come to.

Interleaving lets a slow minute of the machine hit all cases of a group. What does not belong here: limits.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.cases import Group
from bench.gates import Gate
from bench.measure import CaseBrokeError, Sample, run

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate beside what was measured."""

    gate: Gate
    case: str
    """The case that counts: for ``query *`` the worst."""
    value: float
    low: float
    high: float
    """The least and the greatest single value; for ratios of one round."""

    @property
    def met(self) -> bool:
        return self.gate.met(self.value)


def measure(group: Group, runs: int, tell: Callable[[str], None]) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    """Every case of ``group`` so many times; and what those said that ended with an error, by case."""
    samples: dict[str, list[Sample]] = {case.name: [] for case in group.cases}
    broken: dict[str, str] = {}
    total = runs if group.runs is None else min(runs, group.runs)
    for number in range(1, total + 1):
        for case in group.cases:
            if case.name in broken:
                continue
            tell(f"{group.title}: {case.name}, {number} of {total}")
            case.prepare()
            os.sync()  # what was prepared is on disk: no case pays for another's bytes
            try:
                samples[case.name].append(run(case.argv, tells=case.tells))
            except CaseBrokeError as error:
                broken[case.name] = str(error)
    return {name: own for name, own in samples.items() if name not in broken}, broken


def judge(gates: Sequence[Gate], samples: Samples) -> list[Verdict]:
    """The gates for which there are samples."""
    found = []
    for gate in gates:
        names = [name for name in samples if _meant(gate, name)]
        verdicts = [_verdict(gate, name, samples) for name in names if not gate.against or _against(gate, samples)]
        if verdicts:
            worst = min if gate.kind == "times as fast" else max
            found.append(worst(verdicts, key=lambda verdict: verdict.value))
    return found


def _meant(gate: Gate, name: str) -> bool:
    return name.startswith(gate.case[:-1]) if gate.case.endswith("*") else name == gate.case


def _against(gate: Gate, samples: Samples) -> Sequence[Sample]:
    """What each round is compared with; nothing if a case of it is missing."""
    names = gate.against.split(" + ")
    if not samples.keys() >= set(names):
        return ()
    rounds = zip(*(samples[name] for name in names), strict=True)
    return [
        Sample(
            wall=sum(each.wall for each in together),
            cpu=sum(each.cpu for each in together),
            peak=max(each.peak for each in together),
            others=max(each.others for each in together),
        )
        for together in rounds
    ]


def _verdict(gate: Gate, name: str, samples: Samples) -> Verdict:
    own, other = samples[name], _against(gate, samples)
    match gate.kind:
        case "wall":
            values = [sample.wall for sample in own]
            value = median(values)
        case "cpu":
            values = [sample.cpu for sample in own]
            value = median(values)
        case "peak":
            values = [sample.peak for sample in own]
            value = median(values)
        case "cpu ratio":
            values = [mine.cpu / theirs.cpu for mine, theirs in zip(own, other, strict=True)]
            value = median(mine.cpu for mine in own) / median(theirs.cpu for theirs in other)
        case "seconds more":
            values = [mine.wall - theirs.wall for mine, theirs in zip(own, other, strict=True)]
            value = median(mine.wall for mine in own) - median(theirs.wall for theirs in other)
        case "wall ratio":
            values = [mine.wall / theirs.wall for mine, theirs in zip(own, other, strict=True)]
            value = median(mine.wall for mine in own) / median(theirs.wall for theirs in other)
        case "times as fast":
            values = [theirs.wall / mine.wall for mine, theirs in zip(own, other, strict=True)]
            value = median(theirs.wall for theirs in other) / median(mine.wall for mine in own)
    return Verdict(gate, name, value, min(values), max(values))
