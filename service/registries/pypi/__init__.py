"""PyPI: what twine, uv and poetry publish, and the index that pip, uv and poetry install from."""
