"""The egress sidecar of a bottle: an allowlist, a guard for addresses, and one line for every decision."""
