"""One module and one SQL script a version; forward only, each safe while the release before still runs."""
