"""How do searches compare on the same triples: the best score that each finds, by trials, against the grid's best?

Selection reads validation scores alone; the test score is that of the configuration that validates best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import fsum
from typing import Any

from analysis.results import mean
from search_spaces import Configuration, Fault, InputError
from study.config import Strategy, Study
from study.search import StudySearch, TripleSearch, load_search
from study.search.searchers import completed_score
from trials.specs import Record, Triple


@dataclass(frozen=True)
class ComparedStudy:
    """One study to compare."""

    place: str  # its directory: a path, or an address
    study: Study
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Attempt:
    """One configuration that a search tried."""

    configuration: Configuration
    validation: float | None  # score, mean over seeds; None if one of its trials failed or was stopped early
    test: float | None  # likewise


@dataclass(frozen=True)
class SearchRun:
    """One study's search of one triple."""

    study: str  # the study's name
    strategy: Strategy
    finished: bool
    attempts: tuple[Attempt, ...]  # in the order in which the search asked for them
    trials: int  # number of their trials: one per configuration and seed, equal ones once
    hours: float  # worker hours of these trials, whichever search they were run for

    @property
    def best(self) -> Attempt | None:
        """The attempt that validates best, the first of equals; None before any has a score."""
        return self.best_after(len(self.attempts))

    def best_after(self, number: int) -> Attempt | None:
        """The best of the first `number` attempts."""
        known = [attempt for attempt in self.attempts[:number] if attempt.validation is not None]
        return max(known, key=lambda attempt: attempt.validation or 0.0, default=None)

    @property
    def best_so_far(self) -> tuple[float | None, ...]:
        """The best validation score after 1, 2, ... attempts."""
        return tuple(accumulate((attempt.validation for attempt in self.attempts), _better))


@dataclass(frozen=True)
class ComparedTriple:
    """One triple that all studies share."""

    triple: Triple
    runs: tuple[SearchRun, ...]  # one per study, in the order given
    # the best validation score of a whole grid; None where no study is a finished grid that stops no trial
    optimum: float | None
    same_teachers: bool  # whether all students learn from the same checkpoints; else scores differ for that reason too

    @property
    def metric(self) -> str:
        """The score that is maximised."""
        return self.triple.dataset.metric

    @property
    def same_number(self) -> int:
        """Configurations of the shortest search: as many as every search has tried."""
        return min(len(run.attempts) for run in self.runs)

    def regret(self, score: float | None) -> float | None:
        """How far a validation score is below the grid's best, in units of the metric."""
        return None if score is None or self.optimum is None else self.optimum - score


def compare(studies: Sequence[ComparedStudy]) -> tuple[ComparedTriple, ...]:
    """Compare studies on the triples that all of them have, in the first one's order.

    Raises:
        InputError: They share no triple, or the same triple was trained in another way, so that scores do not compare.
    """
    if faults := [*_unshared(studies), *_incomparable(studies)]:
        raise InputError(faults)
    searches = [load_search(each.study, each.records) for each in studies]
    if faults := list(_other_data(studies, searches)):
        raise InputError(faults)
    return tuple(_compared(triple, studies, searches) for triple in _shared(studies))


def _shared(studies: Sequence[ComparedStudy]) -> list[Triple]:
    others = [{triple.triple_id for triple in each.study.triples} for each in studies[1:]]
    return [triple for triple in studies[0].study.triples if all(triple.triple_id in ids for ids in others)]


def _unshared(studies: Sequence[ComparedStudy]) -> Iterator[Fault]:
    if len(studies) < 2:
        yield Fault("command line", "DIR", None, "give two studies' directories at least")
    elif not _shared(studies):
        found = "; ".join(f"{each.place} has {', '.join(t.triple_id for t in each.study.triples)}" for each in studies)
        yield Fault("command line", "DIR", None, f"these studies share no triple (teacher/student/data set): {found}")


def _incomparable(studies: Sequence[ComparedStudy]) -> Iterator[Fault]:
    """Settings of shared triples that differ from the first study's, each key once."""
    first = studies[0]
    for other in studies[1:]:
        told: set[str] = set()
        for triple in _shared([first, other]):
            wanted, found = (_settings(each.study, triple.triple_id) for each in (first, other))
            for key in [key for key, value in found.items() if value != wanted[key] and key not in told]:
                told.add(key)
                message = f"is {wanted[key]!r} in {first.place}: scores of {triple.triple_id} do not compare"
                yield Fault(f"{other.place}/study.yaml", key, found[key], message)


def _settings(study: Study, triple_id: str) -> dict[str, Any]:
    """The settings that decide a triple's scores, beside its configuration and the contents of files."""
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


def _other_data(studies: Sequence[ComparedStudy], searches: Sequence[StudySearch]) -> Iterator[Fault]:
    """Shared data sets whose rows differ from the first study's, as far as teachers' records say."""
    for name in dict.fromkeys(triple.dataset.name for triple in _shared(studies)):
        first, *others = (search.fingerprints.data.get(name) for search in searches)
        for each, fingerprint in zip(studies[1:], others, strict=True):
            if first and fingerprint and fingerprint != first:
                message = f"has other rows than in {studies[0].place}: scores do not compare"
                yield Fault(f"{each.place}/study.yaml", f"datasets.{name}", None, message)


def _compared(triple: Triple, studies: Sequence[ComparedStudy], searches: Sequence[StudySearch]) -> ComparedTriple:
    begun = [search.triples.get(triple.triple_id) for search in searches]
    runs = tuple(map(_run, _names(studies), studies, begun))
    whole = [run for run, each in zip(runs, studies, strict=True) if each.study.config.search.stopping is None]
    grids = [run.best for run in whole if run.strategy is Strategy.GRID and run.finished and run.best]
    optimum = max((best.validation for best in grids if best.validation is not None), default=None)
    return ComparedTriple(triple, runs, optimum, len({_checkpoints(search) for search in begun if search}) <= 1)


def _names(studies: Sequence[ComparedStudy]) -> list[str]:
    """The studies' names; where two are equal, their directories instead."""
    names = [each.study.config.name for each in studies]
    return names if len(set(names)) == len(names) else [each.place for each in studies]


def _checkpoints(search: TripleSearch) -> tuple[str | None, ...]:
    return tuple(search.teacher.selected(kind).fingerprint for kind in ("highest_score", "lowest_loss"))


def _run(name: str, compared: ComparedStudy, search: TripleSearch | None) -> SearchRun:
    """The run of one study; `search` is None before its triple has begun."""
    strategy = compared.study.config.search.strategy
    if search is None:
        return SearchRun(name, strategy, False, (), 0, 0.0)
    attempts: list[Attempt] = []
    seconds: dict[str, float] = {}
    for configuration, score in search.chain.tried.items():
        records, validation = search.records(configuration), completed_score(score)
        test = None if validation is None else mean(record.test_score for record in records)
        attempts.append(Attempt(configuration, validation, test))
        seconds |= {record.record_id: record.run.seconds for record in records}
    return SearchRun(name, strategy, search.searched, tuple(attempts), len(seconds), fsum(seconds.values()) / 3600)


def _better(best: float | None, score: float | None) -> float | None:
    return best if score is None else score if best is None else max(best, score)
