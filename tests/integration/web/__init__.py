"""The pages for people, over real databases."""
