"""The report of a study: its page, figures and tables, collected from the sections of all families."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
