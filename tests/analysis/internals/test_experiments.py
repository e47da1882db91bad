"""Named configurations against the first: numbers, sentences, figures and tables of a simulated study of C."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from analysed import Analysed as Findings
from analysed import analyse
from scipy.stats import t
from simulated_experiments import EPOCHS, ROWS, SEEDS, experiment_study, right, write_answers

from analysis.internals.findings import experiment_findings, student_sizes, training_sizes
from analysis.internals.tables import DISAGREEMENTS
from analysis.internals.words import students_sentence
from analysis.report.report import write_report
from analysis.results.paired import Difference
from trials.specs.records import TeacherRecord, TrialRecord


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_answers(records, folder)
    return folder


def experiment(findings: Findings, name: str, triple: int = 0):
    return next(each for each in findings.experiments[triple].experiments if each.name == name)


def trials(records, name: str, dataset: str) -> list[TrialRecord]:
    named = experiment_study().space.named()[name].canonical()
    return [
        record
        for record in records
        if isinstance(record, TrialRecord)
        and record.configuration == named
        and record.spec.triple.dataset.name == dataset
        and record.spec.triple.student == experiment_study().config.students[0]
    ]


def test_scores_are_means_over_seeds(findings, records):
    own, base = (trials(records, name, "data0") for name in ("exp3.2", "exp2.0"))
    found = experiment(findings, "exp3.2")
    assert found.test == pytest.approx(np.mean([record.test_score for record in own]))
    assert set(found.test_of_seeds) == set(SEEDS)
    difference = np.mean([a.test_score - b.test_score for a, b in zip(own, base, strict=True)])
    assert (found.over_first.mean, found.over_first.by_examples.difference) == pytest.approx((difference, difference))
    assert found.over_first.by_examples.low > 0
    assert experiment(findings, "exp2.0").over_first == Difference()


def test_fidelity_counts_examples_by_who_is_right(findings, records):
    found = experiment(findings, "exp3.2").fidelity
    teacher = np.random.default_rng(1).random(ROWS) < 0.9
    own = np.mean([right(record.spec) for record in trials(records, "exp3.2", "data0")], axis=0)
    assert found.both == pytest.approx((own * teacher).sum())
    assert found.both + found.only_teacher == pytest.approx(teacher.sum())
    assert found.only_student + found.neither == pytest.approx((~teacher).sum())
    # of two classes alike means both right or both wrong
    assert found.agreement == pytest.approx((found.both + found.neither) / ROWS)


def test_disagreements_are_those_that_the_teacher_gets_right(findings):
    found = experiment(findings, "exp3.2")
    assert found.num_disagreements >= len(found.disagreements) > 0
    for each in found.disagreements:
        assert (each.before == each.label) != (each.after == each.label)


def test_disagreements_have_the_probabilities_of_answers(study, records, findings, folder, tmp_path):
    found = experiment(findings, "exp3.2").disagreements[0]
    assert found.sure == pytest.approx((0.9, 0.7, 0.7))
    # Files of before they were kept are read without
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for file in (tmp_path / "predictions").glob("*.parquet"):
        table = pyarrow.parquet.read_table(file)
        if "probabilities" in table.column_names:
            pyarrow.parquet.write_table(table.drop_columns("probabilities"), file)
    old = experiment(analyse(study, records, folder=tmp_path), "exp3.2").disagreements[0]
    assert old.sure == (None, None, None)
    assert replace(old, sure=found.sure) == found


def test_page_has_a_table_of_disagreements_for_each_triple(findings):
    found = experiment_findings(findings.results)
    parts = DISAGREEMENTS.page_table(found).parts
    assert [part.title.partition(":")[0] for part in parts] == [triple.name for triple in findings.experiments]
    # No example has a second text, so that there is no such column
    assert [cell.text for cell in parts[0].headings] == ["text", "label", "teacher", "exp2.0", "best on validation"]
    triple = findings.experiments[0]
    example = replace(triple.experiments[2].disagreements[0], text_pair="of a pair")
    paired = tuple(replace(each, disagreements=(example,)) for each in triple.experiments)
    mixed = replace(found, compared=(replace(triple, experiments=paired), *found.compared[1:]))
    first, second, _ = DISAGREEMENTS.page_table(mixed).parts
    assert [cell.text for cell in first.headings][:2] == ["text", "second text"]
    assert [cell.text for cell in first.rows[0]][1] == "of a pair"
    assert [cell.text for cell in second.headings][:2] == ["text", "label"]


def test_curves_have_the_stages_of_their_schedule(findings):
    assert experiment(findings, "exp3.2").curve.stages == (None,) * EPOCHS
    assert experiment(findings, "exp3.4").curve.stages == (1, 2, 2, 3, 3, 4, 4, 4)


def test_data_sets_that_differ_in_their_size_are_compared(findings):
    (family,) = training_sizes(findings.results)
    assert [triple.train_rows for triple in family] == [100, 400]


def test_students_of_one_data_set_are_compared_by_their_size(findings):
    (family,) = student_sizes(findings.results)
    sizes = [triple.outcome.num_parameters for triple in family]
    assert sizes == sorted(sizes)
    assert {triple.outcome.triple.dataset.name for triple in family} == {"data0"}


def test_triples_are_named_by_what_tells_them_apart(findings):
    assert [triple.name for triple in findings.experiments] == ["data0, 2L", "few", "data0, 3L"]


def test_report_shows_all_of_it(study, records, folder, tmp_path):
    page = write_report(study, records, (), tmp_path, formats=("html",), folder=folder).read_text()
    for words in (
        "Which experiment is better than the first?",
        "validates best",
        "beyond the noise of the test examples",
        "teacher right: ✓",
        "answer differently",
        "(0.90)",
        "answer as their teacher does most often",
        "100 rows",
        "How fast does each experiment learn?",
        "Which experiment holds up in smaller students?",
    ):
        assert words in page
    assert "How much do the choices matter?" not in page
    with (tmp_path / "tables" / "experiments.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 9
    assert rows[0]["experiment"] == "exp2.0"
    assert rows[0]["difference"] == ""
    assert float(rows[2]["low"]) <= float(rows[2]["difference"]) <= float(rows[2]["high"])


def test_report_of_a_study_that_has_just_begun(study, records, tmp_path):
    teachers = [record for record in records if isinstance(record, TeacherRecord)]
    for kept in ([], teachers, [*teachers, *trials(records, "exp3.2", "data0")[:1]]):
        page = write_report(study, kept, (), tmp_path / str(len(kept)), formats=("html",)).read_text()
        assert "Which experiment is better than the first?" in page or not kept


def test_without_the_studys_directory_only_seeds_are_compared(study, records):
    found = experiment(analyse(study, records), "exp3.2")
    assert found.over_first.by_examples is found.fidelity is found.over_first.mcnemar_p is None
    assert found.over_first.mean > 0


def test_mean_gain_of_learning_layers_has_its_interval_over_seeds(findings):
    (family,) = student_sizes(findings.results)
    sentence = students_sentence(student_sizes(findings.results))
    for triple in family:
        scores = {each.name: each.test_of_seeds for each in triple.experiments}
        layers = [name for name in scores if name.startswith("exp3")]
        gains = [np.mean([scores[name][seed] - scores["exp2.0"][seed] for name in layers]) for seed in SEEDS]
        low, high = t.interval(0.95, len(SEEDS) - 1, np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(SEEDS)))
        words = f"{np.mean(gains):+.4f} [{low:+.4f}, {high:+.4f}] with data0, {triple.outcome.triple.student.name}"
        assert words.replace("-", "−") in sentence
