"""The directory file: users, groups and projects, applied to the database."""
