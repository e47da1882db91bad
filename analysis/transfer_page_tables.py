"""The page's tables of D's questions (D, tables 5 to 12)."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import page
from analysis.internals import Experiment
from analysis.presentation import MISSING, millions, p_words, score, times
from analysis.results import Difference
from analysis.transfer import BetterTeacher, Distilled
from analysis.transfer_findings import Certainty, Size
from analysis.transfer_wording import points, schedule_words
from search_spaces import Schedule


def gains(found: Sequence[Distilled]) -> str:
    """D's table 5."""
    has_rnn = any(each.rnn for each in found)
    columns = ["data set", *(["RNN encoder"] if has_rnn else []), "no distillation", "distilled", "by", "teacher"]
    rows = [
        [
            each.triple.name,
            *([_test(each.rnn, each)] if has_rnn else []),
            _test(each.untaught, each),
            _test(each.taught, each),
            each.taught.name if each.taught else MISSING,
            score(each.triple.teacher_test, each.metric),
            *_difference(each.gain, each.metric),
        ]
        for each in found
    ]
    table = page.table([*columns, "gain", "95 % interval"], rows, numbers=len(columns) + 1)
    return table + _tests([(each, each.gain) for each in found])


def teachers(found: Sequence[BetterTeacher]) -> str:
    """D's table 6."""
    columns = ["data set", "student", "teacher", "teacher's test", "student's test", "student − teacher"]
    rows = [
        [
            each.dataset,
            each.student,
            each.teacher,
            score(each.triple.teacher_test, each.metric),
            _test(each.taught, each),
            points(_behind(each), each.metric),
        ]
        for group in found
        for each in group.students
    ]
    return page.table(columns, rows, numbers=3)


def sizes(found: Sequence[Size]) -> str:
    """D's table 7, with speed."""
    columns = ["model", "of teacher", "parameters", "compression", "speed-up", "quartiles over rounds"]
    teachers = {each.teacher: each.teacher_parameters for each in found}
    rows = [[name, MISSING, _millions(number), MISSING, MISSING, MISSING] for name, number in teachers.items()]
    for each in found:
        own = [each.student, each.teacher, _millions(each.parameters), _times(each.compression)]
        rows.append([*own, _times(each.speed_up), _quartiles(each)])
    return page.table(columns, rows, numbers=4)


def soft_and_hard(found: Sequence[Distilled]) -> str:
    """D's table 8."""
    columns = ["data set", "soft", "hard", "soft − hard", "95 % interval"]
    rows = [
        [
            each.triple.name,
            _test(each.soft, each),
            _test(each.hard, each),
            *_difference(each.soft_over_hard, each.metric),
        ]
        for each in found
    ]
    return page.table(columns, rows, numbers=4) + _tests([(each, each.soft_over_hard) for each in found])


def certainties(found: Sequence[Certainty]) -> str:
    """D's table 9."""
    columns = ["data set", "teacher", "checkpoint", "over", "variance", "maximum", "share", "classes"]
    rows = [
        [
            each.dataset,
            each.teacher,
            each.checkpoint.replace("_", " "),
            "transfer set" if each.rows == "unlabeled" else "training rows",
            f"{each.variance:.4f}",
            f"{each.maximum:.4f}",
            f"{100 * each.share:.1f} %",
            str(each.classes),
        ]
        for each in found
    ]
    return page.table(columns, rows, numbers=4)


def sizes_of_data(groups: Sequence[Sequence[Distilled]]) -> str:
    """D's tables 10 and 11, with all sizes of labelled and transfer sets."""
    columns = ["data set", "labelled", "transfer rows", "no distillation", "hard", "soft", "teacher", "gain"]
    columns += ["95 % interval"]
    rows = [
        [
            each.triple.name,
            f"{each.labelled:,}",
            f"{each.transfer:,}",
            *(_test(own, each) for own in (each.untaught, each.hard, each.soft)),
            score(each.triple.teacher_test, each.metric),
            *_difference(each.gain, each.metric),
        ]
        for group in groups
        for each in group
    ]
    return page.table(columns, rows, numbers=8)


def schedules(found: Sequence[Distilled]) -> str:
    """D's table 12: the best test score of a row is bold."""
    names = [name for name in Schedule if any(name in each.schedules for each in found)]
    columns = ["data set", *map(schedule_words, names)]
    rows = []
    for each in found:
        cells = [_test(each.schedules.get(schedule), each) for schedule in names]
        best = max(cell for cell in cells if cell != MISSING)
        rows.append([each.triple.name, *(page.strong(cell) if cell == best else cell for cell in cells)])
    return page.table(columns, rows, numbers=len(names))


def _test(experiment: Experiment | None, each: Distilled) -> str:
    return score(experiment.test if experiment else None, each.metric)


def _behind(each: Distilled) -> float | None:
    if each.taught is None or each.taught.test is None or each.triple.teacher_test is None:
        return None
    return each.taught.test - each.triple.teacher_test


def _tests(found: Sequence[tuple[Distilled, Difference]]) -> str:
    """What all tests say of some differences."""
    columns = ["data set", "metric", "bootstrap", "McNemar", "t-test over seeds"]
    rows = []
    for each, own in found:
        bootstrap = own.by_examples.p_value if own.by_examples else None
        p_values = (bootstrap, own.mcnemar_p, own.by_seeds.p_value if own.by_seeds else None)
        words = [MISSING if value is None else p_words(value) for value in p_values]
        rows.append([each.triple.name, each.metric.replace("_", " "), *words])
    return page.fold("All tests", page.table(columns, rows, numbers=3))


def _difference(found: Difference, metric: str) -> list[str]:
    """In points, and its interval."""
    span = MISSING if found.interval is None else " to ".join(points(end, metric) for end in found.interval)
    return [points(found.mean, metric), span]


def _millions(number: float | None) -> str:
    return millions(None if number is None else round(number))


def _times(ratio: float | None) -> str:
    return MISSING if ratio is None else times(ratio)


def _quartiles(size: Size) -> str:
    """The lowest and the highest of all data sets."""
    if not size.speed_ups:
        return MISSING
    low, high = min(each.low for each in size.speed_ups.values()), max(each.high for each in size.speed_ups.values())
    return f"{times(low)} to {times(high)}"
