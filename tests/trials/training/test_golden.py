"""Golden losses: what training computes stays what it was, for every experiment of papers C and D, on a tiny model.

`make golden` writes them anew and prints what differs. They hold on one kind of CPU, and nearly on others.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import Tiny

from search_spaces.configuration import Configuration, Optimizer
from search_spaces.space import load_space
from trials.specs.records import Status
from trials.specs.student import StudentSpec

GOLDEN = Path(__file__).parent / "golden_losses.json"
OF_C, OF_D = load_space("internal").named(), load_space("paper_d").named()
EPOCHS = 4
BILSTM = StudentSpec(name="bilstm", source="tiny", architecture="bilstm", hidden_size=8, embedding_size=6)


@pytest.fixture(scope="module")
def losses(tiny, tiny_transfer) -> dict[str, list[float]]:
    """Mean training loss of each epoch, by experiment."""
    of_c = {name: curve(tiny, each, learning_rate=0.003) for name, each in OF_C.items()}
    adam = {"optimizer": Optimizer.ADAM, "learning_rate": 0.02}
    of_d = {name: curve(tiny_transfer, each, BILSTM, **adam) for name, each in OF_D.items()}
    return of_c | of_d | {"adadelta": curve(tiny_transfer, OF_D["joint"], BILSTM)}


def curve(tiny: Tiny, configuration: Configuration, student: StudentSpec | None = None, **changes) -> list[float]:
    changed = replace(configuration, layer_epochs=1, **changes)
    spec = tiny.trial(seed=21, student=student, **{key: getattr(changed, key) for key in vars(changed)})
    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": EPOCHS})})
    record = tiny.run(spec)
    assert record.status is Status.COMPLETED, record.reason
    return [point.train_loss for point in record.curve]


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
