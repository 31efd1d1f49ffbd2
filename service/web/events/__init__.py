"""Events as pages show them: their document, and those that happened."""
