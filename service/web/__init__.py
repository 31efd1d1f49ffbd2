"""The pages for people: rendered on the server, for browsers, with the same rights as the API."""
