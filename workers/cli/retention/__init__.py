"""`packyard retention`: rules, what they would do, their runs."""
