"""Acts of users on accepted deletions: restore, retry, and end a grace early."""
