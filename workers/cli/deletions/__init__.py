"""The commands `packyard deletions …`."""
