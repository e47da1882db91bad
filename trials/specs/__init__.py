"""Specifications and records as plain, frozen data: data set, student, teacher, trial, and the results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
