"""HTTP requests to addresses that users chose: where they may go, and how they are sent."""
