"""The embedded default: real servers on loopback, an API emulator, and the demo that shows the main job on a laptop."""
