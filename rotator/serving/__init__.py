"""What `rotator serve` answers with: JWK Sets for everybody, and health, metrics and a page for operators."""
