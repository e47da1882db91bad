"""Searchers: pure objects that propose trials and observe records; only `ray_adapter` knows Ray Tune."""
