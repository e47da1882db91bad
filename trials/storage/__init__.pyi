from .durable_writes import StorageFull as StorageFull
from .durable_writes import allocate_array as allocate_array
from .durable_writes import explain_full_storage as explain_full_storage
from .durable_writes import with_retries as with_retries
from .durable_writes import write_atomically as write_atomically
from .object_store import SharedFolder as SharedFolder
from .object_store import StoreError as StoreError
from .workspace import Workspace as Workspace
