"""What a study of D's questions shows, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import fsum

from analysis.presentation import MISSING, count, listing, percent, times
from analysis.results import Difference, in_points
from analysis.transfer import BetterTeacher, Distilled
from analysis.transfer_findings import Certainty, Size, TransferFindings
from search_spaces import Schedule

SCHEDULES = {  # as D writes them (table 12): stages are parted by |, losses of a stage joined by +
    Schedule.STAGED: "staged: R | L + CE",
    Schedule.JOINT: "joint: R + L + CE",
    Schedule.DISTIL_ONCE: "distil once: R + L | CE",
}


def schedule_words(schedule: Schedule) -> str:
    """A schedule, with the order of its losses where it is one of D's."""
    return SCHEDULES.get(schedule, str(schedule))


def group_name(group: Sequence[Distilled]) -> str:
    """Whose students they are, on the data set of the shortest name."""
    return f"{group[0].student} of {group[0].teacher} on {min((each.dataset for each in group), key=len)}"


def points(value: float | None, metric: str) -> str:
    """A difference of scores in hundredths of the full score: .0186 of accuracy is ``+1.86``."""
    return MISSING if value is None else _signed(in_points(value, metric))


def summarise_transfer(found: TransferFindings) -> Iterator[str]:
    """Everything that can be said."""
    yield from filter(
        None,
        (
            gain_sentence(found.complete),
            teachers_sentence(found.better_teachers),
            soft_sentence(found.with_both),
            certainty_sentence(found.certainties),
            labels_sentence(found.by_labels),
            transfer_sentence(found.by_transfer),
            schedules_sentence(found.scheduled),
            size_sentence(found.sizes),
        ),
    )


def gain_sentence(found: Sequence[Distilled]) -> str | None:
    """What a teacher is worth, and how far from it its student is (D, table 5)."""
    known = [each for each in found if each.gain.mean is not None]
    if not known:
        return None
    told = _told([each.gain for each in known], "better with its teacher", "worse")
    where = _over(known)
    behind = [
        _points(each, (each.taught.test or 0.0) - each.triple.teacher_test)
        for each in known
        if each.taught and each.triple.teacher_test is not None
    ]
    level = f" It then stands {_mean(behind)} points from its teacher." if behind else ""
    return f"With a teacher the student's test score changes by {_mean(_gains(known))} points{where}: {told}.{level}"


def teachers_sentence(found: Sequence[BetterTeacher]) -> str | None:
    """Whether the student of the better teacher is better (D, table 6)."""
    known = [(each, each.gain) for each in found if each.gain is not None]
    if not known:
        return None
    apart = _mean([_points(each.students[0], each.teachers_apart) for each, _ in known]).removeprefix("+")
    gains = _mean([_points(each.students[0], gain.mean) for each, gain in known])
    tested = [Difference(by_seeds=gain) for _, gain in known]
    told = _told(tested, "better", "worse")
    return (
        f"With a teacher that is {apart} points better on test the student's score changes by {gains} points (means "
        f"over {count(len(known), 'data set')}): {told}."
    )


def soft_sentence(found: Sequence[Distilled]) -> str | None:
    """Soft against hard labels (D, table 8)."""
    known = [each for each in found if each.soft_over_hard.mean is not None]
    if not known:
        return None
    told = _told([each.soft_over_hard for each in known], "better with soft labels", "better with hard ones")
    gains = [_points(each, each.soft_over_hard.mean or 0.0) for each in known]
    return f"Soft instead of hard labels change the test score by {_mean(gains)} points{_over(known)}: {told}."


def certainty_sentence(found: Sequence[Certainty]) -> str | None:
    """How near to hard labels the teachers' probabilities are (D, table 9)."""
    if not found:
        return None
    low, high = (pick(found, key=lambda each: each.share) for pick in (min, max))
    span = f"{percent(low.share)} ({low.teacher} on {low.dataset})"
    span += f" to {percent(high.share)} ({high.teacher} on {high.dataset})" if len(found) > 1 else ""
    return f"The variance of the teacher's probabilities is {span} of that of hard labels."


