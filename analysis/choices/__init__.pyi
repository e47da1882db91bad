from .findings import ChoiceFindings as ChoiceFindings
from .findings import choice_findings as choice_findings
from .sections import SECTIONS as SECTIONS
