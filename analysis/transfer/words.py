"""What is said of D's questions."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from analysis.presentation import MISSING, listing, percent, times
from analysis.results import Difference, in_points
from analysis.transfer.findings import BetterTeacher, Groups
from analysis.transfer.models import StudentSize, TeacherCertainty
from analysis.transfer.students import DistilledStudent, Students
from search_spaces import Schedule, counted

PAPER = (
    "(D): Mukherjee and Awadallah (2019), Distilling Transformers into Simple Neural Networks with Unlabeled "
    "Transfer Data"
)
SCHEDULES = {  # as D writes them (table 12): | stands between stages, + between the losses of a stage
    Schedule.STAGED: "staged: R | L + CE",
    Schedule.JOINT: "joint: R + L + CE",
    Schedule.DISTIL_ONCE: "distil once: R + L | CE",
}


def schedule_words(schedule: Schedule) -> str:
    """A schedule, with the order of its losses where it is one of D's."""
    return SCHEDULES.get(schedule, str(schedule))


def group_name(group: Students) -> str:
    """Which students a group has, with the shortest name of its data sets."""
    return f"{group[0].student} of {group[0].teacher} on {min((each.dataset for each in group), key=len)}"


def points(value: float | None, metric: str) -> str:
    """A difference of scores in hundredths of the full score: .0186 of accuracy is ``+1.86``."""
    return MISSING if value is None else _signed(in_points(value, metric))


def gain_sentence(students: Students) -> str | None:
    """What a teacher is worth, and how far from it its student is (D, table 5)."""
    known = [each for each in students if each.gain.mean is not None]
    if not known:
        return None
    told = _told([each.gain for each in known], "better with its teacher", "worse")
    behind = [in_points(each.over_teacher, each.metric) for each in known if each.over_teacher is not None]
    level = f" Its score then differs from its teacher's by {_mean(behind)} points." if behind else ""
    gains = _mean_points(known, [each.gain for each in known])
    return f"With a teacher, the student's test score changes by {gains} points{_over(known)}: {told}.{level}"


def teachers_sentence(found: Sequence[BetterTeacher]) -> str | None:
    """Whether the student of the better teacher is better (D, table 6)."""
    known = [(each, each.students[0].metric, each.gain) for each in found if each.gain is not None]
    if not known:
        return None
    apart = _mean([in_points(each.teachers_apart, metric) for each, metric, _ in known]).removeprefix("+")
    gains = _mean([in_points(gain.mean, metric) for _, metric, gain in known])
    told = _told([Difference(by_seeds=gain) for _, _, gain in known], "better", "worse")
    return (
        f"With a teacher that is {apart} points better on test, the student's score changes by {gains} points (means "
        f"over {counted(len(known), 'data set')}): {told}."
    )


def soft_sentence(students: Students) -> str | None:
    """Soft against hard labels (D, table 8)."""
    known = [each for each in students if each.soft_over_hard.mean is not None]
    if not known:
        return None
    differences = [each.soft_over_hard for each in known]
    told = _told(differences, "better with soft labels", "better with hard ones")
    gains = _mean_points(known, differences)
    return f"With soft instead of hard labels, the test score changes by {gains} points{_over(known)}: {told}."


def certainty_sentence(found: Sequence[TeacherCertainty]) -> str:
    """How near to hard labels the teachers' probabilities are (D, table 9)."""
    ends = [pick(found, key=lambda each: each.share) for pick in (min, max)][: len(found)]
    span = " to ".join(f"{percent(each.share)} ({each.teacher} on {each.dataset})" for each in ends)
    return f"The variance of the teacher's probabilities is {span} of that of hard labels."


def labels_sentence(groups: Groups) -> str | None:
    """What a teacher is worth with few and with many labels (D, tables 10 and 11)."""
    parts = [
        f"{points(few.gain.mean, few.metric)} points with {few.labelled:,} labelled examples, "
        f"{points(many.gain.mean, many.metric)} with {many.labelled:,} ({group_name(group)})"
        for group in groups
        for few, many in [(group[0], group[-1])]
        if few.gain.mean is not None and many.gain.mean is not None
    ]
    return f"A teacher changes its student's test score by {listing(parts)}." if parts else None


def transfer_sentence(groups: Groups) -> str | None:
    """What more transfer rows are worth."""
    parts = []
    for group in groups:
        few, many = group[0], group[-1]
        if few.taught and many.taught and few.taught.test is not None and many.taught.test is not None:
            gain = points(many.taught.test - few.taught.test, many.metric)
            span = f"from {few.transfer:,} to {many.transfer:,} transfer rows"
            parts.append(f"{gain} points {span}, with {many.labelled:,} labelled examples ({group_name(group)})")
    return f"The distilled student's test score changes by {listing(parts)}." if parts else None


def schedules_sentence(students: Students) -> str | None:
    """The schedules against joint training, each with what tests say of it (D, table 12)."""
    by_schedule: dict[Schedule, list[DistilledStudent]] = {}
    for each in students:
        for schedule, over in each.over_joint.items():
            if over.mean is not None:
                by_schedule.setdefault(schedule, []).append(each)
    parts = []
    for schedule, own in by_schedule.items():
        differences = [each.over_joint[schedule] for each in own]
        told = _told(differences, "better", "worse")
        change = f"{_mean_points(own, differences)} points{_over(own)} ({told})"
        parts.append(f"{str(schedule).replace('_', ' ')} by {change}")
    return f"Compared with joint training, the test score changes: {'; '.join(parts)}." if parts else None


def size_sentence(found: Sequence[StudentSize]) -> str | None:
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


def _over(students: Sequence[DistilledStudent]) -> str:
    """How many students a mean is over."""
    if len(students) == 1:
        return f" ({group_name(tuple(students))})"
    datasets = len({each.dataset for each in students})
    several = "" if datasets == len(students) else f" on {counted(datasets, 'data set')}"
    return f" on average over {counted(len(students), 'triple' if several else 'data set')}{several}"


def _mean_points(students: Sequence[DistilledStudent], found: Sequence[Difference]) -> str:
    """The mean of some students' differences in points, with its sign."""
    return _mean([in_points(own.mean or 0.0, each.metric) for each, own in zip(students, found, strict=True)])


def _mean(values: Sequence[float]) -> str:
    return _signed(fsum(values) / len(values))


def _signed(value: float) -> str:
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"
