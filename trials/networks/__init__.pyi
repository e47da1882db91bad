from .layer_outputs import AttentionLayout as AttentionLayout
from .loading import Network as Network
from .loading import network_class as network_class
from .loading import open_network as open_network
from .packed_network import PackedNetwork as PackedNetwork
from .recurrent_network import RecurrentNetwork as RecurrentNetwork
from .seq2seq_network import Seq2SeqNetwork as Seq2SeqNetwork
from .transformers_network import TransformersNetwork as TransformersNetwork
