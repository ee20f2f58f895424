"""`rotator demo`: the main job on a laptop, under real traffic, with the job killed again and again, and proven."""
