"""The catalogue: packages, their files, and the projects and groups that hold them."""
