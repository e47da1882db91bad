"""The sections about parameter choices, in the order of paper A."""

from __future__ import annotations

from typing import Any

from analysis.choices import figures, tables, words
from analysis.choices.findings import ChoiceFindings, choice_findings, step_findings, task_findings
from analysis.presentation import Section, percent
from analysis.triples import TEST

COST = Section[ChoiceFindings](
    name="fig1_cost_of_choices",
    question="How much do the choices matter?",
    compute=choice_findings,
    figure=figures.cost_of_choices,
    reading=lambda found: next(words.cost_sentences(found), None),
    caption=words.cost_caption,
    tables=(tables.GAINS, tables.DECILES),
    found=words.cost_sentences,
    cautions=words.cautions,
    tiles=lambda found: [
        (percent(found.best_over_worst.decile(5)), "relative test gain of the best choice over the worst, median")
    ],
    paper=words.PAPER,
)
PARAMETERS = Section[ChoiceFindings](
    name="fig2_parameters",
    question="Which parameter matters?",
    compute=step_findings,
    figure=figures.parameter_lines,
    reading=words.strongest_sentence,
    caption=words.effect_caption,
    found=words.effect_sentences,
)
REWARDS = Section[ChoiceFindings](
    name="table3_rewards",
    question="Which values should one choose?",
    compute=step_findings,
    figure=figures.reward_bars,
    reading=words.clearest_sentence,
    caption=(
        "A, table 3. R is the number of triples where the alternative validates better minus those where "
        "it validates worse; p is a two-sided sign test without ties. Merged steps compare a trial with itself."
    ),
    tables=(tables.REWARDS,),
    cautions=words.test_cautions,
)
ONE_FOR_ALL = Section[ChoiceFindings](
    name="fig3_one_for_all",
    question="Does one configuration serve all triples?",
    compute=step_findings,
    figure=figures.one_for_all,
    reading=words.stable_sentence,
    caption=words.stable_caption,
    found=words.stable_sentences,
    tiles=words.kept_tile,
)
TASKS = Section[ChoiceFindings](
    name="tasks",
    question="Does it hold for each task?",
    compute=task_findings,
    figure=figures.gains_by_task,
    reading=words.tasks_sentence,
    caption=(
        f"Gains and rewards as above, over the triples of one task at a time. {TEST} Medians of few "
        "triples move a lot with each of them, and with so many sign tests some are below .05 by chance."
    ),
    tables=(tables.TASK_GAINS, tables.TASK_REWARDS, tables.TASK_DECILES),
    found=lambda found: [words.tasks_sentence(found)],
    cautions=words.disagreements,
)
DECISIONS = Section[ChoiceFindings](
    name="decisions",
    question="How did each search decide?",
    compute=step_findings,
    figure=figures.decisions,
    reading=words.decisions_sentence,
    caption=(
        "Relative gain on validation of the changed choice over the incumbent, both tuned; win, loss or "
        "tie where the incumbent's score is not above 0. A tie keeps the default; “same” marks two sides that are one "
        "trial."
    ),
    tables=(tables.STEPS,),
)
TEMPERATURES = Section[ChoiceFindings](
    name="temperatures",
    question="How does the temperature matter?",
    compute=choice_findings,
    figure=figures.temperatures,
    reading=words.temperature_sentence,
    caption=(
        "One curve per choice at its tuned learning rate and the default soft-label weight. MSE between "
        "logits scaled alike does not depend on the temperature and stands at 1; regression knows no temperature and "
        "has no curve."
    ),
    tables=(tables.TEMPERATURES,),
)
SECTIONS: tuple[Section[Any], ...] = (COST, PARAMETERS, REWARDS, ONE_FOR_ALL, TASKS, DECISIONS, TEMPERATURES)
