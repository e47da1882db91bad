from .durable_writes import StorageFull as StorageFull
from .durable_writes import new_array as new_array
from .durable_writes import persistently as persistently
from .durable_writes import storage_named as storage_named
from .durable_writes import write_whole as write_whole
from .object_store import SharedFolder as SharedFolder
from .object_store import StoreError as StoreError
from .workspace import Workspace as Workspace
