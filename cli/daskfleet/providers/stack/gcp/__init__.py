"""What Google Cloud is asked directly: groups and machines, logs, what is left, checks before anything is made."""
