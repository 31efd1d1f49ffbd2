"""Retention: rules by which packages go by themselves, their previews, and their runs."""
