from .launcher import launch as launch
from .options import LaunchOptions as LaunchOptions
from .placement import lacks as lacks
from .progress import Progress as Progress
