"""All that knows Vault and OpenBao: paths that are delivered, the ring, and the client."""
