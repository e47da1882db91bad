from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import plotly.io
import pytest
from analysed import OF_CHOICES, analyse, sections
from known_studies import failing, finished, plain_score, small_study
from pages import Page, visible
from simulation import hashed_score, make_study

from analysis.presentation.words import PARAMETERS
from analysis.report.report import write_report
from search_spaces.space import CHOICE_ORDER, load_space
from study.ledger.record_files import BadFile
from trials.specs.records import TrialRecord

AXES_OF_C = {
    "experiments": [],
    "choices": {
        "attention_weight": [0, 1],
        "cosine_weight": [0, 1],
        "schedule": ["joint", "progressive", "stacked"],
        "classification_loss": ["throughout", "last"],
    },
}


def report(tmp_path, study, records, bad_files=(), formats=()) -> str:
    return write_report(study, records, bad_files, tmp_path, formats=formats).read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_is_well_formed(tmp_path):
    study = small_study()
    text = report(tmp_path, study, finished(study))
    page = Page(text)
    assert page.loads == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'" in text
    # rule: plotly.js stands in the page once
    assert text.count("plotly.js v") == 1
    assert set(OF_CHOICES) <= set(page.ids)


def test_everything_from_users_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    study = small_study(datasets=1)
    records = [
        _with_reason(record, evil) for record in finished(study, failing(lambda t: t.configuration.distance == "mse"))
    ]
    records[0] = records[0].model_copy(update={"run": records[0].run.model_copy(update={"host": evil, "device": evil})})
    (tmp_path / "study.yaml").write_text(f"# {evil}\n")
    study = type(study)(study.config, tmp_path / "study.yaml")
    text = report(tmp_path / "out", study, records, [BadFile(f"{evil.replace('/', '')}.json", evil)])
    assert evil not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert Page(text).open == []


def test_the_same_records_give_the_same_page(tmp_path):
    study = small_study()
    records = finished(study, hashed_score)
    first = report(tmp_path / "a", study, records)
    assert first == report(tmp_path / "b", study, records[::-1])


@pytest.mark.parametrize("done", [0, 1, 2, 5, 12, 20])
def test_a_running_study_has_a_report(tmp_path, done):
    study = small_study()
    text = visible(report(tmp_path, study, finished(study)[:done]))
    assert "scores missing of 20" in text
    assert "scores are missing; nothing is filled in" in text
    if done == 0:
        assert "nothing to compare" in text


def test_failures_are_named(tmp_path):
    study = small_study()
    records = finished(study, failing(lambda trial: trial.triple.dataset.name == "data0"))
    text = visible(report(tmp_path, study, records, [BadFile("ledger/torn.json", "is torn")]))
    assert "the loss became NaN at step 3" in text
    assert "torn.json" in text
    assert "ledger/torn.json" not in text
    assert "–" in text


def test_one_checkpoint_is_one_row(tmp_path):
    study = make_study()
    text = visible(report(tmp_path, study, finished(study, plain_score, one_checkpoint=True)))
    assert text.count("<td>highest score and lowest loss</td>") == 2
    assert "tie, one trial" in text


def test_figures_share_one_plotly(tmp_path):
    study = small_study()
    names = [section.name for section in sections(analyse(study, finished(study)))]
    report(tmp_path, study, finished(study), formats=("html",))
    files = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert files == sorted([*(f"{name}.html" for name in names), "plotly.min.js"])
    for name in names:
        assert Page((tmp_path / "figures" / f"{name}.html").read_text()).loads == ["plotly.min.js"]


def test_without_a_browser_the_report_is_written_with_one_note(tmp_path, monkeypatch, caplog):
    def no_browser(**_):
        raise RuntimeError("Kaleido requires Google Chrome to be installed.")

    monkeypatch.setattr(plotly.io, "write_images", no_browser)
    study = small_study()
    text = report(tmp_path, study, finished(study), formats=("html", "svg", "png"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No svg or png pictures (they need kaleido and Chrome or Chromium)" in caplog.text
    assert "What was found" in text
    assert not list((tmp_path / "figures").glob("*.png"))


def test_pictures_are_asked_for_at_their_size(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(plotly.io, "write_images", lambda **keys: asked.update(keys))
    study = small_study()
    report(tmp_path, study, finished(study), formats=("svg", "png"))
    assert [path.name for path in asked["file"]] == [
        f"{section.name}.{ending}" for section in sections(analyse(study, finished(study))) for ending in ("svg", "png")
    ]
    assert all(height >= 220 for height in asked["height"])
    assert not list((tmp_path / "figures").glob("*.html"))


def test_the_study_file_is_shown_as_written_or_resolved(tmp_path):
    study = small_study()
    assert "soft_label_weight" in visible(report(tmp_path / "a", study, []))  # the file is gone
    (tmp_path / "study.yaml").write_text("# my study\n")
    assert "# my study" in visible(report(tmp_path / "b", type(study)(study.config, tmp_path / "study.yaml"), []))


def test_the_analysis_loads_neither_torch_nor_ray():
    program = (
        "import sys, analysis.report; print(sorted({'torch', 'ray', 'transformers', 'optuna'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _with_reason(record, reason):
    if isinstance(record, TrialRecord) and record.reason:
        return record.model_copy(update={"reason": reason})
    return record


def test_every_choice_can_be_an_axis(tmp_path):
    # Of a greedy search over all that papers C and D add to A's choices
    for name, changes in (("simple_students", {}), ("internal", AXES_OF_C)):
        study = make_study(space=load_space(name, changes=changes))
        text = report(tmp_path / name, study, finished(study, hashed_score))
        alternatives = {parameter for parameter, _ in study.space.alternatives()}
        assert all(PARAMETERS[parameter] in text for parameter in alternatives)
    assert set(PARAMETERS) == {*CHOICE_ORDER, "soft_label_weight"}
