"""Package managers: a folder for each, with its routes, its rows and what it keeps of a file."""
