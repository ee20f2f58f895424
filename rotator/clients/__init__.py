"""Thin clients. Each translates its library's types and errors once; nobody else imports those libraries."""
