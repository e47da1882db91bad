"""What students attend to beside their teacher, on the few test examples that were kept of both (C, figure 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from search_spaces import LayerMap, layer_map
from trials.specs import TrialRecord
from trials.storage import Workspace
from trials.teachers import ExampleAttention

Map = NDArray[np.float64]  # [tokens, tokens], rows are distributions
SMALLEST = 2.0**-24  # above 0 in half precision: what a student looks at less is taken for this


@dataclass(frozen=True)
class HeadView:
    """One head in one example: the teacher's, the first experiment's and another one's."""

    seed: int  # of both students
    tokens: tuple[str, ...]  # the example
    layer: int  # which one, all from 1
    teacher_layer: int
    head: int
    teacher: Map  # who looks at what
    before: Map
    after: Map
    divergences: tuple[float, float]  # of `before` and `after` from the teacher's


@dataclass(frozen=True)
class Attention:
    """How far the attention of one triple's students is from their teacher's."""

    # of each experiment the mean over examples, matched layers, heads and seeds (C, eq. 2)
    divergences: Mapping[str, float]
    first: str  # the experiments of `view`: the first, and of those that learn attention the one that validates best
    other: str
    closer: float  # share of heads, of all examples, in which the other's is nearer to the teacher's than the first's
    view: HeadView  # the head in which the two differ most


class _Kept(NamedTuple):
    """Attention of a trial's student and of its teacher, on the same examples."""

    student: ExampleAttention
    teacher: ExampleAttention


def head_divergences(teacher: NDArray[np.floating], student: NDArray[np.floating]) -> NDArray[np.float64]:
    """Kullback-Leibler divergence of a student's attention from its teacher's (C, eq. 2): 1/l sum_ij T log (T / S).

    Example: T = (1/2, 1/2) and S = (1/4, 3/4) in each row: 1/2 ln 2 + 1/2 ln 2/3 = 0.1438.

    Args:
        teacher: Probabilities [..., l, l].
        student: Likewise.

    Returns:
        One number per head, [...].
    """
    other = np.maximum(student.astype(np.float64), SMALLEST)
    found: NDArray[np.float64] = rel_entr(teacher.astype(np.float64), other)
    return np.asarray(found.sum(axis=-1).mean(axis=-1))


def attention_of(trials: Mapping[str, Mapping[int, TrialRecord]], workspace: Workspace) -> Attention | None:
    """The attention of one triple's students; None where that of the first experiment or of the others was not kept.

    Args:
        trials: Finished trials by experiment and seed; the first experiment is what others are compared with.
        workspace: The study's directory.
    """
    kept = {name: _kept(own, workspace) for name, own in trials.items()}
    records = {name: list(own.values()) for name, own in trials.items()}
    first, *others = trials
    learning = [name for name in others if any(each.configuration.attention_weight for each in records[name])]
    comparable = [name for name in learning if kept[name].keys() & kept[first].keys()]
    if not comparable:
        return None
    other = max(comparable, key=lambda name: fmean(each.validation_score or 0.0 for each in records[name]))
    depths = (len(each.maps[0]) for each in next(iter(kept[other].values())))
    pairs = layer_map(records[other][0].configuration.layer_map, *depths)
    found = {name: {seed: _divergences(each, pairs) for seed, each in own.items()} for name, own in kept.items()}
    seed = min(kept[first].keys() & kept[other].keys(), key=list(kept[first]).index)
    before, after = np.array(found[first][seed]), np.array(found[other][seed])  # [examples, pairs, heads]
    return Attention(
        divergences={name: float(np.mean(list(own.values()))) for name, own in found.items() if own},
        first=first,
        other=other,
        closer=float(np.mean(before > after)),
        view=_view(seed, kept[first][seed], kept[other][seed], pairs, before, after),
    )


def _kept(trials: Mapping[int, TrialRecord], workspace: Workspace) -> dict[int, _Kept]:
    """What was kept of each seed's student and its teacher, on examples that both read alike."""
    found = {}
    for seed, record in trials.items():
        student, spec = ExampleAttention.read(workspace.attention(record.record_id)), record.spec
        teacher = ExampleAttention.read(workspace.teacher_attention(spec.teacher_fingerprint, spec.data_fingerprint))
        if student and teacher and _alike(student, teacher):
            found[seed] = _Kept(student, teacher)
    return found


def _alike(student: ExampleAttention, teacher: ExampleAttention) -> bool:
    """Whether examples and heads are the same, and the teacher's have tokens."""
    shapes = [[each.shape[1:] for each in own.maps] for own in (student, teacher)]
    return shapes[0] == shapes[1] and np.array_equal(student.rows, teacher.rows) and len(teacher.tokens) > 0


def _divergences(kept: _Kept, pairs: LayerMap) -> list[NDArray[np.float64]]:
    """Of each example, [pairs, heads]."""
    own, other = ([pair[side] - 1 for pair in pairs] for side in (0, 1))
    maps = zip(kept.teacher.maps, kept.student.maps, strict=True)
    return [head_divergences(taught[other], found[own]) for taught, found in maps]


def _view(seed: int, first: _Kept, other: _Kept, pairs: LayerMap, before: Map, after: Map) -> HeadView:
    """Where two students differ most; of equals the first example, layer and head."""
    gaps = np.abs(before - after)
    example, pair, head = map(int, np.unravel_index(int(gaps.argmax()), gaps.shape))
    layer, teacher_layer = pairs[pair]
    return HeadView(
        seed=seed,
        tokens=other.teacher.tokens[example],
        layer=layer,
        teacher_layer=teacher_layer,
        head=head + 1,
        teacher=other.teacher.maps[example][teacher_layer - 1, head].astype(np.float64),
        before=first.student.maps[example][layer - 1, head].astype(np.float64),
        after=other.student.maps[example][layer - 1, head].astype(np.float64),
        divergences=(float(before[example, pair, head]), float(after[example, pair, head])),
    )
