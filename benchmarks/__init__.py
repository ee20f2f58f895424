"""Speed, as ratios against what a user would do instead and against the raw limit, measured in one run."""
