"""Webhooks on real servers, with receivers that are real servers, too."""
