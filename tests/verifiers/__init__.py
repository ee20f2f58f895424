"""Real verifiers, unmodified, on the JWK Set that `rotator serve` answers with, through a whole rotation: `make verifiers`."""
