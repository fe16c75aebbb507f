"""All that crosses workers: publishing, history and subscriptions through Redis."""
