"""Object storage: one interface, in front of folders and buckets."""
