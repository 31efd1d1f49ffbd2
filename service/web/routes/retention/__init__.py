"""The pages of retention: rules, previews, runs with their approval and reports, and why a package stays."""
