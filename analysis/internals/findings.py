"""Which experiments are compared with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from analysis.internals.experiments import ExperimentTriple, experiment_triples
from analysis.results import StudyResults

Triples = tuple[ExperimentTriple, ...]
Families = tuple[Triples, ...]  # triples that differ in one thing alone, by its rising size


@dataclass(frozen=True)
class ExperimentFindings:
    """The experiments of a study."""

    triples: Triples  # those whose search has begun
    compared: Triples  # those whose student has a teacher: of a baseline there is nothing to compare
    compares_transfer: bool  # whether the best experiment is said elsewhere, of each kind


def experiment_findings(results: StudyResults) -> ExperimentFindings | None:
    """The experiments; None of a study that has none yet."""
    triples = experiment_triples(results)
    return ExperimentFindings(triples, compared_triples(results) or (), results.compares_transfer) if triples else None


def compared_triples(results: StudyResults) -> Triples | None:
    """Those whose student has a teacher; None of a study without."""
    return tuple(each for each in experiment_triples(results) if each.is_compared) or None


def training_sizes(results: StudyResults) -> Families | None:
    """Triples whose data sets differ in the number of training rows alone; None of a study without."""

    def same(triple: ExperimentTriple) -> object:
        dataset = triple.outcome.triple.dataset
        examples = {split: rows for split, rows in dataset.examples.items() if split != "train"}
        others = dataset.model_copy(update={"name": "same", "examples": examples})
        return triple.outcome.triple.teacher.name, triple.outcome.triple.student.name, others.model_dump_json()

    if not compared_triples(results):
        return None
    return _families(experiment_triples(results), same, lambda triple: triple.train_rows or 0) or None


def student_sizes(results: StudyResults) -> Families | None:
    """Triples of one data set whose students differ in size; None of a study without."""

    def same(triple: ExperimentTriple) -> object:
        return triple.outcome.triple.teacher.name, triple.outcome.triple.dataset.name

    compared = compared_triples(results) or ()
    return _families(compared, same, lambda triple: triple.outcome.num_parameters or 0) or None


def attention_triples(results: StudyResults) -> Triples | None:
    """Triples whose students' attention was kept; None of a study without."""
    if not compared_triples(results):
        return None
    return tuple(triple for triple in experiment_triples(results) if triple.attention) or None


def largest_students(triples: Triples) -> Triples:
    """Of each data set the triple with the largest student."""
    by_size = sorted(triples, key=lambda each: each.outcome.num_parameters or 0)
    largest = {each.outcome.triple.dataset.name: each.triple_id for each in by_size}
    return tuple(triple for triple in triples if triple.triple_id in largest.values())


def _families(
    triples: Iterable[ExperimentTriple],
    same: Callable[[ExperimentTriple], object],
    size: Callable[[ExperimentTriple], int],
) -> Families:
    """Groups of triples that have something in common, by rising size; those of one size are left out."""
    groups: dict[object, list[ExperimentTriple]] = {}
    for triple in triples:
        groups.setdefault(same(triple), []).append(triple)
    return tuple(tuple(sorted(own, key=size)) for own in groups.values() if len(set(map(size, own))) > 1)