def labels_sentence(groups: Sequence[Sequence[Distilled]]) -> str | None:
    """What a teacher is worth with few and with many labels (D, tables 10 and 11)."""
    parts = [
        f"{points(few.gain.mean, few.metric)} points with {few.labelled:,} labelled examples, "
        f"{points(many.gain.mean, many.metric)} with {many.labelled:,} ({group_name(group)})"
        for group in groups
        for few, many in [(group[0], group[-1])]
        if few.gain.mean is not None and many.gain.mean is not None
    ]
    return f"A teacher changes its student's test score by {listing(parts)}." if parts else None


def transfer_sentence(groups: Sequence[Sequence[Distilled]]) -> str | None:
    """What more transfer rows are worth."""
    parts = []
    for group in groups:
        few, many = group[0], group[-1]
        if few.taught and many.taught and few.taught.test is not None and many.taught.test is not None:
            gain = points(many.taught.test - few.taught.test, many.metric)
            span = f"from {few.transfer:,} to {many.transfer:,} transfer rows"
            parts.append(f"{gain} points {span}, with {many.labelled:,} labelled examples ({group_name(group)})")
    return f"The distilled student's test score changes by {listing(parts)}." if parts else None


def schedules_sentence(found: Sequence[Distilled]) -> str | None:
    """The schedules against joint training, each with what tests say of it (D, table 12)."""
    by_schedule: dict[Schedule, list[Distilled]] = {}
    for each in found:
        for schedule, over in each.over_joint.items():
            if over.mean is not None:
                by_schedule.setdefault(schedule, []).append(each)
    parts = []
    for schedule, own in by_schedule.items():
        gains = [_points(each, each.over_joint[schedule].mean or 0.0) for each in own]
        told = _told([each.over_joint[schedule] for each in own], "better", "worse")
        parts.append(f"{str(schedule).replace('_', ' ')} by {_mean(gains)} points{_over(own)} ({told})")
    return f"Against joint training the test score changes: {'; '.join(parts)}." if parts else None


def size_sentence(found: Sequence[Size]) -> str | None:
    """How much smaller and faster students are (D, table 7)."""
    parts = []
    for each in found:
        if each.compression:
            fast = f", which answers {times(each.speed_up)} as many samples a second" if each.speed_up else ""
            parts.append(f"{each.teacher} has {times(each.compression)} the parameters of {each.student}{fast}")
    return f"{'; '.join(parts)}." if parts else None


def _told(found: Sequence[Difference], better: str, worse: str) -> str:
    """How often tests tell, and how often they cannot."""
    verdicts = [each.verdict for each in found]
    tested = [verdict for verdict in verdicts if verdict is not None]
    if not tested:
        return "one seed and no kept answers, so that nothing tests it"
    noise = "test examples" if any(each.by_examples for each in found) else "seeds"
    parts = [f"{better} beyond the noise of {noise} in {tested.count(1)} of {len(tested)}"]
    parts += [f"{worse} in {tested.count(-1)}"] if -1 in tested else []
    parts += [f"a test cannot tell in {tested.count(0)}"] if 0 in tested else []
    parts += [f"{len(verdicts) - len(tested)} not tested"] if len(tested) < len(verdicts) else []
    return ", ".join(parts)


def _over(found: Sequence[Distilled]) -> str:
    """Over how many cases a mean is."""
    if len(found) == 1:
        return f" ({group_name(found)})"
    datasets = len({each.dataset for each in found})
    several = "" if datasets == len(found) else f" on {count(datasets, 'data set')}"
    return f" on average over {count(len(found), 'triple' if several else 'data set')}{several}"


def _gains(found: Sequence[Distilled]) -> list[float]:
    return [_points(each, each.gain.mean or 0.0) for each in found]


def _points(each: Distilled, value: float) -> float:
    return in_points(value, each.metric)


def _mean(values: Sequence[float]) -> str:
    """The mean of points, with its sign."""
    return _signed(fsum(values) / len(values))


def _signed(value: float) -> str:
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"
