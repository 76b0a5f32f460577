"""The tasks, one module each. A module defines everything about its task; nothing else names it."""
