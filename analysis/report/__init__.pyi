from .report import REPORT as REPORT
from .report import answers_of as answers_of
from .report import export_tables as export_tables
from .report import render as render
from .report import summarise as summarise
from .report import tables_of as tables_of
from .report import write_report as write_report
