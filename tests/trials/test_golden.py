"""Golden losses: what training computes stays what it was, for every experiment of paper C, on a tiny model.

`make golden` writes them anew and prints what differs. They hold on one kind of CPU, and nearly on others.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search_spaces.space import load_space
from trials.record import Status

GOLDEN = Path(__file__).parent / "golden_losses.json"
EXPERIMENTS = load_space("internal").named()
EPOCHS = 4


@pytest.fixture(scope="module")
def losses(tiny) -> dict[str, list[float]]:
    """Mean training loss of each epoch, by experiment."""
    found = {}
    for name, configuration in EXPERIMENTS.items():
        changed = replace(configuration, learning_rate=0.003, layer_epochs=1)
        spec = tiny.trial(seed=21, **{key: getattr(changed, key) for key in vars(changed)})
        spec = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": EPOCHS})})
        record = tiny.run(spec)
        assert record.status is Status.COMPLETED, record.reason
        found[name] = [point.train_loss for point in record.curve]
    return found


def test_losses_are_what_they_were(losses):
    if os.environ.get("KDSTUDY_GOLDEN") == "write":
        old = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else {}
        changes = (f"{name}: {old.get(name)} -> {values}" for name, values in losses.items())
        sys.stdout.write("\n".join(["", *changes, ""]))
        GOLDEN.write_text(json.dumps(losses, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert golden.keys() == losses.keys()
    for name, values in golden.items():
        assert losses[name] == pytest.approx(values, rel=2e-3), name


def test_experiments_differ(losses):
    # Each schedule and each term leaves a mark, or the golden numbers would say little
    assert len({tuple(round(value, 4) for value in values) for values in losses.values()}) == len(losses)
