"""Bodies that come in: bytes, forms, uploads, checksums, and `Expect: 100-continue`."""
