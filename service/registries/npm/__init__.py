"""npm: what npm, pnpm and yarn publish, and the metadata that they install from."""
