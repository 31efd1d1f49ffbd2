"""Maven: files at the paths of a repository, their checksums, and metadata that are made from rows."""
