"""The page's tables of named configurations (C, tables 1, 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from analysis import page
from analysis.experiments import Disagreement, Experiment, ExperimentTriple
from analysis.presentation import MISSING, count, p_words, percent, score, score_digits
from analysis.results import TEACHER

LONGEST = 240  # characters of a text that the page shows


def scores(triples: Sequence[ExperimentTriple]) -> str:
    """C's table 1: test scores, with the standard deviation over seeds and what tests say of the difference."""
    names = [each.name for each in triples[0].experiments]
    columns = ["experiment", *(triple.name for triple in triples)]
    metrics = [triple.outcome.metric for triple in triples]
    rows = [
        ["metric", *(metric.replace("_", " ") for metric in metrics)],
        [TEACHER, *(score(triple.teacher_test, metric) for triple, metric in zip(triples, metrics, strict=True))],
    ]
    rows += [[name, *(_cell(t.experiments[at], t.outcome.metric) for t in triples)] for at, name in enumerate(names)]
    return page.table(columns, rows, numbers=len(triples))


def tests(triples: Sequence[ExperimentTriple]) -> str:
    """Every difference to the first experiment with all tests of it."""
    columns = [
        "data set",
        "experiment",
        "difference",
        "95 % over examples",
        "bootstrap",
        "McNemar",
        "t-test over seeds",
    ]
    rows = []
    for triple in triples:
        for each in triple.experiments[1:]:
            digits = score_digits(triple.outcome.metric)
            found, seeds = each.by_examples, each.by_seeds
            interval = f"{found.low:+.{digits}f} to {found.high:+.{digits}f}" if found else MISSING
            difference = f"{seeds.mean:+.{digits}f}" if seeds else MISSING
            p_values = (found.p_value if found else None, each.mcnemar_p, seeds.p_value if seeds else None)
            words = [MISSING if value is None else p_words(value) for value in p_values]
            rows.append([triple.name, each.name, _minus(difference), _minus(interval), *words])
    return page.fold("All tests", page.table(columns, rows, numbers=5))


def fidelity(triples: Sequence[ExperimentTriple]) -> str:
    """C's table 3: right and wrong answers of students where the teacher is right, and where it is wrong."""
    columns = ["data set", "experiment", "teacher right: ✓", "✗", "teacher wrong: ✓", "✗", "answers alike"]
    rows = [
        [triple.name, each.name]
        + [f"{value:,.0f}" for value in (own.both, own.only_teacher, own.only_student, own.neither)]
        + [percent(own.agreement)]
        for triple in triples
        for each in triple.experiments
        if (own := each.fidelity)
    ]
    return page.table(columns, rows, numbers=5) if rows else ""


def disagreements(triples: Sequence[ExperimentTriple]) -> str:
    """C's table 4: examples that the teacher and one of two students get right; the second validates best.

    Answers come with the probability that a model has of its own, where it was kept.
    """
    parts = []
    for triple in triples:
        known = [each for each in triple.experiments[1:] if each.validation is not None and each.num_disagreements]
        if not known:
            continue
        best, first = max(known, key=lambda each: each.validation or 0.0), triple.experiments[0].name
        rows = [
            [*map(_short, filter(None, (each.text, each.text_pair))), each.label, *_answers(each)]
            for each in best.disagreements
        ]
        texts = ["text", "second text"] if best.disagreements[0].text_pair else ["text"]
        table = page.table([*texts, "label", TEACHER, first, best.name], rows)
        number = count(best.num_disagreements, "example")
        parts.append(
            page.fold(f"{triple.name}: {len(rows)} of {number} that {first} and {best.name} answer unlike", table)
        )
    return "".join(parts)


def divergences(triples: Sequence[ExperimentTriple]) -> str:
    """How far each experiment's attention is from the teacher's, in the mean."""
    shown = [triple for triple in triples if triple.attention]
    if not shown:
        return ""
    rows = [[each.name, *(_divergence(triple, each.name) for triple in shown)] for each in shown[0].experiments]
    return page.table(["mean divergence", *(triple.name for triple in shown)], rows, numbers=len(shown))


def _divergence(triple: ExperimentTriple, name: str) -> str:
    value = triple.attention.divergences.get(name) if triple.attention else None
    return MISSING if value is None else f"{value:.3f}"


def _answers(example: Disagreement) -> list[str]:
    """Answers of the teacher, which is right, and of two students."""
    words = (example.label, example.before, example.after)
    return [
        answer if sure is None else f"{answer} ({sure:.2f})" for answer, sure in zip(words, example.sure, strict=True)
    ]


def _cell(experiment: Experiment, metric: str) -> str:
    if experiment.test is None:
        return MISSING
    values = list(experiment.test_of_seeds.values())
    spread = f" ± {stdev(values):.{score_digits(metric)}f}" if len(values) > 1 else ""
    found = experiment.by_examples
    mark = (" ▲" if found.low > 0 else " ▼" if found.high < 0 else "") if found else ""
    return f"{score(experiment.test, metric)}{spread}{mark}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _minus(text: str) -> str:
    return text.replace("-", "−")
