"""What a study of shapes found, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.degradation import by_falling_mean
from analysis.fronts import Front, Gained
from analysis.levers import LikeForLike, Pairing
from analysis.presentation import MISSING, count, listing, p_words, percent, signed_percent
from analysis.shape_findings import ShapeFindings
from analysis.shapes import Grid, ShapeStudy
from analysis.size_effect import SizeEffect
from analysis.worthwhile import (
    LEAST_BEST_SPEED_UP,
    LEAST_TYPICAL_SPEED_UP,
    MOST_BEST_LOSS,
    MOST_TYPICAL_LOSS,
    Aspect,
    Sign,
)

ASPECTS = {Aspect.LAYERS: "Layers", Aspect.HEADS: "Heads", Aspect.WIDTH: "Width", Aspect.SPEED: "Speed"}
MARKS = {Sign.WORTHWHILE: "✓", Sign.HARMFUL: "✗", Sign.UNCERTAIN: "?", None: MISSING}
LIKE_COST = {Gained.SIZE: "like size", Gained.SPEED: "like speed"}
RULE = (
    f"A factor is worthwhile on a task if the median of the students that reduce it alone loses at most "
    f"{percent(MOST_TYPICAL_LOSS, 0)}, harmful if even the best of them loses more than {percent(MOST_BEST_LOSS, 0)}, "
    f"and uncertain between. Speed is worthwhile if the median student is at least {LEAST_TYPICAL_SPEED_UP:g} times as "
    f"fast as the teacher, harmful if none is more than {LEAST_BEST_SPEED_UP:g} times as fast, and uncertain between."
)


def summarise_shapes(findings: ShapeFindings) -> tuple[str, ...]:
    """Everything that can be said."""
    return tuple(_sentences(findings))


def loss_sentence(lost: Grid) -> str | None:
    """Which students and tasks lose most and least (B on figure 1)."""
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
    missing = f"; {count(lost.num_missing, 'cell')} missing or undefined" if lost.num_missing else ""
    return f"{text}{missing}."


def speed_sentence(front: Front) -> str | None:
    """The fastest student, over all tasks."""
    students = front.points[1:]
    if not students:
        return None
    fastest = max(students, key=lambda point: point.gained)
    over = f"the geometric mean of {count(len(front.tasks), 'task')}"
    return f"{fastest.model} is the fastest, {times(fastest.gained)} the teacher's speed ({over})."


def absolute_speed_sentence(study: ShapeStudy) -> str | None:
    """Between what speeds the teacher answers, and how much rounds differ."""
    speeds = study.teacher_speeds
    if not speeds:
        return None
    slow, fast = (pick(speeds, key=lambda task: speeds[task].median) for pick in (min, max))
    span = f"{speeds[slow].median:,.0f} ({slow})"
    span += f" to {speeds[fast].median:,.0f} ({fast})" if len(speeds) > 1 else ""
    timed = (*speeds.values(), *study.student_speeds.values())
    widest = percent(max((speed.high - speed.low) / speed.median for speed in timed))
    return f"The teacher answers {span} samples a second; quartiles are at most {widest} of the median apart."


def sign_sentence(findings: ShapeFindings) -> str | None:
    """Where a factor is not worthwhile (B's table 3 prints just these tasks)."""
    if not findings.judgements:
        return None
    doubtful = [j for j in findings.judgements if j.sign in (Sign.HARMFUL, Sign.UNCERTAIN)]
    named = [f"{ASPECTS[j.aspect].lower()} on {j.task} ({j.sign})" for j in doubtful]
    if all(judgement.sign is None for judgement in findings.judgements):
        return "Worthwhile: nothing is known yet."
    unknown = sum(judgement.sign is None for judgement in findings.judgements)
    note = f"; {count(unknown, 'cell')} not measured" if unknown else ""
    what = f"all but {listing(named, limit=len(named))}" if named else "every factor on every task"
    return f"Worthwhile: {what}{note}."


def front_sentence(front: Front) -> str | None:
    """Who is on the front, and who beats the rest."""
    if len(front.points) < 2:
        return None
    best = listing([point.model for point in front.best], limit=len(front.best))
    beaten = [f"{p.model} (by {listing(list(p.dominated_by), limit=2)})" for p in front.points if p.dominated_by]
    rest = f"; outdone are {listing(beaten, limit=len(beaten))}" if beaten else ""
    left_out = f"; without numbers on every task: {listing(list(front.left_out))}" if front.left_out else ""
    return f"In quality and {front.by} no model outdoes {best}{rest}{left_out}."


def task_fronts_sentence(fronts: Sequence[Front]) -> str | None:
    """On how many tasks each model is on the front."""
    shown = [front for front in fronts if len(front.points) > 1]
    if not shown:
        return None
    models = dict.fromkeys(point.model for front in shown for point in front.points)
    times_best = {model: sum(model in [p.model for p in front.best] for front in shown) for model in models}
    ordered = sorted(models, key=lambda model: -times_best[model])
    named = [f"{model} on {times_best[model]}" for model in ordered]
    return f"Outdone by no model, of {count(len(shown), 'data set')}: {listing(named, limit=len(named))}."


def size_sentence(found: SizeEffect) -> str | None:
    """The correlation of training rows and loss, with its uncertainty."""
    if found.correlation is None:
        return None
    where = f"Over {count(len(found.tasks), 'task')}" + (
        f", without {listing(list(found.without))}" if found.without else ""
    )
    rho = f"Spearman's correlation of training rows and mean loss is {rho_words(found.correlation)}"
    if found.low is None or found.high is None:
        return f"{where}, {rho}: too few data sets to test."
    test = f"{'exact ' if found.exact else ''}permutation test {p_words(found.p_value)}"
    interval = f"95 % bootstrap interval {rho_words(found.low)} to {rho_words(found.high)}"
    return f"{where}, {rho} ({interval}; {test}): {_size_reading(found)}."


def heads_sentence(pairing: Pairing) -> str | None:
    """Whether one student with fewer heads is faster than its teacher."""
    if pairing.median is None:
        return None
    faster = f"faster than the teacher on {pairing.wins} of {count(len(pairing.differences), 'task')}"
    slower = f"slower on {pairing.losses}, within the spread of the measurements on {pairing.ties}"
    return f"{pairing.first}, with fewer heads, is {faster}, {slower} ({signed_percent(pairing.median)} at the median)."


def like_for_like_sentence(pair: LikeForLike) -> str | None:
    """A shortened against a narrowed student of like cost."""
    kept = pair.quality
    if kept.median is None:
        return None
    tasks = f"keeps more of the teacher's score on {kept.wins} of {count(len(kept.differences), 'task')}"
    size = f"{signed_percent(kept.median)} at the median{_sign_test(kept)}"
    faster = pair.speed.median
    speed = "" if faster is None else f"; the difference of their speed-ups is {_signed(faster)} at the median"
    return (
        f"At {LIKE_COST[pair.at]}, the shortened {kept.first} {tasks} than the narrowed {kept.second} ({size}){speed}."
    )


def levers_sentence(findings: ShapeFindings) -> str | None:
    """How often shortening beats narrowing at like cost, and fewer heads are faster: counts of medians."""
    kept = [median for pair in findings.like_for_like if (median := pair.quality.median) is not None]
    timed = [pairing for pairing in findings.heads if pairing.differences]
    parts = []
    if kept:
        won = sum(median > 0 for median in kept)
        parts.append(
            f"the shortened student keeps more at the median in {won} of {count(len(kept), 'pair')} of like cost"
        )
    if timed:
        won = sum(pairing.wins > len(pairing.differences) / 2 for pairing in timed)
        whom = f"{won} of {count(len(timed), 'student')} with fewer heads {_are(won)} faster than the teacher"
        parts.append(f"{whom} on most tasks")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else None


def times(ratio: float) -> str:
    """A ratio to three digits: ``1.46 ×``, ``14.7 ×``, ``120 ×``."""
    return f"{ratio:,.{2 if ratio < 10 else 1 if ratio < 100 else 0}f} ×"


def rho_words(value: float) -> str:
    """A correlation as papers write it: ``−.48``."""
    text = f"{value:.0f}" if abs(value) >= 0.995 else f"{value:.2f}".replace("0.", ".", 1)
    return text.replace("-", "−")


def _sentences(findings: ShapeFindings) -> Iterator[str]:
    fronts = findings.mean_fronts
    found = [
        loss_sentence(findings.losses),
        speed_sentence(fronts[Gained.SPEED]),
        sign_sentence(findings),
        *(front_sentence(front) for front in fronts.values()),
        *(like_for_like_sentence(pair) for pair in findings.like_for_like),
        *(heads_sentence(pairing) for pairing in findings.heads),
        size_sentence(findings.size_effect),
    ]
    yield from (sentence for sentence in found if sentence)
    without = findings.size_effect_without
    if without and (sentence := size_sentence(without)):
        yield f"{sentence} Its p-value is too small by choice: the task left out is the one that moves the result most."


def _size_reading(found: SizeEffect) -> str:
    if found.p_value is not None and found.p_value > 0.05:
        return "compatible with no relation"
    return (
        "the smaller the set, the higher the loss"
        if (found.correlation or 0.0) < 0
        else "the larger the set, the higher the loss"
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _sign_test(pairing: Pairing) -> str:
    return "" if pairing.sign_p is None else f", sign test {p_words(pairing.sign_p)}"
