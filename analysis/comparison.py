"""How do searches compare that share triples? What each finds with how many trials, against the grid's best.

Selection reads validation scores alone; the test score shown is that of what validation chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from analysis.results import mean
from search_spaces import Configuration, Fault, InputError
from study.config import Strategy, Study
from study.search import StudySearch, TripleSearch, load_search
from study.search.searchers import completed_score
from trials.specs import Record, TaskName, TrialRecord, Triple


@dataclass(frozen=True)
class Opened:
    """One study to compare.

    Attributes:
        place: Its directory: a path, or an address.
        study: The study.
        records: Its ledger's records.
    """

    place: str
    study: Study
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Attempt:
    """One configuration that a search tried.

    Attributes:
        configuration: The configuration.
        validation, test: Scores, means over seeds; None if a trial of it failed or was stopped early.
    """

    configuration: Configuration
    validation: float | None
    test: float | None


@dataclass(frozen=True)
class Run:
    """One study's search of one triple.

    Attributes:
        study: The study's name.
        strategy: How it searches.
        finished: Whether the search has ended.
        attempts: What it tried, in the order of asking.
        trials: Trials behind them: one per configuration and seed, equal ones once.
        hours: Worker hours of these, however long ago and for whatever search they were run.
    """

    study: str
    strategy: Strategy
    finished: bool
    attempts: tuple[Attempt, ...]
    trials: int
    hours: float

    @property
    def best(self) -> Attempt | None:
        """What validates best, the first of equals; None before any has a score."""
        return self.best_after(len(self.attempts))

    def best_after(self, number: int) -> Attempt | None:
        """The best of the first `number` configurations."""
        known = [attempt for attempt in self.attempts[:number] if attempt.validation is not None]
        return max(known, key=lambda attempt: attempt.validation or 0.0, default=None)

    @property
    def best_so_far(self) -> tuple[float | None, ...]:
        """The best validation score after 1, 2, ... configurations."""
        scores, best = [], None
        for attempt in self.attempts:
            if attempt.validation is not None:
                best = attempt.validation if best is None else max(best, attempt.validation)
            scores.append(best)
        return tuple(scores)


@dataclass(frozen=True)
class Compared:
    """One triple that all studies share.

    Attributes:
        triple: The triple.
        runs: One per study, in the order given.
        optimum: The best validation score of a whole grid; None where no study is a finished grid that stops no trial.
        same_teachers: Whether all searches learn from the same checkpoints; else scores differ for that reason too.
    """

    triple: Triple
    runs: tuple[Run, ...]
    optimum: float | None
    same_teachers: bool

    @property
    def task(self) -> TaskName:
        """The kind of task."""
        return self.triple.dataset.task

    @property
    def metric(self) -> str:
        """The score that is maximised."""
        return self.triple.dataset.metric

    @property
    def same_number(self) -> int:
        """Configurations of the shortest search: what all others have tried as well."""
        return min(len(run.attempts) for run in self.runs)

    def regret(self, score: float | None) -> float | None:
        """How far a validation score is below the grid's best, in units of the metric."""
        return None if score is None or self.optimum is None else self.optimum - score


def compare(opened: Sequence[Opened]) -> tuple[Compared, ...]:
    """Compare studies on the triples that all of them have, in the first one's order.

    Raises:
        InputError: They share no triple, or what they share was trained otherwise, so that scores do not compare.
    """
    if faults := [*_unshared(opened), *_incomparable(opened)]:
        raise InputError(faults)
    searches = [load_search(each.study, each.records) for each in opened]
    if faults := list(_other_data(opened, searches)):
        raise InputError(faults)
    return tuple(_compared(triple, opened, searches) for triple in _shared(opened))


def names_of(opened: Sequence[Opened]) -> list[str]:
    """The studies' names; where two are equal, their directories instead."""
    names = [each.study.config.name for each in opened]
    return names if len(set(names)) == len(names) else [each.place for each in opened]


def _shared(opened: Sequence[Opened]) -> list[Triple]:
    others = [{triple.triple_id for triple in each.study.triples} for each in opened[1:]]
    return [triple for triple in opened[0].study.triples if all(triple.triple_id in ids for ids in others)]


