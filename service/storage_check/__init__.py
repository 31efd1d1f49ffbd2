"""The storage check: it compares the objects in storage with the rows in the database."""
