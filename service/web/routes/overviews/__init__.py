"""Pages about a place or the whole instance: storage, operations, the directory, and the document of events."""
