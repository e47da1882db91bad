"""A launch whose work only waits and notes where it is: scheduling is tested without training. It wants a process.

Usage: python tests/idle_launch.py ADDRESS FOLDER SECONDS JSON, where JSON holds resources, options of the launch, and
`together`: how many trials wait for each other before the first of them ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import ray
import simulation
from ray import cloudpickle
from rich.console import Console
from simulation import do_work, fingerprints_of, make_study

from study.config.resources import Resources
from study.launching import tune_run
from study.launching.options import LaunchOptions
from study.launching.progress import Progress
from study.ledger.record_files import Ledger
from study.search.study_search import StudySearch
from trials.specs.trial import TrialSpec
from trials.specs.work import work_id
from trials.storage.workspace import Workspace
from trials.workers.trainable import WORK

PATIENCE_SECONDS = 150


def idle(seconds: float, together: int) -> type[tune_run.KDTrainable]:
    """A worker that waits instead of training."""

    class Idle(tune_run.KDTrainable):
        def setup(self, config: dict[str, Any], context: Any, coordinator: Any = None) -> None:
            self.context = context

        def step(self) -> dict[str, Any]:
            work, begun = WORK.validate_json(self.config["work"]), time.time()
            root = self.context.workspace.root
            if isinstance(work, TrialSpec):
                (root / f"begun-{work_id(work)}").touch()
                while len(list(root.glob("begun-*"))) < together and time.time() < begun + PATIENCE_SECONDS:
                    time.sleep(0.1)
            time.sleep(seconds)
            self.context.ledger.write(do_work(work))
            context = ray.get_runtime_context()
            note = {
                "kind": self.config["kind"],
                "cpu": self.config["cpu"],
                "node": context.get_node_id(),
                "gpu": context.get_assigned_resources().get("GPU", 0),
                "begun": begun,
                "ended": time.time(),
            }
            (root / f"note-{work_id(work)}.json").write_text(json.dumps(note))
            return {"done": True, "record_id": work_id(work)}

    return Idle


def main() -> None:
    """Launch a study of some triples, and print what a user would see."""
    address, folder, seconds, rest = sys.argv[1:]
    cloudpickle.register_pickle_by_value(simulation)  # workers do not find the tests
    more = json.loads(rest)
    study = make_study(datasets=3, students=2, resources=Resources.model_validate(more.pop("resources")))
    workspace = Workspace(Path(folder))
    workspace.root.mkdir(exist_ok=True)
    tune_run.KDTrainable = idle(float(seconds), more.pop("together", 1))
    options = LaunchOptions(address=address, **more)
    ledger = Ledger(workspace.ledger)
    search = StudySearch(study, fingerprints_of(study), ledger.refresh())
    progress = Progress(Console(width=200))
    with tune_run.ray_session(study, workspace, options, progress.say) as workers:
        progress.begin(search, workers)
        events, _ = tune_run.run_on_tune(study, search, ledger, workspace, options, workers, progress)
        progress.end()
    ended = {"started": events.started, "recorded": events.recorded, "up": events.time_is_up}
    progress.say(json.dumps({**ended, "blocked": events.blocked}))


if __name__ == "__main__":
    main()
