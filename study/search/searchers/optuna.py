"""Optuna's tree-structured Parzen estimator over the points of a grid, each reached by one path of parameters.

Its study is made anew from the scores for each batch, and never stored: what a batch holds is a function of the seed
and of the scores of all batches before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from search_spaces import CHOICE_ORDER, Configuration, SearchSpace, digest
from study.config import SearchConfig
from study.search.searchers.chain import Score, Scores, SearchProgram, StoppedScore
from study.search.searchers.grid import GridPointSearch, full_grid, raise_if_all_failed
from study.search.searchers.random import sample_points

if TYPE_CHECKING:
    import optuna

MAX_REPEATED_PROPOSALS = 20  # proposals in a row that are known already, after which a point is drawn at random
NUMERIC_PARAMETERS = (
    "soft_label_weight",
    "attention_weight",
    "cosine_weight",
    "temperature",
    "learning_rate",
)  # numbers
PARAMETER_ORDER = (
    "soft_label_weight",
    *CHOICE_ORDER,
    "temperature",
    "learning_rate",
)  # what may make others void is asked first


class TPESearch(GridPointSearch):
    """The search of one triple by TPE.

    Args:
        points: All configurations that it may try.
        budget: How many it tries; all, where there are fewer.
        batch: How many are proposed at a time; they run side by side and know nothing of each other's scores.
        seed: Seeds the sampler.
    """

    is_guessable = False  # it builds on more than which scores are best

    @classmethod
    def of(cls, space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool, seed: str) -> Self:
        """As of `make_search`."""
        assert search.trials is not None  # the study file says how many
        return cls(full_grid(space, one_checkpoint, softmax), search.trials, search.batch, search.seed, seed)

    def __init__(self, points: Sequence[Configuration], budget: int, batch: int, *seed: object):
        super().__init__(points)
        self._budget = min(budget, len(points))
        self._batch = batch
        self._seed = seed

    @property
    def budget(self) -> int:
        """Configurations that it tries in all."""
        return self._budget

    @cached_property
    def num_requests(self) -> int:
        """Batches."""
        return math.ceil(self.budget / self._batch)

    def run(self) -> SearchProgram:
        """Batch by batch."""
        tree = ParameterTree(self.points)
        scores: dict[Configuration, Score] = {}
        while len(scores) < self.budget:
            number = min(self._batch, self.budget - len(scores))
            scores |= yield propose_batch(tree, scores, number, *self._seed)
        raise_if_all_failed(scores)


def propose_batch(tree: ParameterTree, scores: Scores, number: int, *seed: object) -> tuple[Configuration, ...]:
    """The next batch: points without a score, all different.

    Optuna is told all scores in their order, of failed ones that they failed, of stopped ones that they were pruned and
    where: TPE ranks these behind all that completed, by epoch, then by score. Proposals of one batch see each other as
    running (constant liar). A proposal that is known is dropped, and the sampler asked again.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    number_seed = int(digest([*map(str, seed), len(scores)])[:8], 16)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=number_seed))
    study.add_trials([_finished(tree, point, score) for point, score in scores.items()])
    batch: dict[Configuration, None] = {}
    while len(batch) < number:
        found = _untried(tree, study, scores.keys() | batch.keys())
        if found is None:
            rest = [point for point in tree.points if point not in scores and point not in batch]
            found = sample_points(rest, 1, *seed, len(scores), len(batch))[0]
        batch[found] = None
    return tuple(batch)


def _untried(tree: ParameterTree, study: optuna.Study, known: Iterable[Configuration]) -> Configuration | None:
    """What the sampler proposes, if that comes up with something new."""
    import optuna

    for _ in range(MAX_REPEATED_PROPOSALS):
        trial = study.ask()
        point = tree.suggested(trial)
        if point not in known:
            return point
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return None


