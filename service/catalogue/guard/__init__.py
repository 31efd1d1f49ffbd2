"""The guard that every upload passes: which names may be published, and by whom."""
