from .sections import SECTIONS as SECTIONS
