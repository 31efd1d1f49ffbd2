"""Signing in with a browser: sessions, their cookie, and forms that only our own pages can send."""
