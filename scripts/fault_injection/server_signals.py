"""Stop, kill, reload, damage and overload a server while clients use it."""
