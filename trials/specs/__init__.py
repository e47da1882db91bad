"""What is to be done and what came of it: data set, student, teacher, trial and record as plain, frozen data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
