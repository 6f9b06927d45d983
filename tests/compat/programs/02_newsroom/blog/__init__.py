"""An application of a Django site, for the newsroom."""
