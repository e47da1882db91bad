"""The exported table of named configurations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analysis.experiments import Experiment, ExperimentTriple
from analysis.old_findings import Findings
from analysis.presentation import Column, Table
from analysis.triples import triple_columns


class OnTriple(NamedTuple):
    """An experiment, and its triple."""

    triple: ExperimentTriple
    experiment: Experiment


def _rows(found: Findings) -> Iterator[OnTriple] | None:
    pairs = (OnTriple(triple, each) for triple in found.experiments for each in triple.experiments)
    return pairs if found.experiments else None


EXPERIMENTS = Table[Findings, OnTriple](
    name="experiments",
    description="One row per triple and named configuration (C, tables 1 and 3), in the space's order; the first is "
    "what the others are compared with.",
    rows=_rows,
    columns=(
        *triple_columns(lambda row: row.triple.outcome),
        Column("experiment", lambda row: row.experiment.name, "its name"),
        Column("validation", lambda row: row.experiment.validation, "validation score, mean over seeds"),
        Column("test", lambda row: row.experiment.test, "test score, mean over seeds"),
        Column("seeds", lambda row: len(row.experiment.test_of_seeds), "finished seeds"),
        Column(
            "difference",
            lambda row: row.experiment.by_seeds.mean if row.experiment.by_seeds else None,
            "test score over the first experiment's, mean over the seeds that both have",
        ),
        Column(
            "low",
            lambda row: row.experiment.by_examples.low if row.experiment.by_examples else None,
            "lower end of its 95 % interval by resampling test examples",
        ),
        Column(
            "high", lambda row: row.experiment.by_examples.high if row.experiment.by_examples else None, "upper end"
        ),
        Column(
            "bootstrap_p",
            lambda row: row.experiment.by_examples.p_value if row.experiment.by_examples else None,
            "two-sided p-value of the same draws",
        ),
        Column(
            "mcnemar_p",
            lambda row: row.experiment.mcnemar_p,
            "two-sided exact p-value of McNemar's test, first seed",
        ),
        Column(
            "seeds_p",
            lambda row: row.experiment.by_seeds.p_value if row.experiment.by_seeds else None,
            "two-sided p-value of the t-test paired by seed",
        ),
        Column("teacher_test", lambda row: row.triple.teacher_test, "the teacher's test score"),
        Column("train_rows", lambda row: row.triple.train_rows, "training examples"),
        Column(
            "both_right",
            lambda row: row.experiment.fidelity.both if row.experiment.fidelity else None,
            "test examples that teacher and student get right, mean over seeds",
        ),
        Column(
            "only_teacher_right",
            lambda row: row.experiment.fidelity.only_teacher if row.experiment.fidelity else None,
            "likewise the teacher alone",
        ),
        Column(
            "only_student_right",
            lambda row: row.experiment.fidelity.only_student if row.experiment.fidelity else None,
            "likewise the student alone",
        ),
        Column(
            "neither_right",
            lambda row: row.experiment.fidelity.neither if row.experiment.fidelity else None,
            "likewise neither",
        ),
        Column(
            "agreement",
            lambda row: row.experiment.fidelity.agreement if row.experiment.fidelity else None,
            "share of test examples that both answer alike",
        ),
        Column(
            "attention_divergence",
            lambda row: row.triple.attention.divergences.get(row.experiment.name) if row.triple.attention else None,
            "of the student's attention from the teacher's (C, eq. 2), mean over kept examples, matched layers, heads "
            "and seeds; missing where attention was not kept",
        ),
    ),
)
