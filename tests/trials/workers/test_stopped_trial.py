"""A trial that is stopped early: alone, in a group, after a kill; what its record says, and what it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from trials.specs.early_stopping import RuleName, StoppingRule
from trials.specs.records import Status, parse_record
from trials.specs.trial import TrialSpec
from trials.workers.run_work import run_group

STOPPING = StoppingRule(rule=RuleName.ASHA)


@dataclass
class Judge:
    """Stops one trial from an epoch on; remembers what it was told."""

    doomed: str = ""
    epoch: float = 1.0
    told: list[tuple[str, tuple[float, ...]]] = field(default_factory=list)

    def __call__(self, spec: TrialSpec, curve) -> str | None:
        self.told.append((spec.trial_id, tuple(point.epoch for point in curve)))
        doomed = spec.trial_id == self.doomed and curve[-1].epoch >= self.epoch
        return f"at epoch {curve[-1].epoch:g}: others are better" if doomed else None


def stoppable(tiny, **changes) -> TrialSpec:
    return TrialSpec(**{**dict(tiny.trial(**changes)), "stopping": STOPPING})


def run(tiny, specs, stop_check, **options):
    """Records by the trial's id."""
    found = {}
    source = (str(tiny.model), "")
    run_group(
        specs, source, tiny.workspace, lambda r: found.update({r.spec.trial_id: r}), stop_check=stop_check, **options
    )
    return found


def test_record_of_a_stopped_trial(tiny):
    spec = stoppable(tiny)
    whole, stop_check = tiny.run(spec), Judge(spec.trial_id)
    record = run(tiny, [spec], stop_check)[spec.trial_id]
    assert (record.status, record.reason) == (Status.STOPPED, "at epoch 1: others are better")
    assert not record.status.has_scores
    # what it came to is the beginning of what it would have come to
    assert record.curve == whole.curve[:1]
    assert (record.best_step, record.validation_score) == (whole.curve[0].step, whole.curve[0].validation_score)
    assert record.test_score is not None
    # its record and its answers are not those of the whole trial
    assert record.record_id == spec.stopped_id != whole.record_id == spec.trial_id == tiny.trial().trial_id
    assert tiny.workspace.predictions(record.record_id).is_file()
    assert parse_record(record.model_dump(mode="json")) == record
    assert stop_check.told == [(spec.trial_id, (1.0,))]


def test_last_validation_is_told_but_stops_nothing(tiny):
    spec = stoppable(tiny, learning_rate=0.002)
    stop_check = Judge(spec.trial_id, epoch=2.0)
    record = run(tiny, [spec], stop_check)[spec.trial_id]
    assert (record.status, record.reason, record.record_id) == (Status.COMPLETED, None, spec.trial_id)
    assert stop_check.told == [(spec.trial_id, (1.0,)), (spec.trial_id, (1.0, 2.0))]


def test_stopped_member_leaves_the_others_as_they_are(tiny):
    bad, good, other = (stoppable(tiny, learning_rate=rate) for rate in (0.001, 0.003, 0.004))
    found = run(tiny, [bad, good, other], Judge(bad.trial_id))
    assert [record.spec for record in found.values()] == [bad, good, other]  # it ended first
    assert found[bad.trial_id].status is Status.STOPPED
    for spec in (good, other):
        alone, beside = tiny.run(spec), found[spec.trial_id]
        assert beside.status is Status.COMPLETED
        assert [point.validation_score for point in beside.curve] == [point.validation_score for point in alone.curve]
        assert beside.validation_loss == pytest.approx(alone.validation_loss, rel=1e-4)
        assert beside.test_score == alone.test_score


def test_trial_that_is_killed_before_its_record_is_judged_again(tiny):
    spec = stoppable(tiny, learning_rate=0.005)
    stop_check = Judge(spec.trial_id)
    expected = run(tiny, [spec], stop_check)[spec.trial_id]

    def killed(told: TrialSpec, curve) -> str | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny, [spec], killed, checkpoint_seconds=0)
    again = run(tiny, [spec], stop_check, checkpoint_seconds=0)[spec.trial_id]
    assert (again.curve, again.test_scores) == (expected.curve, expected.test_scores)
    assert again.status is Status.STOPPED
    assert stop_check.told[0] == stop_check.told[1]
