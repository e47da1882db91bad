"""Trials, hours, disk and memory before the start, and the work left while a study runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
