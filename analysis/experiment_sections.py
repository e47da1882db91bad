"""The report's sections about named configurations; those that a study cannot fill are left out."""

from __future__ import annotations

from analysis import attention_figures, experiment_figures, experiment_page_tables, experiment_wording
from analysis.old_findings import Findings
from analysis.old_section import OldSection

TEST = "Scores are on test, means over seeds, at the epoch that validates best."


def experiment_sections(findings: Findings) -> tuple[OldSection, ...]:
    """The sections, for a study of experiments; () for others."""
    if not findings.compared_experiments:
        return ()
    by_size = (BY_ROWS,) if findings.experiment_families else ()
    by_depth = (BY_PARAMETERS,) if findings.experiment_depths else ()
    attention = (ATTENTION,) if findings.attention_views else ()
    return (AGAINST, BY_EPOCH, *by_size, *by_depth, *attention)


def _tables(findings: Findings) -> str:
    found, tables = findings.compared_experiments, experiment_page_tables
    parts = (tables.scores(found), tables.tests(found), tables.fidelity(found), tables.disagreements(found))
    return "".join(parts)


AGAINST = OldSection(
    "experiments",
    "Which experiment is better than the first?",
    lambda findings: experiment_figures.against_first(findings.compared_experiments),
    lambda findings: experiment_wording.against_sentence(findings.compared_experiments),
    f"C, tables 1, 3 and 4. {TEST} Intervals: 1,000 paired bootstrap draws of test examples, all seeds of both "
    "students on the same examples; ▲ and ▼ in the table mark intervals without 0. McNemar's exact test is of the "
    "first seed, the t-test is paired by seed. Of many comparisons some are beyond chance by chance.",
    details=_tables,
)
BY_EPOCH = OldSection(
    "convergence",
    "How fast does each experiment learn?",
    lambda findings: experiment_figures.by_epoch(findings.compared_experiments),
    lambda findings: None,
    "C, figure 4. Validation score after each epoch, mean over seeds. Where layers are learned one by one, rings mark "
    "the last epoch of a stage.",
)
BY_ROWS = OldSection(
    "training_size",
    "Is the gain larger with less data?",
    lambda findings: experiment_figures.by_rows(findings.experiment_families),
    lambda findings: experiment_wording.rows_sentence(findings.experiment_families),
    f"C, figure 3. Test score over the first experiment's, for data sets that differ in the number of training rows "
    f"alone. {TEST} Bars: 95 % intervals over test examples.",
)
BY_PARAMETERS = OldSection(
    "student_size",
    "Which experiment holds up in smaller students?",
    lambda findings: experiment_figures.by_parameters(findings.experiment_depths),
    lambda findings: experiment_wording.depth_sentence(findings.experiment_depths),
    f"C, figure 2. Of each data set on which several students learn. {TEST}",
)
ATTENTION = OldSection(
    "attention",
    "Do students attend to what their teacher attends to?",
    lambda findings: attention_figures.side_by_side(findings.attention_views),
    lambda findings: experiment_wording.attention_sentence(findings.attention_views),
    "C, figure 5. Shown is not a typical head but the one, of all examples, layers and heads, in which the divergence "
    "(C, eq. 2) of the two students differs most: the first experiment's, and of those that learn attention the one "
    "that validates best; of each data set with its largest student, with the first seed that was kept of both. The "
    "table has the mean over a few fixed test examples, all matched layers and heads, and the seeds that were kept.",
    details=lambda findings: experiment_page_tables.divergences(findings.experiments),
)
