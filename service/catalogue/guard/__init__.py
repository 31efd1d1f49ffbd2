"""The guard that every upload passes: the names that may be published, by whom, and how many bytes."""
