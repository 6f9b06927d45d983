"""The backends that come with the core, each registered by `qtasks.builtins` and imported on first use."""
