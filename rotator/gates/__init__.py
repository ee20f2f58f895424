"""Gates: conditions that must be seen before a step, one file a kind."""
