from .experiments import Experiment as Experiment
from .experiments import ExperimentTriple as ExperimentTriple
from .experiments import answers_of as answers_of
from .experiments import experiment_triples as experiment_triples
from .sections import SECTIONS as SECTIONS
from .tables import p_value_columns as p_value_columns
