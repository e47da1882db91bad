"""A study's results with the findings of all families, for tests."""

from __future__ import annotations

from analysis.choices.findings import choice_findings
from analysis.examples.findings import group_findings
from analysis.internals.experiments import experiment_triples
from analysis.report.report import answers_of, summarise, tables_of
from analysis.results.study_results import StudyResults
from analysis.shapes.findings import shape_findings

OF_CHOICES = [  # sections of a study of parameter choices, on the page of which they have figures
    "fig1_cost_of_choices",
    "fig2_parameters",
    "table3_rewards",
    "fig3_one_for_all",
    "decisions",
    "temperatures",
    "scores",
    "training",
]


class Analysed:
    """Results, and the findings of every family, under one roof."""

    def __init__(self, *arguments, **keys):
        self.results = StudyResults(*arguments, **keys)

    def __getattr__(self, name):
        for found in (self.results, choice_findings(self.results)):
            if hasattr(found, name):
                return getattr(found, name)
        raise AttributeError(name)

    @property
    def shapes(self):
        return shape_findings(self.results).results

    @property
    def groups(self):
        return group_findings(self.results).results

    @property
    def experiments(self):
        return experiment_triples(self.results)

    def section(self, name):
        return next(answer for answer in answers_of(self.results) if answer.name == name)


analyse = Analysed


def summary(analysed):
    return summarise(answers_of(analysed.results))


def sections(analysed):
    """The sections of the page that have figures."""
    return [answer for answer in answers_of(analysed.results) if answer.figure()]


def tables(analysed):
    return tables_of(answers_of(analysed.results))
