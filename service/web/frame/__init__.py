"""The parts that all pages share: templates, filters, formats, assets, and which form a browser wants."""
