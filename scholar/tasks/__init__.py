"""What a task is: its data. One module each, loaded by name."""
