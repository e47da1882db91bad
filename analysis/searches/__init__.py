"""The comparison of several studies: the results of their searches on the same triples, by number of trials."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
