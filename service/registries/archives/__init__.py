"""Archives that somebody sent, read as hostile: bounded in size, in entries and in time, never unpacked to disk."""
