"""What a study of shapes found, on the report's first lines: sentences, cautions, tiles."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.fronts import TEACHER, Gained
from analysis.group_wording import group_sentence
from analysis.old_findings import Findings
from analysis.presentation import MISSING, count, listing, percent
from analysis.results import TIE, Role, TripleOutcome, factors
from analysis.shape_findings import ShapeFindings
from analysis.shape_wording import loss_sentence, speed_sentence, summarise_shapes, times
from analysis.shapes import mean_of_known
from trials.specs import Initialisation

FEW_TASKS = 4
STARTS = {  # what students of a shape start from
    Initialisation.SKIP: "whole layers",
    Initialisation.FIRST: "whole layers",
    Initialisation.LAST: "whole layers",
    Initialisation.SLICED: "slices of weights",
    Initialisation.RANDOM: "new weights",
}


def shapes_found(findings: Findings) -> Iterator[str]:
    """All that can be said; beside parameter choices only what is lost and gained."""
    for teacher, found in findings.shapes.items():
        if found.losses.num_missing == len(found.losses.students) * len(found.losses.tasks):
            continue  # no student has a score yet
        name = f"{teacher}: " if len(findings.shapes) > 1 else ""
        short = (loss_sentence(found.losses), speed_sentence(found.mean_fronts[Gained.SPEED]))
        sentences = short if findings.compares_choices else summarise_shapes(found)
        yield from (f"{name}{sentence}" for sentence in sentences if sentence)
        groups = findings.groups.get(teacher)
        if groups and (sentence := group_sentence(groups)):
            yield f"{name}{sentence}"


def shape_cautions(findings: Findings) -> Iterator[str]:
    """What a reader of the shapes must keep in mind."""
    if not findings.shapes:
        return
    datasets = len({task for found in findings.shapes.values() for task in found.study.tasks})
    if datasets < FEW_TASKS:
        yield f"Small sample: what shapes cost is seen on {count(datasets, 'data set')}."
    yield from _starts(findings)
    compared = [outcome for outcome in findings.outcomes if _scores(outcome)]
    small = sum(_within_one_example(outcome) for outcome in compared)
    if small:
        where = f"in {small} of {count(len(compared), 'triple')}"
        yield f"The student's score is no more than one test example (1 / rows) from the teacher's {where}."
    places = {(record.run.host, record.run.device, record.threads) for record in findings.speeds}
    if len(places) > 1:
        yield f"Response times are from {len(places)} machines or settings: compare them within a data set only."


def shape_tiles(findings: Findings) -> list[tuple[str, str]]:
    """What is lost, and what is gained by it."""
    cells = [value for found in findings.shapes.values() for row in found.losses.cells for value in row]
    known = sum(value is not None for value in cells)
    lost = (percent(mean_of_known(cells)), f"relative test loss against the teacher, mean of {count(known, 'score')}")
    return [lost, _gain(list(findings.shapes.values()))] if findings.shapes else []


def _gain(shapes: list[ShapeFindings]) -> tuple[str, str]:
    """The fastest student; where none was timed, the smallest."""
    points = [point for found in shapes for point in found.mean_fronts[Gained.SPEED].points if point.model != TEACHER]
    if points:
        fastest = max(points, key=lambda point: point.gained)
        kept = percent(fastest.quality, 0)
        return times(fastest.gained), f"the teacher's speed: {fastest.model}, the fastest, keeps {kept} of its score"
    sizes = [
        (student.num_parameters / found.study.teacher_parameters, student.name)
        for found in shapes
        for student in found.study.students
        if student.num_parameters and found.study.teacher_parameters
    ]
    if not sizes:
        return MISSING, "the fastest student's speed over its teacher's"
    share, name = min(sizes)
    return percent(share, 0), f"of its teacher's parameters: {name}, the smallest student"


def _starts(findings: Findings) -> Iterator[str]:
    """Whether shapes and what students start from go together, so that their costs cannot be told apart."""
    for teacher in (teacher for teacher in findings.study.config.teachers if teacher.name in findings.shapes):
        students = [s for s in findings.study.config.students if factors(findings.study, s, teacher)]
        starts = {start: [s.name for s in students if STARTS[s.init] == start] for start in STARTS.values()}
        named = [f"{start} ({listing(names, limit=len(names))})" for start, names in starts.items() if names]
        if len(named) > 1:
            yield f"Students start from {listing(named)} of the teacher's model: what a shape costs includes its start."


def _scores(outcome: TripleOutcome) -> bool:
    return outcome.teacher_score is not None and outcome.final_score(Role.BEST) is not None


def _within_one_example(outcome: TripleOutcome) -> bool:
    difference = (outcome.teacher_score or 0.0) - (outcome.final_score(Role.BEST) or 0.0)
    return outcome.resolution is not None and abs(difference) <= outcome.resolution + TIE
