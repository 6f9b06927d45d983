"""The application: its two faces, how it is wired together, and how a worker of it is run."""
