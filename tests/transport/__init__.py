"""What crosses a connection, byte by byte: every client of the product on real sockets and real TLS."""
