"""The values of settings: how they are read, which come from files, and how they are printed."""
