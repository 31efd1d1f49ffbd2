"""NuGet: packages and symbols that are pushed, and the documents that NuGet's protocol 3 reads."""
