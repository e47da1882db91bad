"""A simulated study of experiments; each test file has a `folder` with what its models kept."""

from __future__ import annotations

import pytest
from analysed import Analysed as Findings
from analysed import analyse
from simulated_experiments import experiment_records, experiment_study


@pytest.fixture(scope="module")
def study():
    return experiment_study()


@pytest.fixture(scope="module")
def records(study):
    return experiment_records(study)


@pytest.fixture(scope="module")
def findings(study, records, folder) -> Findings:
    return analyse(study, records, folder=folder)
