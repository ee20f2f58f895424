"""Other people's world: credentials that others made, objects that others own, controllers that others run."""
