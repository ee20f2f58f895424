"""All that knows how Kubernetes writes things down: objects that are delivered, the ring, leases, restarts, and the client."""
