"""What can be chosen in knowledge distillation: configurations and the spaces they are drawn from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
