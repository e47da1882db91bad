"""What a study of shapes found, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from analysis.presentation import MISSING, listing, p_words, percent, signed_percent, times
from analysis.results import TEACHER, TIE, Role, StudyResults, TripleOutcome, factors, mean_of_known
from analysis.shapes.findings import ShapeAnswers, ShapeFindings, shape_findings
from analysis.shapes.fronts import Front, Gained
from analysis.shapes.same_cost import LikeForLike, Pairing
from analysis.shapes.shape_study import by_falling_mean
from analysis.shapes.training_rows import SizeEffect
from analysis.shapes.worthwhile import (
    LEAST_BEST_SPEED_UP,
    LEAST_TYPICAL_SPEED_UP,
    MOST_BEST_LOSS,
    MOST_TYPICAL_LOSS,
    Aspect,
    Sign,
)
from search_spaces import counted
from trials.specs import Initialisation

PAPER = "(B): Mohanty et al. (2023), What is Lost in Knowledge Distillation?"
FEW_TASKS = 4
STARTS = {  # what students of a shape start from
    Initialisation.SKIP: "whole layers",
    Initialisation.FIRST: "whole layers",
    Initialisation.LAST: "whole layers",
    Initialisation.SLICED: "slices of weights",
    Initialisation.RANDOM: "new weights",
}
ASPECTS = {Aspect.LAYERS: "Layers", Aspect.HEADS: "Heads", Aspect.WIDTH: "Width", Aspect.SPEED: "Speed"}
MARKS = {Sign.WORTHWHILE: "✓", Sign.HARMFUL: "✗", Sign.UNCERTAIN: "?", None: MISSING}
LIKE_COST = {Gained.SIZE: "like size", Gained.SPEED: "like speed"}
RULE = (
    f"A factor is worthwhile on a task if the median of the students that reduce it alone loses at most "
    f"{percent(MOST_TYPICAL_LOSS, 0)}, harmful if even the best of them loses more than {percent(MOST_BEST_LOSS, 0)}, "
    f"and uncertain between. Speed is worthwhile if the median student is at least {LEAST_TYPICAL_SPEED_UP:g} times as "
    f"fast as the teacher, harmful if none is more than {LEAST_BEST_SPEED_UP:g} times as fast, and uncertain between."
)


def alone(
    sentences: Callable[[ShapeFindings], Iterable[str | None]],
) -> Callable[[ShapeFindings], Iterable[str | None]]:
    """Sentences for the summary of a study whose students have scores, and that compares nothing but shapes."""
    return lambda found: sentences(found) if found.alone and found.study.student_scores else ()


def loss_sentence(found: ShapeAnswers) -> str | None:
    """Which students and tasks lose most and least (B on figure 1)."""
    lost = found.losses
    students, tasks = by_falling_mean(lost)
    if not students:
        return None
    by_student = dict(zip(lost.students, lost.student_means, strict=True))
    by_task = dict(zip(lost.tasks, lost.task_means, strict=True))
    text = f"{students[0]} loses most, {percent(by_student[students[0]])} of its teacher's score on average over tasks"
    if len(tasks) > 1:
        ends = [f"{task} most ({percent(by_task[task])})" for task in tasks[:1]]
        ends += [f"{task} least ({percent(by_task[task])})" for task in tasks[-1:]]
        text += f"; of the tasks {listing(ends)}"
    missing = f"; {counted(lost.num_missing, 'cell')} missing or undefined" if lost.num_missing else ""
    return f"{text}{missing}."


def speed_sentence(found: ShapeAnswers) -> str | None:
    """The fastest student, over all tasks."""
    front = found.mean_fronts[Gained.SPEED]
    students = front.points[1:]
    if not students:
        return None
    fastest = max(students, key=lambda point: point.gained)
    over = f"the geometric mean of {counted(len(front.tasks), 'task')}"
    return f"{fastest.model} is the fastest, {times(fastest.gained)} the teacher's speed ({over})."


def absolute_speed_sentence(found: ShapeAnswers) -> str | None:
    """Between what speeds the teacher answers, and how much rounds differ."""
    speeds = found.study.teacher_speeds
    if not speeds:
        return None
    slow, fast = (pick(speeds, key=lambda task: speeds[task].median) for pick in (min, max))
    span = f"{speeds[slow].median:,.0f} ({slow})"
    span += f" to {speeds[fast].median:,.0f} ({fast})" if len(speeds) > 1 else ""
    timed = (*speeds.values(), *found.study.student_speeds.values())
    widest = percent(max((speed.high - speed.low) / speed.median for speed in timed))
    return f"The teacher answers {span} samples a second; quartiles are at most {widest} of the median apart."


def sign_sentence(found: ShapeAnswers) -> str | None:
    """Where a factor is not worthwhile (B's table 3 prints just these tasks)."""
    if not found.judgements:
        return None
    doubtful = [j for j in found.judgements if j.sign in (Sign.HARMFUL, Sign.UNCERTAIN)]
    named = [f"{ASPECTS[j.aspect].lower()} on {j.task} ({j.sign})" for j in doubtful]
    if all(judgement.sign is None for judgement in found.judgements):
        return "Whether reducing a factor is worthwhile is not known yet."
    unknown = sum(judgement.sign is None for judgement in found.judgements)
    note = f"; {counted(unknown, 'cell')} not measured" if unknown else ""
    but = f", except {listing(named, limit=len(named))}" if named else ""
    return f"Reducing a factor is worthwhile on every task{but}{note}."


def front_sentences(found: ShapeAnswers) -> Iterator[str | None]:
    """Who is on the fronts of the means, and who beats the rest."""
    return map(front_sentence, found.mean_fronts.values())


def front_sentence(front: Front) -> str | None:
    """Who is on the front, and who beats the rest."""
    if len(front.points) < 2:
        return None
    best = listing([point.model for point in front.best], limit=len(front.best))
    beaten = [f"{p.model} (by {listing(list(p.dominated_by), limit=2)})" for p in front.points if p.dominated_by]
    rest = f"; the others are outdone: {listing(beaten, limit=len(beaten))}" if beaten else ""
    left_out = f"; without numbers on every task: {listing(list(front.left_out))}" if front.left_out else ""
    return f"In quality and {front.by}, no model outdoes {best}{rest}{left_out}."


def task_fronts_sentence(fronts: Sequence[Front]) -> str | None:
    """On how many tasks each model is on the front."""
    shown = [front for front in fronts if len(front.points) > 1]
    if not shown:
        return None
    models = dict.fromkeys(point.model for front in shown for point in front.points)
    times_best = {model: sum(model in [p.model for p in front.best] for front in shown) for model in models}
    ordered = sorted(models, key=lambda model: -times_best[model])
    named = [f"{model} {times_best[model]}" for model in ordered]
    return f"Data sets on which no model outdoes it, of {len(shown)}: {listing(named, limit=len(named))}."


def size_sentences(found: ShapeAnswers) -> Iterator[str | None]:
    """The correlation of training rows and loss, with and without the data set that moves it most."""
    yield size_sentence(found.size_effect)
    if found.size_effect_without and (sentence := size_sentence(found.size_effect_without)):
        yield f"{sentence} Its p-value is too small by choice: the task left out is the one that moves the result most."


def size_sentence(found: SizeEffect) -> str | None:
    """The correlation of training rows and loss, with its uncertainty."""
    if found.correlation is None:
        return None
    where = f"Over {counted(len(found.tasks), 'task')}" + (
        f", without {listing(list(found.without))}" if found.without else ""
    )
    rho = f"Spearman's correlation of training rows and mean loss is {rho_words(found.correlation)}"
    if found.low is None or found.high is None:
        return f"{where}, {rho}: too few data sets to test."
    test = f"{'exact ' if found.exact else ''}permutation test {p_words(found.p_value)}"
    interval = f"95 % bootstrap interval {rho_words(found.low)} to {rho_words(found.high)}"
    return f"{where}, {rho} ({interval}; {test}): {_size_reading(found)}."


def same_cost_sentences(found: ShapeAnswers) -> Iterator[str | None]:
    """Each pair of like cost, and each student with fewer heads."""
    yield from map(like_for_like_sentence, found.like_for_like)
    yield from map(heads_sentence, found.heads)


def heads_sentence(pairing: Pairing) -> str | None:
    """Whether one student with fewer heads is faster than its teacher."""
    if pairing.median is None:
        return None
    faster = f"faster than the teacher on {pairing.wins} of {counted(len(pairing.differences), 'task')}"
    slower = f"slower on {pairing.losses}, within the spread of the measurements on {pairing.ties}"
    return f"{pairing.first}, with fewer heads, is {faster}, {slower} ({signed_percent(pairing.median)} at the median)."


def like_for_like_sentence(pair: LikeForLike) -> str | None:
    """A shortened against a narrowed student of like cost."""
    kept = pair.quality
    if kept.median is None:
        return None
    tasks = f"keeps more of the teacher's score on {kept.wins} of {counted(len(kept.differences), 'task')}"
    test = "" if kept.sign_p is None else f", sign test {p_words(kept.sign_p)}"
    size = f"{signed_percent(kept.median)} at the median{test}"
    faster = pair.speed.median
    speed = (
        ""
        if faster is None
        else f"; the difference of their speed-ups is {f'{faster:+.2f}'.replace('-', '−')} at the median"
    )
    return (
        f"At {LIKE_COST[pair.at]}, the shortened {kept.first} {tasks} than the narrowed {kept.second} ({size}){speed}."
    )


def levers_sentence(found: ShapeAnswers) -> str | None:
    """How often shortening beats narrowing at like cost, and fewer heads are faster: counts of medians."""
    kept = [median for pair in found.like_for_like if (median := pair.quality.median) is not None]
    timed = [pairing for pairing in found.heads if pairing.differences]
    parts = []
    if kept:
        won = sum(median > 0 for median in kept)
        parts.append(
            f"the shortened student keeps more at the median in {won} of {counted(len(kept), 'pair')} of like cost"
        )
    if timed:
        won = sum(pairing.wins > len(pairing.differences) / 2 for pairing in timed)
        whom = f"{won} of {counted(len(timed), 'student')} with fewer heads {'is' if won == 1 else 'are'}"
        parts.append(f"{whom} faster than the teacher on most tasks")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else None


def rho_words(value: float) -> str:
    """A correlation as papers write it: ``−.48``."""
    text = f"{value:.0f}" if abs(value) >= 0.995 else f"{value:.2f}".replace("0.", ".", 1)
    return text.replace("-", "−")


def _size_reading(found: SizeEffect) -> str:
    if found.p_value is not None and found.p_value > 0.05:
        return "compatible with no relation"
    return (
        "the smaller the set, the higher the loss"
        if (found.correlation or 0.0) < 0
        else "the larger the set, the higher the loss"
    )


def shape_cautions(results: StudyResults) -> Iterator[str]:
    """What a reader of the shapes must keep in mind."""
    shapes = shape_findings(results).results
    datasets = len({task for found in shapes.values() for task in found.study.tasks})
    if datasets < FEW_TASKS:
        yield f"Small sample: what shapes cost is seen on {counted(datasets, 'data set')}."
    yield from _starts(results)
    compared = [o for o in results.outcomes if o.teacher_score is not None and o.final_score(Role.BEST) is not None]
    small = sum(_within_one_example(outcome) for outcome in compared)
    if small:
        where = f"in {small} of {counted(len(compared), 'triple')}"
        yield f"The student's score is no more than one test example (1 / rows) from the teacher's {where}."
    places = {(record.run.host, record.run.device, record.threads) for record in results.speeds}
    if len(places) > 1:
        yield f"Response times are from {len(places)} machines or settings: compare them within a data set only."


def shape_tiles(results: StudyResults) -> list[tuple[str, str]]:
    """What is lost, and what is gained by it."""
    shapes = shape_findings(results).results
    cells = [value for found in shapes.values() for row in found.losses.cells for value in row]
    known = sum(value is not None for value in cells)
    lost = (percent(mean_of_known(cells)), f"relative test loss against the teacher, mean of {counted(known, 'score')}")
    return [lost, _gain(list(shapes.values()))] if results.compares_shapes and not results.compares_choices else []


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


def _starts(results: StudyResults) -> Iterator[str]:
    """Whether shapes and what students start from go together, so that their costs cannot be told apart."""
    shapes = shape_findings(results).results
    for teacher in (teacher for teacher in results.study.config.teachers if teacher.name in shapes):
        students = [s for s in results.study.config.students if factors(results.study, s, teacher)]
        starts = {start: [s.name for s in students if STARTS[s.init] == start] for start in STARTS.values()}
        named = [f"{start} ({listing(names, limit=len(names))})" for start, names in starts.items() if names]
        if len(named) > 1:
            yield f"Students start from {listing(named)} of the teacher's model: what a shape costs includes its start."


def _within_one_example(outcome: TripleOutcome) -> bool:
    difference = (outcome.teacher_score or 0.0) - (outcome.final_score(Role.BEST) or 0.0)
    return outcome.resolution is not None and abs(difference) <= outcome.resolution + TIE
