"""The sections about named configurations, in the order of paper C."""

from __future__ import annotations

from typing import Any

from analysis.internals import figures, findings, tables, words
from analysis.presentation import Section

TEST = "Scores are on test, means over seeds, at the epoch that validates best."

AGAINST = Section[findings.ExperimentFindings](
    name="experiments",
    question="Which experiment is better than the first?",
    compute=findings.experiment_findings,
    shown=lambda found: bool(found.compared),
    figure=lambda found: figures.against_first(found.compared),
    reading=lambda found: words.against_sentence(found.compared),
    caption=(
        f"C, tables 1, 3 and 4. {TEST} Intervals: 1,000 paired bootstrap draws of test examples, all seeds of both "
        "students on the same examples; ▲ and ▼ in the table mark intervals without 0. McNemar's exact test is of the "
        "first seed, the t-test is paired by seed. With many comparisons, some look better or worse by chance."
    ),
    tables=(tables.SCORES, tables.EXPERIMENTS, tables.FIDELITY, tables.DISAGREEMENTS),
    found=words.experiment_sentences,
)
BY_EPOCH = Section[findings.Triples](
    name="convergence",
    question="How fast does each experiment learn?",
    compute=findings.compared_triples,
    figure=figures.by_epoch,
    caption=(
        "C, figure 4. Validation score after each epoch, mean over seeds. Where layers are learned one by one, rings "
        "mark the last epoch of a stage."
    ),
)
BY_ROWS = Section[findings.Families](
    name="training_size",
    question="Is the gain larger with less data?",
    compute=findings.training_sizes,
    figure=figures.by_rows,
    reading=words.rows_sentence,
    caption=(
        f"C, figure 3. Test score over the first experiment's, for data sets that differ in the number of training "
        f"rows alone. {TEST} Bars: 95 % intervals over test examples."
    ),
    found=lambda families: [words.rows_sentence(families)],
)
BY_PARAMETERS = Section[findings.Families](
    name="student_size",
    question="Which experiment holds up in smaller students?",
    compute=findings.student_sizes,
    figure=figures.by_parameters,
    reading=words.students_sentence,
    caption=f"C, figure 2. One panel for each data set on which several students learn. {TEST}",
    found=lambda families: [words.students_sentence(families)],
)
ATTENTION = Section[findings.Triples](
    name="attention",
    question="Do students attend to what their teacher attends to?",
    compute=findings.attention_triples,
    figure=lambda triples: figures.side_by_side(findings.largest_students(triples)),
    reading=lambda triples: words.attention_sentence(findings.largest_students(triples)),
    caption=(
        "C, figure 5. The figure shows no typical head. It shows the head, of all examples, layers and heads, in which "
        "the divergence (C, eq. 2) of two students differs most: the student of the first experiment, and the student "
        "of the experiment that validates best among those that learn attention. It has the largest student of each "
        "data set, with the first seed that was kept of both. The table has the mean over a few fixed test examples, "
        "all matched layers and heads, and the seeds that were kept."
    ),
    tables=(tables.DIVERGENCES,),
)
SECTIONS: tuple[Section[Any], ...] = (AGAINST, BY_EPOCH, BY_ROWS, BY_PARAMETERS, ATTENTION)
