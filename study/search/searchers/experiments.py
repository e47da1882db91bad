"""Named configurations, all of them: the experiments of a search space, each tuned by itself."""

from __future__ import annotations

from collections.abc import Mapping

from study.search.searchers.chain import Candidate, SearchFailed, SearchProgram, Subroutine, best_of, run_in_parallel
from study.search.searchers.greedy import GreedySearch


class ExperimentSearch(GreedySearch):
    """The search of one triple that tries all experiments of its space.

    Attributes:
        named: The tuned experiments by name, once known; those that are one configuration share a trial.
        incumbent: The best of them at the end. There are no steps: nothing builds on another.
    """

    named: Mapping[str, Candidate] = {}

    @property
    def progress(self) -> str:
        """Where it stands, in words."""
        return f"{len(self.named)} of {len(self.space.experiments)} experiments"

    @property
    def makes_last_request(self) -> bool:
        """It is not known: each experiment is tuned by itself."""
        return False

    def run(self) -> SearchProgram:
        """All experiments side by side."""
        self.named, self.candidates = {}, []
        choices = self.space.named()
        found = yield from run_in_parallel([self._experiment(name) for name in choices])
        self.named = dict(zip(choices, found, strict=True))
        if all(candidate.score is None for candidate in found):
            raise SearchFailed("all experiments failed; see the failed trials")
        self.incumbent = best_of(found)

    def _experiment(self, name: str) -> Subroutine[Candidate]:
        candidate = yield from self._tuned(self.space.named()[name])
        self.named = {**self.named, name: candidate}
        return candidate


SEARCH = ExperimentSearch
