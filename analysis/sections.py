"""The report's sections on parameter choices, and the order of all; each has a reading and says what was computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analysis.curve_figures import temperatures, training
from analysis.experiment_sections import experiment_sections
from analysis.figures import cost_of_choices, one_for_all, parameter_lines, reward_bars
from analysis.findings import Findings
from analysis.section import Section
from analysis.shape_sections import shape_sections
from analysis.summary import cost_sentence, effect_sentence, stable_sentence, tasks_sentence, teacher_sentence
from analysis.task_figures import gains_by_task
from analysis.transfer_sections import transfer_sections
from analysis.triple_figures import decisions, triple_scores
from analysis.wording import count
from study.config import Strategy

_DECILES = (
    "D1 to D10 are numpy.quantile(gains, k / 10) over triples; dots are the triples. A triple whose baseline is not "
    "above 0 has no relative gain: it is counted as undefined and left out."
)
_DRAWS = (
    "The random choice is drawn uniformly from the choices that the search visited: the solid line takes its exact "
    "expectation per triple; the band holds 90 % of 1000 seeded draws, the dotted line their median."
)
_TEST = "Scores are on test, means over seeds; all selection is on validation."

_SOME = "its choices are those that it tried, each at the best learning rate and temperature tried with it."
_VISITED = {
    Strategy.GREEDY: "A search visits only some choices, so that these gains are lower bounds.",
    Strategy.GRID: "Each choice is at the best learning rate and temperature of the whole grid.",
    Strategy.RANDOM: f"The search drew configurations at random: {_SOME}",
    Strategy.OPTUNA: f"Optuna proposed configurations: {_SOME}",
}


def _cost_caption(strategy: Strategy) -> str:
    drawn = f"Relative gain (best - baseline) / baseline per triple. {_DECILES} {_DRAWS} {_TEST}"
    return f"A, figure 1. {drawn} {_VISITED[strategy]}"


def _cost(findings: Findings) -> str | None:
    return cost_sentence(findings.best_over_worst, "the worst choice")


def _strongest(findings: Findings) -> str | None:
    sized = [(effect.typical_size, effect) for effect in findings.effects if effect.typical_size is not None]
    return effect_sentence(max(sized, key=lambda pair: pair[0])[1]) if sized else None


def _clearest(findings: Findings) -> str | None:
    tested = [effect for effect in findings.effects if effect.p_value is not None]
    if not tested:
        return None
    clearest = min(tested, key=lambda effect: effect.p_value or 0.0)
    return f"The clearest preference: {effect_sentence(clearest)}"


def _accepted(findings: Findings) -> str | None:
    made = [change for change in findings.changes if not change.void]
    if not made:
        return None
    accepted = sum(change.accepted for change in made)
    return f"{accepted} of {count(len(made), 'comparison')} changed the incumbent."


def _selected(findings: Findings) -> str | None:
    curves = [curve for curve in findings.temperature_curves if len(curve.scores) > 1]
    above = sum(curve.choice.temperature > 1 for curve in curves)
    return f"A temperature above 1 validates best in {above} of {count(len(curves), 'curve')}." if curves else None


def _trained(findings: Findings) -> str | None:
    curves = [curve for curve in findings.training_curves if curve.epochs]
    early = sum(curve.best_epoch < curve.epochs[-1] for curve in curves)
    return f"{early} of {count(len(curves), 'run')} scored best before the last validation." if curves else None


SECTIONS = (
    Section(
        "fig1_cost_of_choices",
        "How much do the choices matter?",
        cost_of_choices,
        _cost,
        _cost_caption(Strategy.GREEDY),
        pools=True,
    ),
    Section(
        "fig2_parameters",
        "Which parameter matters?",
        parameter_lines,
        _strongest,
        f"A, figure 2. Each step of the search changes one parameter and tunes the rest again; the gain is that of the "
        f"alternative over the default. {_DECILES} {_TEST} Of the soft-label weights, the alternative is the one that "
        "validates best.",
        pools=True,
    ),
    Section(
        "table3_rewards",
        "Which values should one choose?",
        reward_bars,
        _clearest,
        "A, table 3. R is the number of triples where the alternative validates better minus those where it validates "
        "worse; p is a two-sided sign test without ties. Merged steps compare a trial with itself.",
    ),
    Section(
        "fig3_one_for_all",
        "Does one configuration serve all triples?",
        one_for_all,
        stable_sentence,
        f"A, figure 3. Relative difference to each triple's best choice. Stable: the choices that the rewards pick. "
        f"Lazy: a random choice at temperature 1. {_DECILES} {_DRAWS} {_TEST}",
        pools=True,
    ),
    Section(
        "scores",
        "What did every triple reach?",
        triple_scores,
        teacher_sentence,
        f"{_TEST} Teacher: its highest-score checkpoint. Majority: the best answer that is the same for all, such as "
        "the most frequent training label; it is not drawn where no such answer scores.",
    ),
    Section(
        "decisions",
        "How did each search decide?",
        decisions,
        _accepted,
        "Relative gain on validation of the changed choice over the incumbent, both tuned; win, loss or tie where the "
        "incumbent's score is not above 0. A tie keeps the default; “same” marks two sides that are one trial.",
    ),
    Section(
        "temperatures",
        "How does the temperature matter?",
        temperatures,
        _selected,
        "One curve per choice at its tuned learning rate and the default soft-label weight. MSE between logits scaled "
        "alike does not depend on the temperature and stands at 1; regression knows no temperature and has no curve.",
    ),
    Section(
        "training",
        "How did training go?",
        training,
        _trained,
        "Validation score of the trials behind each triple's best choice, and its worst where it is another; one curve "
        "per seed.",
    ),
)

TASKS = Section(
    "tasks",
    "Does it hold for each task?",
    gains_by_task,
    tasks_sentence,
    f"Gains and rewards as above, over the triples of one task at a time. {_TEST} Medians of few triples move a lot "
    "with each of them, and with so many sign tests some are below .05 by chance.",
)


def sections(findings: Findings) -> tuple[Section, ...]:
    """The report's sections in order: named or searched choices, then shapes, each where the study compares any.

    Studies of D's questions have those first.

    A study of several tasks has one more, before the scores. A study of one configuration has its shapes first; the
    scores of its students stand there.
    """
    shapes = shape_sections(findings)
    if experiments := experiment_sections(findings):
        return (
            *transfer_sections(findings),
            *experiments,
            *shapes,
            *(section for section in SECTIONS if section.name == "scores"),
        )
    if not findings.compares_choices:
        return (*shapes, *(section for section in SECTIONS if section.name in _WITHOUT_CHOICES[bool(shapes)]))
    return (*_of_choices(findings), *shapes)


def _of_choices(findings: Findings) -> Iterator[Section]:
    for section in SECTIONS:
        if section.name == "scores" and findings.by_task:
            yield TASKS
        if section.name == "fig1_cost_of_choices":
            yield replace(section, caption=_cost_caption(findings.strategy))
        elif findings.compares_steps or section.name not in _OF_STEPS:
            yield section


_WITHOUT_CHOICES = {True: ("training",), False: ("scores", "training")}  # by whether there are shapes
_OF_STEPS = ("fig2_parameters", "table3_rewards", "fig3_one_for_all", "decisions")  # of searches that go step by step
