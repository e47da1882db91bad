"""Response times: who is measured, how often, in what order, on what."""

import json

import pytest
import torch
from simulation import make_search, make_study, run_study

from trials.evaluation import response_times as speed
from trials.models.pretrained import model_fingerprint
from trials.specs.records import SpeedRecord, parse_record
from trials.specs.student import StudentSpec
from trials.specs.work import SpeedSettings, SpeedTask, work_id
from trials.workers.run_work import run_work

SETTINGS = SpeedSettings(rows=20, batch_size=8, warm_up=1, rounds=3)
STUDENTS = (StudentSpec(name="2L", source="tiny", layers=2), StudentSpec(name="2AH", source="tiny", heads=2))


def task_of(tiny, **changes):
    values = {
        "teacher": tiny.task.teacher,
        "students": STUDENTS,
        "dataset": tiny.task.dataset,
        "max_length": 16,
        "settings": SETTINGS,
        "data_fingerprint": tiny.task.data_fingerprint,
        "sources": ((str(tiny.model), ""),) * 3,
        "fingerprints": (model_fingerprint(tiny.model),) * 3,
    }
    return SpeedTask(**{**values, **changes})


@pytest.mark.parametrize("forward", ["transformers", "kdstudy"])
def test_every_model_answers_the_same_batches_in_interleaved_rounds(forward, tiny, monkeypatch):
    passes, seen = [], []
    measured = speed._pass

    def watched(model, task, device):
        passes.append(model.name)
        inputs = model.network.inputs

        def counted(split, rows):
            seen.append((model.name, rows.tolist()))
            return inputs(split, rows)

        monkeypatch.setattr(model.network, "inputs", counted)
        measured(model, task, device)
        monkeypatch.setattr(model.network, "inputs", inputs)

    monkeypatch.setattr(speed, "_pass", watched)
    task = task_of(tiny, settings=SETTINGS.model_copy(update={"forward": forward}))
    record = run_work(task, ("", ""), tiny.workspace)
    assert [model.name for model in record.models] == ["tiny", "2L", "2AH"]
    # One pass each to warm up, then rounds that start with another one each
    assert passes == ["tiny", "2L", "2AH", "tiny", "2L", "2AH", "2L", "2AH", "tiny", "2AH", "tiny", "2L"]
    batches = [list(range(start, min(start + 8, 20))) for start in range(0, 20, 8)]
    for name in ("tiny", "2L", "2AH"):
        assert [rows for model, rows in seen if model == name] == batches * 4
    for model in record.models:
        assert len(model.samples_per_second) == 3
        assert min(model.samples_per_second) <= model.median <= max(model.samples_per_second)
        assert min(model.samples_per_second) > 0
    teacher, shallow, fewer_heads = (model.num_parameters for model in record.models)
    assert shallow < teacher == fewer_heads
    assert record.threads == torch.get_num_threads()


def test_records_of_response_times_read_back(tiny):
    task = task_of(tiny)
    record = run_work(task, ("", ""), tiny.workspace)
    again = parse_record(json.loads(record.model_dump_json()))
    assert isinstance(again, SpeedRecord)
    assert again == record
    assert again.record_id == task.speed_id == work_id(task)


def test_names_of_measurements_follow_from_what_is_measured(tiny):
    one = task_of(tiny)
    assert task_of(tiny, sources=(("/elsewhere", ""),) * 3).speed_id == one.speed_id
    others = [
        task_of(tiny, students=STUDENTS[:1], fingerprints=one.fingerprints[:2]),
        task_of(tiny, max_length=12),
        task_of(tiny, settings=SETTINGS.model_copy(update={"batch_size": 4})),
        task_of(tiny, fingerprints=("other",) * 3),
    ]
    assert len({one.speed_id, *(other.speed_id for other in others)}) == 5


def test_length_of_inputs_is_the_recipes_or_its_own():
    settings = SpeedSettings()
    with_length = settings.model_copy(update={"max_length": 12})
    study = make_study(datasets=1, students=1, speed=settings, seeds=(7,))
    other = make_study(datasets=1, students=1, speed=with_length, seeds=(7,))
    tasks = [make_search(each, run_study(each)).speed_record(*each.teacher_pairs[0]).task for each in (study, other)]
    assert [task.max_length for task in tasks] == [study.config.training.max_length, 12]
    assert [task.seed for task in tasks] == [7, 7]  # that of the trials' models, which are on disk
    assert tasks[0].speed_id != tasks[1].speed_id
