"""Identity providers in this process, as far as rotator asks them: held to the same tests as the real ones."""
