from .launcher import launch as launch
from .options import LaunchOptions as LaunchOptions
from .placement import missing_resources as missing_resources
from .progress import Progress as Progress
