"""The page's tables about shapes: table 1 of B, its table 2, and the examples behind the groups."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from analysis import page
from analysis.answer_groups import Example, Group, GroupFindings
from analysis.fronts import TEACHER
from analysis.group_wording import GROUPS, missing_sentence
from analysis.old_findings import Findings
from analysis.old_page_tables import outcome_table
from analysis.presentation import MISSING, count, listing, millions, percent, score, student_words
from analysis.results import Role
from analysis.shape_wording import heads_sentence, like_for_like_sentence
from analysis.shapes import ShapedStudent, ShapeStudy, Speed

LONGEST = 320  # characters of a text that the page shows


def scores(findings: Findings, teacher: str) -> str:
    """B's table 1, with each model's size; in a study of one configuration also what the trials took."""
    study = findings.shapes[teacher].study
    metrics = {dataset.name: dataset.metric for dataset in findings.study.config.datasets}
    columns = ["model", "less", "parameters", *study.tasks]
    rows = [
        ["metric", MISSING, MISSING, *(metrics[task].replace("_", " ") for task in study.tasks)],
        [TEACHER, MISSING, millions(study.teacher_parameters)]
        + [score(study.teacher_scores.get(task), metrics[task]) for task in study.tasks],
    ]
    for student in study.students:
        own = [score(study.student_scores.get((student.name, task)), metrics[task]) for task in study.tasks]
        rows.append([student.name, less(student), millions(student.num_parameters), *own])
    table = page.table(columns, rows, numbers=1 + len(study.tasks))
    return table if findings.compares_choices else table + _work(findings, teacher)


def speeds(findings: Findings, teacher: str) -> str:
    """B's table 2, with quartiles, and how it was measured."""
    study = findings.shapes[teacher].study
    rows = [[TEACHER, *(_speed(study.teacher_speeds.get(task)) for task in study.tasks)]]
    rows += [[name, *(_speed(study.student_speeds.get((name, task))) for task in study.tasks)] for name in study.names]
    table = page.table(["model", *study.tasks], rows, numbers=len(study.tasks))
    return page.paragraph(_measured(findings, teacher), "caption") + table


def examples(findings: Findings, teacher: str) -> str:
    """How many examples each group has, who gets the harder ones right, and some of them."""
    found = findings.groups[teacher]
    if not found.tasks:
        return page.paragraph(missing_sentence(found), "caption")
    sample = [example for task in found.tasks for example in task.sample]
    shown = page.fold(f"{count(len(sample), 'example')}, drawn at random, at most some dozens a group", _sample(found))
    missing = page.paragraph(missing_sentence(found), "caption")
    return "".join((missing, _counts(found), _right_among_some(found, findings, teacher), shown))


def levers(findings: Findings, teacher: str) -> str:
    """Each pair of like cost, and each student with fewer heads, in a sentence."""
    found = findings.shapes[teacher]
    sentences = [like_for_like_sentence(pair) for pair in found.like_for_like]
    sentences += [heads_sentence(pairing) for pairing in found.heads]
    return page.bullets([sentence for sentence in sentences if sentence])


def less(student: ShapedStudent) -> str:
    """What a student has less of than its teacher."""
    return ", ".join(sorted(student.factors)) or MISSING


def shortened(text: str, most: int = LONGEST) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _work(findings: Findings, teacher: str) -> str:
    own = [outcome for outcome in findings.outcomes if outcome.triple.teacher.name == teacher]
    best = next((outcome.best for outcome in own if outcome.best), None)
    how = page.paragraph(f"The one configuration: {student_words(best)}.", "caption") if best else ""
    roles = {Role.TEACHER: "teacher", Role.BEST: "student", Role.MAJORITY: "majority"}
    return page.fold("Every student and data set: progress and work", how + outcome_table(own, roles))


def _speed(speed: Speed | None) -> str:
    return f"{speed.median:,.1f} ({speed.low:,.1f} to {speed.high:,.1f})" if speed else MISSING


def _measured(findings: Findings, teacher: str) -> str:
    own = [record for record in findings.speeds if record.task.teacher.name == teacher]
    if not own:
        return "Response times are measured when all trials are done."
    settings = own[0].task.settings
    rounds, rows = count(settings.rounds, "round"), count(settings.rows, "test row")
    forward = "Transformers' own forward" if settings.forward == "transformers" else "kdstudy's forward"
    places = dict.fromkeys((record.run.device, record.threads) for record in own)
    where = " and ".join(f"{device} with {count(threads, 'thread')}" for device, threads in places)
    how = f"Samples a second, in brackets the quartiles, over {rounds} of at most {rows}"
    cut = listing([f"{length}" for length in dict.fromkeys(record.task.max_length for record in own)])
    return f"{how} in batches of {settings.batch_size}, cut at {cut} tokens, {forward}, on {where}."


def _counts(found: GroupFindings) -> str:
    rows = [
        [task.dataset, *(f"{task.counts[group]:,} ({percent(task.share(group))})" for group in Group)]
        for task in found.tasks
    ]
    return page.table(["data set", *GROUPS.values()], rows, numbers=len(Group))


def _right_among_some(found: GroupFindings, findings: Findings, teacher: str) -> str:
    """Which students hold on to what only some get right (B: those of more capacity)."""
    study: ShapeStudy = findings.shapes[teacher].study
    rows = [
        [name, millions(study.student(name).num_parameters)]
        + [percent(task.right_among_some.get(name), 0) for task in found.tasks]
        for name in found.students
    ]
    title = f"Of the examples right for “{GROUPS[Group.SOME]}”: the share that each student gets right"
    table = page.table(["student", "parameters", *(task.dataset for task in found.tasks)], rows, 1 + len(found.tasks))
    return page.fold(title, table)


def _sample(found: GroupFindings) -> str:
    students = found.students
    columns = ["data set", "right", "example", "label", TEACHER, *students]
    ordered = sorted((e for task in found.tasks for e in task.sample), key=lambda e: list(Group).index(e.group))
    rows = [(e.dataset, GROUPS[e.group], list(_example_cells(e, students))) for e in ordered]
    legend = page.paragraph("✓: right; else what the model answered instead. Long texts are shortened.", "caption")
    return legend + page.filterable(columns, rows)


def _example_cells(example: Example, students: tuple[str, ...]) -> Iterator[str]:
    yield _cell(example.dataset)
    yield _cell(GROUPS[example.group])
    pair = f"<br><i>and</i> {escape(shortened(example.text_pair))}" if example.text_pair is not None else ""
    yield f'<td class="text">{escape(shortened(example.text))}{pair}</td>'
    yield _cell(example.label)
    for model in (TEACHER, *students):
        answer = example.answers.get(model)
        if answer is None:
            yield _cell(MISSING, "missing")
        else:
            yield _cell("✓", "right") if answer.right else _cell(answer.words, "wrong")


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
