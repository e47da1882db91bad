"""The report of a study of shapes, from its records to its page."""

from __future__ import annotations

import re

import pytest
from analysed import OF_CHOICES, analyse, sections, summary, tables
from known_studies import small_study, with_test_scores
from pages import Page, visible
from paper_b import SCORES, STUDENTS, TASKS, paper_study
from simulated_shapes import paper_records, shape_study, write_answers

from analysis.report.report import write_report
from analysis.results.study_kind import Factor, factors, has_one_configuration
from analysis.results.study_results import StudyResults
from analysis.shapes.findings import shape_findings
from search_spaces.space import load_space
from trials.specs.records import SpeedRecord, TrialRecord
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec

FEW = ("CoLA", "MRPC", "RTE", "STSB")
TABLES = (
    "shape_scores",
    "shape_speeds",
    "shape_judgements",
    "shape_fronts",
    "shape_pairs",
    "example_groups",
    "example_texts",
    "examples",
)


@pytest.fixture(scope="module")
def study():
    return shape_study(tasks=FEW)


@pytest.fixture(scope="module")
def records(study):
    return paper_records(study)


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    write_answers(records, path)
    return path


@pytest.fixture(scope="module")
def findings(study, records, folder):
    return analyse(study, records, folder=folder)


def test_records_of_the_papers_numbers_give_the_papers_study():
    study = shape_study()
    found = analyse(study, paper_records(study)).shapes["baseline"].study
    paper = paper_study()
    assert found.tasks == paper.tasks
    assert found.students == paper.students
    assert found.teacher_scores == paper.teacher_scores
    assert found.student_scores == pytest.approx(paper.student_scores)
    assert found.training_rows == paper.training_rows
    assert found.teacher_parameters == paper.teacher_parameters
    for key, speed in paper.student_speeds.items():
        assert found.student_speeds[key].median == pytest.approx(speed.median)
        assert found.student_speeds[key].low < speed.median < found.student_speeds[key].high


def test_response_times_count_as_used_records(findings):
    assert findings.provenance.num_unused == 0
    assert len(findings.speeds) == len(FEW)


def test_what_a_study_compares(study):
    assert list(shape_findings(StudyResults(study)).results) == ["baseline"]
    assert has_one_configuration(study.space)
    assert not has_one_configuration(load_space("paper_a"))
    one = shape_study(tasks=FEW, students=STUDENTS[:1])
    assert shape_findings(StudyResults(one)).results == {}
    assert shape_findings(StudyResults(small_study())).results


def test_a_student_of_another_model_has_no_factors(study):
    teacher = study.config.teachers[0]
    other = StudentSpec.model_validate({"name": "x", "from": "bert-small", "layers": 2})
    assert factors(study, other, teacher) == frozenset()
    own = StudentSpec.model_validate({"name": "y", "from": "baseline", "layer_choice": [0, 5]})
    assert factors(study, own, teacher) == {Factor.LAYERS}
    assert factors(study, own, TeacherSpec(name="else", model="other")) == frozenset()


def test_a_study_of_one_configuration_shows_no_choices(findings):
    names = [section.name for section in sections(findings)]
    assert names[0] == "shapes_loss"
    assert names[-1] == "training"
    assert not {name for name in OF_CHOICES if name != "training"} & set(names)
    assert not {"gains", "deciles", "rewards", "steps", "temperatures", "task_deciles"} & set(tables(findings))
    assert all(section.figure().data for section in sections(findings))
    text = "\n".join((*summary(findings).found, *summary(findings).cautions))
    assert "worst choice" not in text
    assert "stable" not in text
    assert "what a shape costs includes its start" in text


def test_a_study_of_both_shows_shapes_after_choices():
    names = [section.name for section in sections(analyse(small_study(), []))]
    assert [name for name in names if name in OF_CHOICES] == OF_CHOICES
    assert names.index("temperatures") < names.index("shapes_loss") < names.index("scores")
    assert "shapes_speed" not in names  # it measures none


def test_the_page_of_shapes(tmp_path, study, records, folder):
    text = write_report(study, records, [], tmp_path, formats=(), folder=folder).read_text(encoding="utf-8")
    page = Page(text)
    assert page.loads == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    shown = visible(text)
    assert "scores missing of 32" in shown
    assert "over the worst" not in shown
    assert 'data-group="none of them"' in shown
    assert "STSB 0.4" in shown or "STSB 0.5" in shown  # the tolerance


@pytest.mark.parametrize("done", [0, 1, 5, 20, 37])
def test_the_page_of_a_running_study(tmp_path, study, records, folder, done):
    shown = visible(
        write_report(study, records[:done], [], tmp_path, formats=(), folder=folder).read_text(encoding="utf-8")
    )
    assert ("scores are missing; nothing is filled in" in shown) is (done < 37)
    if done == 0:
        assert "nothing to compare" in shown
        assert "no teacher yet" in shown


def test_missing_answers_are_named(tmp_path, study, records, folder):
    write_answers(records, tmp_path)
    trial = next(r for r in records if isinstance(r, TrialRecord) and r.spec.triple.dataset.name == "CoLA")
    (tmp_path / "predictions" / f"{trial.record_id}.parquet").unlink()
    for path in (tmp_path / "predictions").glob("examples-data-RTE*"):
        path.write_bytes(b"torn")
    groups = analyse(study, records, folder=tmp_path).groups["baseline"]
    first = next(task for task in groups.tasks if task.dataset == "CoLA")
    assert first.without == (trial.spec.triple.student.name,)
    assert groups.missing == ("RTE: no test examples in predictions/",)
    assert analyse(study, records).groups == {}


def test_texts_are_escaped(tmp_path, study, records, monkeypatch):
    import simulated_shapes

    monkeypatch.setattr(simulated_shapes, "WORDS", ("<script>alert(1)</script>", '"><b>'))
    write_answers(records, tmp_path)
    text = write_report(study, records, [], tmp_path / "r", formats=(), folder=tmp_path).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert Page(text).open == []


def test_test_scores_select_nothing(study, records, findings, folder):
    # rule: other test scores change what is reported, not whose answers are grouped
    changed = analyse(study, with_test_scores(records, lambda score: 1 - score), folder=folder)
    assert changed.groups == findings.groups


def test_every_table_of_shapes_is_documented_and_filled(findings):
    found = tables(findings)
    for name in TABLES:
        frame = found[name].frame
        assert found[name].description
        assert all(found[name].columns.values())
        assert len(frame) > 0
        assert not [column for column in frame if frame[column].isna().all()]
    scores = found["shape_scores"].frame.set_index(["model", "dataset"])["test"]
    assert scores["3L", "CoLA"] == SCORES["3L"][TASKS.index("CoLA")]


def test_two_teachers_have_their_own_sections():
    teachers = [TeacherSpec(name=name, model="roberta") for name in ("baseline", "other")]
    names = [section.name for section in sections(analyse(shape_study(tasks=FEW, teachers=teachers), []))]
    assert {"shapes_loss_baseline", "shapes_loss_other"} <= set(names)
    assert len(names) == len(set(names))


def test_speed_records_are_made_last(records):
    assert isinstance(records[-1], SpeedRecord)
    assert re.fullmatch(r"[0-9a-f]{24}", records[-1].record_id)