def _finished(tree: ParameterTree, point: Configuration, score: Score) -> optuna.trial.FrozenTrial:
    import optuna

    states, parameters = optuna.trial.TrialState, tree.parameters(point)
    if isinstance(score, StoppedScore):
        told = {score.step: score.score}
        return optuna.trial.create_trial(state=states.PRUNED, intermediate_values=told, **parameters)
    return optuna.trial.create_trial(state=states.FAIL if score is None else states.COMPLETE, value=score, **parameters)


@dataclass(frozen=True)
class TreeParameter:
    """One parameter of the points.

    Attributes:
        name: Its name.
        values: All its values; of numbers rising.
        ranked: Whether its values have an order, so that neighbours are alike.
    """

    name: str
    values: tuple[Any, ...]
    ranked: bool

    def suggested(self, trial: optuna.Trial, possible: Sequence[Any]) -> Any:
        """One of the possible values; the nearest one by rank where the sampler asks for another."""
        if not self.ranked:
            return {str(value): value for value in possible}[
                trial.suggest_categorical(self._key(possible), [str(value) for value in possible])
            ]
        rank = trial.suggest_int(self.name, 0, len(self.values) - 1)
        return min(possible, key=lambda value: abs(self.values.index(value) - rank))

    def parameter(self, value: Any, possible: Sequence[Any]) -> tuple[str, Any, optuna.distributions.BaseDistribution]:
        """Key, value and distribution of what `suggested` would have asked for."""
        import optuna

        if not self.ranked:
            kinds = optuna.distributions.CategoricalDistribution([str(each) for each in possible])
            return self._key(possible), str(value), kinds
        ranks = optuna.distributions.IntDistribution(0, len(self.values) - 1)
        return self.name, self.values.index(value), ranks

    def _key(self, possible: Sequence[Any]) -> str:
        """Optuna knows one set of values per name: where some are impossible, it is another parameter."""
        return self.name if len(possible) == len(self.values) else f"{self.name}: {', '.join(map(str, possible))}"


class ParameterTree:
    """The points as a tree: a parameter a level, asked for where more than one value is possible (not of void ones).

    Attributes:
        points: All points; each is one path.
    """

    def __init__(self, points: Sequence[Configuration]):
        self.points = tuple(points)
        names = dict.fromkeys((*PARAMETER_ORDER, *(field.name for field in fields(Configuration))))
        self._axes = [axis for name in names if len((axis := _axis(name, self.points)).values) > 1]
        self._root = _branch(self.points, self._axes)

    def suggested(self, trial: optuna.Trial) -> Configuration:
        """The point that an Optuna trial leads to."""
        node = self._root
        for axis in self._axes:
            possible = list(node)
            node = node[possible[0] if len(possible) == 1 else axis.suggested(trial, possible)]
        found: Configuration = node
        return found

    def parameters(self, point: Configuration) -> dict[str, Any]:
        """An Optuna trial's ``params`` and ``distributions`` that lead to a point."""
        node, asked = self._root, []
        for axis in self._axes:
            value = getattr(point, axis.name)
            if len(node) > 1:
                asked.append(axis.parameter(value, list(node)))
            node = node[value]
        return {
            "params": {key: value for key, value, _ in asked},
            "distributions": {key: distribution for key, _, distribution in asked},
        }


def _axis(name: str, points: Iterable[Configuration]) -> TreeParameter:
    values = tuple(dict.fromkeys(getattr(point, name) for point in points))
    ranked = name in NUMERIC_PARAMETERS
    return TreeParameter(name, tuple(sorted(values)) if ranked else values, ranked)


def _branch(points: Sequence[Configuration], axes: Sequence[TreeParameter]) -> Any:
    """Nested mappings from value to value; at the end a point."""
    if not axes:
        (point,) = points
        return point
    axis, *others = axes
    groups: dict[Any, list[Configuration]] = {}
    for point in points:
        groups.setdefault(getattr(point, axis.name), []).append(point)
    return {value: _branch(group, others) for value, group in groups.items()}


SEARCH = TPESearch