def _unshared(opened: Sequence[Opened]) -> Iterable[Fault]:
    if len(opened) < 2:
        yield Fault("command line", "DIR", None, "give two studies' directories at least")
    elif not _shared(opened):
        found = "; ".join(f"{each.place} has {', '.join(t.triple_id for t in each.study.triples)}" for each in opened)
        yield Fault("command line", "DIR", None, f"these studies share no triple (teacher/student/data set): {found}")


def _incomparable(opened: Sequence[Opened]) -> Iterable[Fault]:
    """What of shared triples differs from the first study's, each key once."""
    for other in opened[1:]:
        told: set[str] = set()
        for triple in _shared([opened[0], other]):
            wanted, found = _terms(opened[0].study, triple.triple_id), _terms(other.study, triple.triple_id)
            for key in [key for key, value in found.items() if value != wanted[key] and key not in told]:
                told.add(key)
                message = f"is {wanted[key]!r} in {opened[0].place}: scores of {triple.triple_id} do not compare"
                yield Fault(f"{other.place}/study.yaml", key, found[key], message)


def _other_data(opened: Sequence[Opened], searches: Sequence[StudySearch]) -> Iterable[Fault]:
    """Shared data sets whose rows are others than the first study's, as far as their teachers' records say."""
    for name in dict.fromkeys(triple.dataset.name for triple in _shared(opened)):
        found = [search.fingerprints.data.get(name) for search in searches]
        for each, fingerprint in zip(opened[1:], found[1:], strict=True):
            if found[0] and fingerprint and fingerprint != found[0]:
                message = f"has other rows than in {opened[0].place}: scores do not compare"
                yield Fault(f"{each.place}/study.yaml", f"datasets.{name}", None, message)


def _terms(study: Study, triple_id: str) -> dict[str, Any]:
    """What decides the scores of a triple, beside its configuration and contents of files."""
    triple = next(each for each in study.triples if each.triple_id == triple_id)
    dataset, student = triple.dataset.model_dump(mode="json"), triple.student.model_dump(mode="json")
    recipe = study.student_recipe(triple.dataset).model_dump(mode="json")
    of_data = ("task", "metric", "examples", "sample_seed", "only", "carve", "labels")
    return {
        "seeds": study.config.seeds,
        **{f"datasets.{triple.dataset.name}.{key}": dataset[key] for key in of_data},
        **{f"students.{triple.student.name}.{key}": value for key, value in student.items() if key != "source"},
        **{f"training.{key}": value for key, value in recipe.items()},
    }


def _compared(triple: Triple, opened: Sequence[Opened], searches: Sequence[StudySearch]) -> Compared:
    started = [search.triples.get(triple.triple_id) for search in searches]
    runs = tuple(map(_run, names_of(opened), opened, started))
    whole = [run for run, each in zip(runs, opened, strict=True) if each.study.config.search.stopping is None]
    grids = [run.best for run in whole if run.strategy is Strategy.GRID and run.finished and run.best]
    optimum = max((best.validation for best in grids if best.validation is not None), default=None)
    return Compared(triple, runs, optimum, len({_checkpoints(found) for found in started if found}) <= 1)


def _checkpoints(found: TripleSearch) -> tuple[str | None, ...]:
    return tuple(found.teacher.selected(kind).fingerprint for kind in ("highest_score", "lowest_loss"))


def _run(name: str, opened: Opened, found: TripleSearch | None) -> Run:
    strategy = opened.study.config.search.strategy
    if found is None:
        return Run(name, strategy, False, (), 0, 0.0)
    attempts: list[Attempt] = []
    behind: dict[str, float] = {}
    for configuration, score in found.chain.tried.items():
        records = found.records(configuration)
        known = completed_score(score) is not None
        attempts.append(Attempt(configuration, completed_score(score), _test(records) if known else None))
        behind |= {record.record_id: record.run.seconds for record in records}
    return Run(name, strategy, found.searched, tuple(attempts), len(behind), fsum(behind.values()) / 3600)


def _test(records: Iterable[TrialRecord]) -> float | None:
    return mean(record.test_score for record in records)
