"""The pages themselves: each handler reads, calls use cases, and renders one template."""
